-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(json.encode({ a = 1 }) == '{"a":1}')
		assert(mqtt.publish)
		json.encode, mqtt.publish, string.find, table.insert = nil, nil, nil, nil
		setmetatable(_G, { __index = error, __newindex = error })
	end,
}

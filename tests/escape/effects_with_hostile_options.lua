-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local trap = setmetatable({}, { __index = function() while true do end end, __pairs = error, __len = error })
		assert(pcall(mqtt.publish, "a/b", "x", trap))
		assert(not pcall(mqtt.publish, "a/b", "x", { qos = 3 }))
		assert(not pcall(mqtt.publish, "a/b", "x", { qos = 0 / 0 }))
		assert(not pcall(mqtt.publish, "a/b", "x", { expiry = -1 }))
		assert(not pcall(mqtt.publish, "a/b", "x", { properties = { a = ("x"):rep(70000) } }))
		assert(not pcall(mqtt.publish, "a/b", "x", { unknown = 1 }))
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		setmetatable(_G, { __index = function(_, name) return name end, __newindex = function() end })
		assert(absent == "absent")
		mqtt.publish("a/b", "x")
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, topic in ipairs({ "a/+", "a/#", "#", "", "a/\0b", "a/\255", "$SYS/x", ("a/"):rep(40000) }) do
			assert(not pcall(mqtt.publish, topic, "x"), topic)
		end
	end,
}

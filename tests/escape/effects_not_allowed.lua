-- ends: error not allowed
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		mqtt.publish("other/topic", "x")
	end,
}

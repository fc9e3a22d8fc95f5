-- ends: error at most
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for i = 1, 2000 do mqtt.publish("a/b", i) end
	end,
}

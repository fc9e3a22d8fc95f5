-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _ = 1, 50 do
			assert(not pcall(mqtt.publish, "a/b", { print }))
			assert(not pcall(shadow.update, "thing", { desired = { coroutine.create(print) } }))
			assert(not pcall(invoke, "other", { 0 / 0 }))
		end
		mqtt.publish("a/b", "whole")
		assert(not pcall(mqtt.publish, "a/b", { print }))
	end,
}

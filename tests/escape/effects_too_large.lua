-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local payload, refused = ("x"):rep(200000), 0
		for _ = 1, 100 do
			if not pcall(mqtt.publish, "a/b", payload) then refused = refused + 1 end
		end
		assert(refused > 0)
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for i = 1, 20000 do
			log.warn(i, {})
			print(i)
		end
	end,
}

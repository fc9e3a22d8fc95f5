-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 100000 do t[i * (1 << 20)] = true end
		for i = 1, 100000 do t[i * ((1 << 17) - 1)] = true end
	end,
}

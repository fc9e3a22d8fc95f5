-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 100000 do t[2.0 ^ (i % 1000) + 0.5] = true
			t[i * 2.0 ^ 60] = true
		end
	end,
}

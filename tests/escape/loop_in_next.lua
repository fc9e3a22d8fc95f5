-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 50000 do t[i] = i end
		for i = 1, 50000 do t[i] = nil end
		while true do next(t) end
	end,
}

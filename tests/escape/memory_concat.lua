-- ends: memory
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 1000 do t[i] = ("x"):rep(1000) end
		local all = table.concat(t)
		return #table.concat({ all, all, all, all, all, all, all, all, all, all, all, all, all, all, all, all, all })
	end,
}

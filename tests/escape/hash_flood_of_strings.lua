-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 50000 do t[("x"):rep(200) .. i] = true end
	end,
}

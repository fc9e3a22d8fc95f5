-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return xpcall(error, function() return ("x"):rep(1 << 40) end)
	end,
}

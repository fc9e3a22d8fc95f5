-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		error(("x"):rep(5000000))
	end,
}

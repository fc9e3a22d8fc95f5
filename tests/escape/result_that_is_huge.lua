-- ends: error result
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return ("x"):rep(2000000)
	end,
}

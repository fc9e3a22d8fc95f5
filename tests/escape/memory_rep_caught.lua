-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(not pcall(string.rep, "x", 1000000000))
		assert(("x"):rep(1000) == ("x"):rep(1000))
	end,
}

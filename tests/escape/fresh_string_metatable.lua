-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(("x"):upper() == "X")
		getmetatable("").__index = nil
		assert(not pcall(function() return ("x"):upper() end))
	end,
}

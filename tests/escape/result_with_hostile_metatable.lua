-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local trap = function() while true do end end
		return setmetatable({ a = 1 }, { __index = trap, __pairs = trap, __len = trap, __tostring = trap, __name = "x" })
	end,
}

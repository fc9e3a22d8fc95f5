-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local trap = function() while true do end end
		error(setmetatable({}, { __tostring = trap, __index = trap, __pairs = trap, __name = trap, __gc = trap, __close = trap }))
	end,
}

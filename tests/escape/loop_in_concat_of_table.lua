-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return table.concat(setmetatable({}, { __index = function() return "" end }), "", 1, math.maxinteger)
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return setmetatable({}, { __index = function() while true do end end }).x
	end,
}

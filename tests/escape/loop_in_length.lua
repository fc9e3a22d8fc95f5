-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = setmetatable({}, { __len = function() while true do end end })
		return #t
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local x <close> = setmetatable({}, { __close = function() while true do end end })
	end,
}

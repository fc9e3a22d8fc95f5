-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for i = 1, 20000 do
			setmetatable({}, { __gc = function() while true do end end })
		end
	end,
}

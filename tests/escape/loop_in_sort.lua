-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		table.sort({ 3, 2, 1 }, function() while true do end end)
	end,
}

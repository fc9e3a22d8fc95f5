-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		("aaaa"):gsub("a", function() while true do end end)
	end,
}

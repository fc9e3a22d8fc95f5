-- ends: error wait
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		table.sort({ 2, 1 }, function() http.get("https://example.com/") end)
	end,
}

-- ends: error wait
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		("a"):gsub("a", function() shadow.get("thing") end)
	end,
}

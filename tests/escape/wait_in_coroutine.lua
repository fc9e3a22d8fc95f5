-- ends: error wait
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		coroutine.wrap(function() http.get("https://example.com/") end)()
	end,
}

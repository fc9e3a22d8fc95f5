-- ends: error yield
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		table.sort({ 2, 1 }, function() coroutine.yield() end)
	end,
}

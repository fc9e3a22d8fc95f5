-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		while true do coroutine.wrap(function() coroutine.yield() end)() end
	end,
}

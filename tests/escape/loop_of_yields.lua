-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local next_one = coroutine.wrap(function() while true do coroutine.yield() end end)
		while true do next_one() end
	end,
}

-- ends: error yielded
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		coroutine.yield(1)
	end,
}

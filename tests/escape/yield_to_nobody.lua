-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local co = coroutine.running()
		assert(not coroutine.resume(co))
		assert(not pcall(coroutine.close, co))
		assert(not coroutine.wrap(function() return coroutine.resume(co) end)())
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local co = coroutine.create(function() error({}) end)
		coroutine.resume(co)
		assert(not coroutine.resume(co) and coroutine.status(co) == "dead")
		assert(coroutine.close(co) or true)
		local wrapped = coroutine.wrap(function() return 1 end)
		wrapped()
		assert(not pcall(wrapped))
	end,
}

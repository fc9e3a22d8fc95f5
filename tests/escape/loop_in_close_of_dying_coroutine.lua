-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local co = coroutine.create(function()
			local x <close> = setmetatable({}, { __close = function() while true do end end })
			coroutine.yield()
		end)
		coroutine.resume(co)
		coroutine.close(co)
	end,
}

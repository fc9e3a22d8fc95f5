-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function nest(n)
			local inner
			return coroutine.create(function()
				local x <close> = setmetatable({}, { __close = function()
					if inner then coroutine.close(inner) end
				end })
				if n > 0 then
					inner = nest(n - 1)
					coroutine.resume(inner)
				end
				coroutine.yield()
			end)
		end
		local co = nest(100)
		coroutine.resume(co)
		pcall(coroutine.close, co)
	end,
}

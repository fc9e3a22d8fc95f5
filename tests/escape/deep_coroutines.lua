-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f() return coroutine.wrap(f)() end
		assert(not pcall(f))
	end,
}

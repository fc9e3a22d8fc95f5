-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local co = coroutine.wrap(function()
			local x <close> = setmetatable({}, { __close = function() coroutine.yield("closing") end })
			error("out")
		end)
		co()
		co()
		co()
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local trap = function() while true do end end
		local cycle = {}
		cycle[1] = cycle
		log.info(setmetatable({}, { __tostring = trap, __index = trap, __name = trap }))
		log.info(cycle, print, coroutine.create(print), 0 / 0, 1 / 0, nil)
		log.info("\0\255\n\27[2J", ("x"):rep(100000))
		print(setmetatable({}, { __tostring = trap, __name = trap }))
	end,
}

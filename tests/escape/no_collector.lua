-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, what in ipairs({ "stop", "collect", "step", "incremental", "generational", "setpause", "isrunning" }) do
			assert(not pcall(collectgarbage, what), what)
		end
		assert(collectgarbage("count") > 0)
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, mode in ipairs({ "b", "bt", "t" }) do
			assert(not load("\27Lua\x54\0\x19\x93\r\n\x1a\n", "x", mode))
		end
	end,
}

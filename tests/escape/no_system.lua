-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local known = { time = true, date = true, clock = true, difftime = true }
		for name in pairs(os) do assert(known[name], name) end
	end,
}

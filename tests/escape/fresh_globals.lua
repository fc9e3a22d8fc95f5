-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(leak == nil and type(string) == "table" and type(print) == "function")
		leak = true
		local keys, globals = {}, _G
		for name in pairs(globals) do keys[#keys + 1] = name end
		for i = 1, #keys do globals[keys[i]] = nil end
	end,
}

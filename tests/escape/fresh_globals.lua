-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(leak == nil and type(string) == "table" and type(print) == "function")
		leak = true
		local keys = {}
		for name in pairs(_G) do keys[#keys + 1] = name end
		for i = 1, #keys do _G[keys[i]] = nil end
	end,
}

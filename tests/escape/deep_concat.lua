-- ends: error overflow
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = setmetatable({}, { __concat = function(a, b) return a .. b end })
		return t .. t
	end,
}

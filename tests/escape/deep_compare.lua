-- ends: error overflow
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local m = {}
		m.__lt = function(a, b) return a < b end
		return setmetatable({}, m) < setmetatable({}, m)
	end,
}

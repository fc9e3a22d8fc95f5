-- ends: error overflow
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = setmetatable({}, { __tostring = function(t) return tostring(t) end })
		return tostring(t)
	end,
}

-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = setmetatable({}, {})
		getmetatable(t).__call = t
		return t()
	end,
}

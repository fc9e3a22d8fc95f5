-- ends: error loop
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		setmetatable(t, t)
		t.__index = t
		return t.x
	end,
}

-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local _ENV = setmetatable({}, { __index = function(_, name) return name end })
		return print .. string
	end,
}

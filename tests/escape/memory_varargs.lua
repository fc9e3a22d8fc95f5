-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f(...) return select("#", ...) + f(..., ...) end
		return f(1, 2, 3)
	end,
}

-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f() return 1 + f() end
		return f()
	end,
}

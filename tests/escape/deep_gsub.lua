-- ends: error overflow
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f() return (("a"):gsub("a", f)) end
		return f()
	end,
}

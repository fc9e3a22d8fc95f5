-- ends: error overflow
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f() table.sort({ 1, 2, 3 }, f) end
		f()
	end,
}

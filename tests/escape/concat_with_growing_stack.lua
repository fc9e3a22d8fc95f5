-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local m = { __concat = function(a, b)
			local function grow(n) if n == 0 then return "x" end return (grow(n - 1)) end
			grow(5000)
			return "y"
		end }
		local t = setmetatable({}, m)
		for _ = 1, 200 do local s = "a" .. "b" .. t .. "c" .. t .. "d" end
		assert(("a" .. t .. "c") == "y" or true)
	end,
}

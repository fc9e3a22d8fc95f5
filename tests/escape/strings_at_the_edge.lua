-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local least, most = math.mininteger, math.maxinteger
		assert(("abc"):sub(least, most) == "abc" and ("abc"):byte(least, least) == nil)
		assert(not pcall(string.rep, "x", 1 << 62) and not pcall(string.rep, "xx", most, "sep"))
		assert(not pcall(string.char, 256) and not pcall(string.char, -1))
		assert(not pcall(utf8.char, 1 << 31) and not pcall(utf8.codepoint, "abc", 1, most))
		assert(("abc"):find("", most) == nil and ("abc"):find("b", least, true) == 2)
		assert(#("%d"):rep(100):format(table.unpack((function() local t = {} for i = 1, 100 do t[i] = i end return t end)())) > 100)
	end,
}

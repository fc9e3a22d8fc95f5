-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local least, most = math.mininteger, math.maxinteger
		assert(least // -1 == least and least % -1 == 0)
		assert(not pcall(function() return 1 // 0 end) and not pcall(function() return 1 % 0 end))
		for _ = most - 1, most do end
		for _ = least + 1, least, -1 do end
		assert(1 << 64 == 0 and 1 >> -64 == 0 and 1 << least == 0)
		assert(math.tointeger(2 ^ 63) == nil and not pcall(math.random, 1, 0))
		assert(math.ult(1, -1) and math.abs(least) == least)
		assert(tonumber("0x" .. ("f"):rep(1000)) == -1)
		assert(tonumber("1e" .. ("9"):rep(190)) == 1 / 0)
	end,
}

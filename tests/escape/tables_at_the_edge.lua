-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local most = math.maxinteger
		assert(not pcall(table.move, { 1 }, 0, most, 2) and not pcall(table.move, {}, 1, 2, most))
		assert(not pcall(table.unpack, {}, 1, 100000000) and not pcall(table.unpack, {}, math.mininteger, most))
		assert(not pcall(table.insert, {}, 5, 1))
		assert(not pcall(table.sort, setmetatable({}, { __len = function() return 1 << 40 end })))
		assert(not pcall(table.concat, { 1, {}, 3 }) and not pcall(table.concat, { 1 }, "", 1, 5))
		assert(not pcall(next, {}, "absent") and not pcall(rawset, {}, nil, 1) and not pcall(rawset, {}, 0 / 0, 1))
		assert(select("#", table.unpack({}, 1, 100)) == 100 and not pcall(select, 0))
		local t = {}
		for i = 1, 100 do t[i] = i % 7 end
		pcall(table.sort, t, function() return true end)
		pcall(table.sort, t, function(a, b) t[#t + 1] = 1 return a < b end)
	end,
}

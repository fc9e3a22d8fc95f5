-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, format in ipairs({ "i17", "i0", "!17i4", "!3i4", "s20", "Xz", "c", "c99999999999999", "y", "!16Xi16i" }) do
			pcall(string.pack, format, 1)
			pcall(string.packsize, format)
			pcall(string.unpack, format, ("\255"):rep(64))
		end
		assert(not pcall(string.unpack, "s8", ("\255"):rep(8)))
		assert(not pcall(string.unpack, "i16", ("\255"):rep(15)))
		assert(not pcall(string.packsize, ("i16"):rep(200000000 // 1000) .. "c2147483647"))
		assert(not pcall(string.unpack, "z", "no end"))
		assert(not pcall(string.unpack, "i4", "1234", math.maxinteger))
	end,
}

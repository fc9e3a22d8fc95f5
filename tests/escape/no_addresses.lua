-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, value in ipairs({ {}, print, function() end, coroutine.create(print), string.find }) do
			local text = tostring(value)
			local digits = text:match("0x(%x+)") or ""
			assert(#digits <= 10 or tonumber(digits, 16) < 1 << 36, text)
			digits = string.format("%p", value):match("0x(%x+)")
			assert(tonumber(digits, 16) < 1 << 36, digits)
		end
	end,
}

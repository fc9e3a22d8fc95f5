-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, format in ipairs({ "%1000d", "%.1000f", "%y", "%", "%99999999999d", "%-+ #0-+ #0d", "%s%s", "%c%", "%.3q" }) do
			assert(not pcall(string.format, format, 1), format)
		end
		assert(#string.format("%.99f", 1e308) > 300 and #string.format("%99d", 1) == 99)
		assert(#string.format("%a", 1.5) > 0 and string.format("%q", 1 / 0) == "1e9999")
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, timeout in ipairs({ 0 / 0, 1 / 0, -1, 0, 1e300, "x", "-1s", "nan", "infs", {} }) do
			assert(not pcall(http.get, "https://example.com/", { timeout = timeout }), tostring(timeout))
		end
		assert(not pcall(http.get, "https://example.com/", { redirects = 1 << 40 }))
		assert(not pcall(http.get, "https://example.com/", { headers = { a = {} } }))
		assert(not pcall(http.get, "https://example.com/", { query = { a = print } }))
	end,
}

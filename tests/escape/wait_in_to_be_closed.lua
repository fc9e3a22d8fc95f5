-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local x <close> = setmetatable({}, { __close = function() http.get("https://example.com/") end })
		error("out")
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(not xpcall(error, function(e) error(e) end, "x"))
	end,
}

-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return load(function() return nil end)
	end,
}

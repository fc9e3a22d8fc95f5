-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		math = nil
		return uuid.v4()
	end,
}

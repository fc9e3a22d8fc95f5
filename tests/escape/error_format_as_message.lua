-- ends: error %s%n
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		error("%s%n%99999d")
	end,
}

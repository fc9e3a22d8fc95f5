-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		error("a\0b\255\27[31m")
	end,
}

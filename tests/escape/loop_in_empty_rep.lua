-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return #string.rep("", 1 << 62)
	end,
}

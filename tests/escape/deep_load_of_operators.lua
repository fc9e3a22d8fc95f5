-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return load("return " .. ("1 .. "):rep(100000) .. "1")
	end,
}

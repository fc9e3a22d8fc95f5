-- ends: memory
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local s = ("x"):rep(6000000)
		return base64.encode(s) .. base64.encode(s)
	end,
}

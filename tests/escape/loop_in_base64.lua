-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local text = ("x"):rep(100000)
		while true do base64.decode(base64.encode(text)) end
	end,
}

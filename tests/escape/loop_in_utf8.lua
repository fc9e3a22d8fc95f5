-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local text = ("ä"):rep(100000)
		while true do utf8.len(text) end
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local digits = ("1"):rep(100000) .. ".5"
		while true do tonumber(digits) end
	end,
}

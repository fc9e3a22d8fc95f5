-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		while true do tostring(1.5) end
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		while true do
			pcall(function() while true do end end)
		end
	end,
}

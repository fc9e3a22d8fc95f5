-- ends: memory
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		while true do
			local n = #t
			t[n + 1] = function() return n end
		end
	end,
}

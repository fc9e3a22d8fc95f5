-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		while true do
			(("x"):rep(1000)):match("^(x*)*y")
		end
	end,
}

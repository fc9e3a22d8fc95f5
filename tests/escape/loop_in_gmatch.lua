-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _ in (("a"):rep(1000000)):gmatch(".-b") do end
		while true do string.find(("a"):rep(10000), ".-.-.-b") end
	end,
}

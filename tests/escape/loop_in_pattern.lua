-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		string.find(("a"):rep(60), ("a*"):rep(30) .. "b")
	end,
}

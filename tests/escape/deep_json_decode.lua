-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		pcall(json.decode, ("["):rep(1000000))
		pcall(json.decode, ('{"a":'):rep(1000000))
	end,
}

-- ends: memory
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return #(("x"):rep(1000000):gsub(".", ("y"):rep(1000)))
	end,
}

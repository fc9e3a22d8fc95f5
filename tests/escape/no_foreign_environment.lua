-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local own = load("x = 1 return x", "chunk", "t", {})
		assert(own() == 1 and x == nil)
	end,
}

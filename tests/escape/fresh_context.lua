-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(type(context.remaining_ms) == "function" and context.spoilt == nil)
		context.remaining_ms, context.spoilt = nil, true
	end,
}

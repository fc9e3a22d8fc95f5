-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		assert(io == nil and debug == nil and package == nil)
		assert(dofile == nil and loadfile == nil)
		assert(string.dump == nil and warn == nil)
	end,
}

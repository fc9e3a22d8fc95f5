-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		table.move({}, 1, math.maxinteger - 1, 2)
	end,
}

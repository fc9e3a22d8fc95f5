-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t <close> = setmetatable({}, { __close = function() local h = {} while true do h = { h } end end })
	end,
}

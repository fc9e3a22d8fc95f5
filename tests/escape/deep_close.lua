-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local function f(n)
			local x <close> = setmetatable({}, { __close = function() error(n) end })
			return (f(n + 1))
		end
		f(1)
	end,
}

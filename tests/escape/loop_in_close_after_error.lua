-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		while true do
			pcall(function()
				local x <close> = setmetatable({}, { __close = function() error("again") end })
				error("first")
			end)
		end
	end,
}

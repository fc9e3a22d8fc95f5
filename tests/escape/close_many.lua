-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _ = 1, 50 do
			pcall(function()
				local a <close> = setmetatable({}, { __close = function() error("a") end })
				local b <close> = setmetatable({}, { __close = function() error("b") end })
				local c <close> = setmetatable({}, { __close = function() local t = {} for i = 1, 1000 do t[i] = i end end })
				error("d")
			end)
		end
		assert(not pcall(function() local x <close> = 5 end))
	end,
}

-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local hoard, weak = {}, setmetatable({}, { __mode = "v" })
		for i = 1, math.huge do
			hoard[i] = ("x"):rep(500) .. i
			weak[i] = { i }
			weak["k" .. i] = { i }
		end
	end,
}

-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local all = {}
		while true do
			local t = setmetatable({}, { __mode = "kv" })
			for i = 1, 50 do t[{}] = {} end
			setmetatable(t, { __mode = "k" })
			all[#all + 1] = t
		end
	end,
}

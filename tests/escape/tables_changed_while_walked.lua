-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for i = 1, 100 do t[i] = i end
		for key in pairs(t) do
			t[key] = nil
			t["x" .. key] = 1
		end
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t, order = {}, {}
		for i = 1, 200 do t["k" .. i] = i end
		for key in pairs(t) do order[#order + 1] = key end
		return table.concat(order, " ")
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local wide = {}
		for i = 1, 20000 do wide[i] = i + 0.5 end
		while true do json.encode(wide) end
	end,
}

-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local text = "[" .. ("1.5e3,"):rep(20000) .. "1]"
		while true do json.decode(text) end
	end,
}

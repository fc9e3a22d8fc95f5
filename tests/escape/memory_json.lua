-- ends: any
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		return json.decode("[" .. ("{},"):rep(2000000) .. "1]")
	end,
}

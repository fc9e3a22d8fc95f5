-- ends: error
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		for _ = 1, 100000 do t = { t } end
		return json.encode(t)
	end,
}

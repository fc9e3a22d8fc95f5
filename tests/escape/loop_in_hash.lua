-- ends: timeout
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local text = ("x"):rep(1000000)
		while true do hash.sha256(text) end
	end,
}

-- ends: memory
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local t = {}
		while true do t[#t + 1] = coroutine.create(function() end) end
	end,
}

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _ = 1, 3 do
			local ok = pcall(function()
				local t = {}
				while true do t[#t + 1] = ("x"):rep(1000) .. #t end
			end)
			assert(not ok)
		end
		assert(json.encode({ 1, 2 }) == "[1,2]")
	end,
}

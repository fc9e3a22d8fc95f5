-- ends: ok
local count, cache = 0, {}
return {
	handler = function()
		count = count + 1
		cache[#cache + 1] = count
		if count ~= 1 or #cache ~= 1 then error("kept from an earlier run") end
	end,
}

-- ends: ok
return {
	handler = function()
		local first = math.random(1 << 50)
		math.randomseed(first)
		return first
	end,
}

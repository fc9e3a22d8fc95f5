-- ends: ok
local ballast = {}
for i = 1, 100000 do ballast[i] = i end
return {
	handler = function()
		assert(ballast[1] == 1 and #ballast == 100000)
		ballast[1] = "spoilt"
	end,
}

-- ends: refused memory
local hoard = {}
while true do hoard[#hoard + 1] = { #hoard } end

-- refused: refused_memory.lua: out of memory
local t = {}
while true do t[#t + 1] = ("x"):rep(1 << 16) .. #t end

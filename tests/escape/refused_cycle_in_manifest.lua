-- ends: refused
local on = {}
on.on = on
return { on = on, handler = function() end }

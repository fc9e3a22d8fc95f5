-- refused: refused_require.lua:2: require "nowhere": there is no such file
local nowhere = require "nowhere"
return { handler = nowhere.handler }

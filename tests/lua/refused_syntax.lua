-- refused: refused_syntax.lua:3:
return {
  handler = function() return + end,
}

-- refused: refused_no_handler.lua: the function's table has no handler
return { on = { topic = "a" }, handler = "main" }

-- refused: refused_no_table.lua: the file returns a string; it must return the function's table
return "hello"

-- refused: refused_not_json.lua: function.timeout: NaN cannot be JSON
return { timeout = 0 / 0, handler = print }

-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local names = {}
		for i = 1, 300 do names[i] = "v" .. i end
		assert(not load("local " .. table.concat(names, ", ")))
		assert(not load("local function f(" .. table.concat(names, ", ") .. ") end"))
		assert(load("return {" .. ("1,"):rep(100000) .. "}"))
		assert(not load(("goto x "):rep(1000)))
		local captured = {}
		for i = 1, 190 do captured[i] = "local v" .. i .. " = " .. i end
		load(table.concat(captured, "\n") .. "\nreturn function() return " .. table.concat(names, " + ", 1, 190) .. " end")
	end,
}

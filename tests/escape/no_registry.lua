-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, value in pairs(_G) do assert(type(value) ~= "userdata" and type(value) ~= "thread") end
	end,
}

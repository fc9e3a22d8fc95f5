-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		for _, text in ipairs({ "(", "{", "do ", "f(", "function() ", "- ", "not ", "a.", "a[", "if x then " }) do
			assert(not load("return " .. text:rep(10000)))
			assert(not load(text:rep(10000)))
		end
	end,
}

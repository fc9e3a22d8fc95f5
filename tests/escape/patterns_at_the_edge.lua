-- ends: ok
return {
	allow = { publish = { "a/+" }, shadow = "*", invoke = "*", http = "*" },
	handler = function(event, context)
		local long = ("a"):rep(300000)
		for _, pattern in ipairs({ "%", "[", "[a", "[%", "%b", "%bx", "%f", "(", ")", "(()", ("("):rep(40), "%1", "%9", "[]", "[^]", "[a-", ("a?"):rep(3000) .. "b", ("(a)"):rep(33) }) do
			pcall(string.find, long, pattern)
			pcall(string.gsub, long, pattern, "%1%2%9")
			pcall(string.gsub, "abc", pattern, "%")
			local ok, iterate = pcall(string.gmatch, long, pattern)
			if ok then
				pcall(iterate)
				pcall(iterate)
			end
		end
	end,
}

#!/bin/sh
# Who may include whom, and which folder owns which third-party library (docs/architecture.md).
# Prints each line that breaks the rule; exits 1 where there is one.
cd "$(dirname "$0")/.." || exit 2

find lib store net sandbox runtime triggers bench tests -name '*.[ch]' 2>/dev/null | sort | xargs awk '
BEGIN {
	# What a folder may name beside itself.
	may["lib"] = ""
	may["store"] = may["net"] = may["sandbox"] = may["bench"] = "lib"
	may["runtime"] = "lib store net"
	may["triggers"] = "lib store net runtime"
	may["tests"] = "lib store net sandbox runtime triggers"
	may["runtime/main.c"] = "lib store net triggers"
	# Times what the host does with a worker, by the peer that the tests have.
	may["bench/worker.c"] = "lib net runtime tests"

	# Which folders may name a library; tests may name what they test.
	library["event2/"] = "net"
	library["event.h"] = "net"
	library["curl/"] = "net"
	library["mbedtls/"] = library["psa/"] = "net"
	library["wslay/"] = "net"
	library["crypt.h"] = "runtime"
	library["sqlite3.h"] = "store"
	library["cjson/"] = "lib store runtime triggers"
	library["lua.h"] = library["lualib.h"] = library["lauxlib.h"] = "sandbox"
	library["seccomp.h"] = "sandbox"
	library["cmocka.h"] = "tests"
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
FNR == 1 {
	folder = FILENAME
	sub(/\/.*/, "", folder)
	rule = FILENAME in may ? may[FILENAME] : may[folder]
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	target = part[2]
	if (target == "config.h") complain("config.h is included from the command line")
	else if (target !~ /\//) complain("include \"" target "\" from the top: \"" folder "/" target "\"")
	else {
		sub(/\/.*/, "", target)
		if (target != folder && !has(rule, target)) complain(folder " may not include " part[2])
	}
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, part, /[<>]/)
	for (name in library)
		if (index(part[2], name) == 1 && folder != "tests" && !has(library[name], folder))
			complain("only " library[name] "/ may include <" part[2] ">")
}
END { exit bad }
'

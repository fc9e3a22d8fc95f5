#!/bin/sh
# The shape of the code: files of at most 600 lines (tests: 900), functions of at most 60 lines and 5
# parameters beside the error, an SPDX line and a word on the file's job at its head, no typedef of structs, no names that belong to
# a library, units last. Prints each place; exits 1 where there is one. With --figures it prints
# the median and the 90th percentile of the functions' lengths as well.
cd "$(dirname "$0")/.." || exit 2

find lib store net sandbox runtime triggers tests bench -name '*.[ch]' 2>/dev/null | sort | xargs awk -v figures="${1:-}" '
BEGIN {
	# Longer than the rule, each with its reason: "path:function" or "path".
	excused["net/tls_context.c:write_ticket"] = "a type of mbedtls"
	excused["tests/test_mqtt_packet.c:append_samples"] = "a table of packets"
}
function complain(line, text) { printf "%s:%d: %s\n", FILENAME, line, text; bad = 1 }
function close_file() {
	limit = file ~ /^tests/ ? 900 : 600
	if (file != "" && lines > limit && !(file in excused)) { printf "%s: %d lines, more than %d\n", file, lines, limit; bad = 1 }
}
# Counts the commas of a parameter list at its own depth; 0 for (void).
function parameters(text, i, c, depth, count) {
	if (text ~ /^\([ \t]*(void)?[ \t]*\)/) return 0
	sub(/, *struct err \*err\)/, ")", text)
	count = 1
	depth = 0
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(") depth++
		else if (c == ")" && --depth == 0) break
		else if (c == "," && depth == 1) count++
	}
	return count
}
FNR == 1 {
	close_file()
	file = FILENAME
	in_function = 0
	head = ""
	if ($0 !~ /SPDX-License-Identifier: MIT/) complain(1, "begins without the SPDX line")
}
{ lines = FNR }
FNR == 2 && file !~ /^(tests|bench)/ && $0 !~ /^ \* [^ ]/ { complain(2, "says nothing about the job of the file") }
length($0) > 120 { complain(FNR, "longer than 120 columns") }
/[ \t]$/ { complain(FNR, "ends in white space") }
/^typedef (struct|union|enum)/ { complain(FNR, "typedef of a struct") }
/(TODO|FIXME|[^X]XXX[^X])/ { complain(FNR, "unfinished") }
/[a-z]_(ms|us|bytes|s)_(timeout|delay|size|interval|limit)[^a-z]/ { complain(FNR, "the unit stands last in a name") }
# A definition: return type on its own line, then the name at the margin.
!in_function && /^[a-z_][a-z0-9_]*\(/ {
	name = $0
	sub(/\(.*/, "", name)
	head = $0
	head_line = FNR
	sub(/^[^(]*/, "", head)
	if (name ~ /^(event|evbuffer|bufferevent|evhttp|lua|luaL|sqlite3|mbedtls|cJSON|curl)_/)
		complain(FNR, name " is a name of a library")
	next
}
head != "" && !in_function && /^\{/ {
	in_function = 1
	if (parameters(head) > 5 && !((file ":" name) in excused))
		complain(head_line, name " has " parameters(head) " parameters, more than 5")
	head = ""
	next
}
head != "" && !in_function { if (/;[ \t]*$/) head = ""; else head = head $0 }
in_function && /^\}/ {
	length_of_it = FNR - head_line
	sizes[length_of_it]++
	functions++
	if (length_of_it > 60 && !((file ":" name) in excused))
		complain(head_line, name " has " length_of_it " lines, more than 60")
	in_function = 0
}
END {
	close_file()
	if (figures != "") {
		for (i = 0; i < 10000; i++) {
			seen += sizes[i]
			if (!median && seen * 2 >= functions) median = i
			if (!most && seen * 10 >= functions * 9) most = i
		}
		printf "%d functions, median %d lines, 90%% within %d\n", functions, median, most
	}
	exit bad
}
'

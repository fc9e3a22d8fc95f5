#!/bin/bash
# moonlet init and moonlet check, without a host: what is wrong is told with file and line.
. "$(dirname "$0")/lib.sh"

# says STATUS TEXT COMMAND...: the command's exit status, and what its output must hold.
says() {
  local status=0 wanted=$1 text=$2 out
  shift 2
  out=$("$@" 2>&1) || status=$?
  same "exit status of ${*##*/}" "$wanted" "$status"
  case $out in *"$text"*) ;; *) fail "${*##*/}: expected '$text', got '$out'" ;; esac
}

cd "$work"
says 0 "next: cd cars && moonlet run" "$moonlet" init cars
says 1 "is there already: choose a new folder" "$moonlet" init cars
says 0 "1 function checked, nothing found" "$moonlet" check cars
says 0 "functions checked, nothing found" "$moonlet" check "$source_dir"

cd cars
says 0 "1 function checked" "$moonlet" check
printf 'return {\n  on = { topic = "a/+" }\n  handler = 1,\n}\n' >functions/broken.lua
says 1 "broken.lua:3: '}' expected" "$moonlet" check
says 1 '"message"' "$moonlet" check --json
printf 'return { on = { topic = "a/+" } }\n' >functions/broken.lua
says 1 "broken.lua" "$moonlet" check
broken() {
  printf '%s\n' "$1" >functions/broken.lua
  says 1 "$2" "$moonlet" check
}
broken 'return { on = { topik = "a" }, handler = print }' "broken.lua:1: unknown trigger 'topik': did you mean 'topic'?"
broken 'return { on = { topic = "a/#/b" }, handler = print }' "broken.lua:1:"
broken 'return { on = { topic = "a" }, retrys = 2, handler = print }' "unknown key 'retrys': did you mean 'retries'?"
broken 'return { on = { topic = "a" }, timeout = "1 year", handler = print }' "broken.lua:1: timeout"
broken 'return { on = { topic = "a" }, memory = "1TB", handler = print }' "broken.lua:1: memory"
broken 'return { on = { topic = "a" }, allow = { publsh = "x" }, handler = print }' "publish"
broken 'return 5' "it must return the function's table"
printf 'while true do end\n' >functions/broken.lua
says 1 "took longer" "$moonlet" check
printf 'return require "nothing"\n' >functions/broken.lua
says 1 "nothing" "$moonlet" check
printf 'x\0y' >functions/broken.lua
says 1 "broken.lua:1" "$moonlet" check
printf '\033Lua' >functions/broken.lua
says 1 "broken" "$moonlet" check
rm functions/broken.lua
printf 'return {}\n' >"functions/a b.lua"
says 1 "has only letters, digits" "$moonlet" check
rm "functions/a b.lua"
mkdir functions/hello && printf 'return {}\n' >functions/hello/init.lua
says 1 "are one function's name: remove one" "$moonlet" check
rm -r functions/hello

cp moonlet.lua good.lua
wrong() {
  printf '%b' "$1" >moonlet.lua
  says 1 "$2" "$moonlet" check
  says 1 "$2" "$moonlet" run
}
wrong 'mqtt = "127.0.0.1:0"\nmqt = 1\n' "moonlet.lua:2: unknown setting 'mqt': did you mean 'mqtt'?"
wrong 'mqtt = \n' "moonlet.lua:2: unexpected symbol"
wrong 'limits = {\n  timeot = "3s",\n}\n' "unknown limit 'timeot': did you mean 'timeout'?"
wrong 'limits = { timeout = "3 parsecs" }\n' "timeout must be a duration"
wrong 'error("no")\n' "moonlet.lua:1: attempt to call a nil value (global 'error')"
wrong 'local x = io.open("/etc/passwd")\n' "moonlet.lua:1: attempt to index a nil value (global 'io')"
wrong 'while true do end\n' "loading took longer than"
wrong 'secrets = { key = { file = "/nowhere/key" } }\n' "secret 'key': /nowhere/key: No such file"
wrong 'functions = function() end\n' "moonlet.lua"
wrong 'data = {} data.data = data\n' "moonlet.lua"
wrong '\033Lua' "moonlet.lua"
cp good.lua moonlet.lua
says 0 "nothing found" "$moonlet" check

# The command line itself.
says 2 "there is no command rnu: did you mean run?" "$moonlet" rnu
says 2 "did you mean --functions?" "$moonlet" run --function x
says 2 "--workers needs N" "$moonlet" run --workers
says 2 "must be a whole number from 0 to 256" "$moonlet" run --workers=many
says 2 "one argument too many" "$moonlet" pub a b c
says 2 "needs TOPIC" "$moonlet" pub
says 2 "--qos must be 0, 1 or 2" "$moonlet" pub a -q 3
says 2 "is not get, update or delete" "$moonlet" shadow push thing
says 2 "update takes a document" "$moonlet" shadow update thing
says 1 "start one with" "$moonlet" ls
says 1 "start one with" "$moonlet" logs --data nowhere
says 1 "MOONLET_MQT names no option; did you mean MOONLET_MQTT?" env MOONLET_MQT=x "$moonlet" run
says 1 "MOONLET_WORKERS: must be a whole number" env MOONLET_WORKERS=x "$moonlet" run
says 0 "moonlet 0." "$moonlet" --version
for command in run check ls logs invoke pub sub shadow failed replay init; do
  says 0 "Usage: moonlet $command" "$moonlet" "$command" --help
done

# The completion that is made from the same rows.
"$moonlet" completion >completion
source completion
complete_for() { COMP_WORDS=(moonlet "$@"); COMP_CWORD=$(($# )); _moonlet; echo "${COMPREPLY[*]}"; }
same "completion of a command" "shadow" "$(complete_for sh)"
same "completion of an option" "--follow" "$(complete_for logs --fol)"
same "completion of an operation" "update" "$(complete_for shadow up)"

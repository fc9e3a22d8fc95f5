#!/usr/bin/env bash
# Attacks on policies from the network: names, filters, aliases, wills, what is kept, encoded paths.
. "$(dirname "$0")/lib.sh"
need python3

moon() { "$moonlet" "$@" --data "$work/data"; }

start_moonlet "$work/functions"
cat >"$work/mallory.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "client/*"},
    {"Effect": "Allow", "Action": "iot:Publish", "Resource": ["topic/cars/${iot:ClientId}/*", "topic/${iot:ClientId}/things/*", "topic/web/a"]},
    {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": ["topicfilter/cars/${iot:ClientId}/*", "topicfilter/${iot:ClientId}/g/*", "topicfilter/wide/*"]},
    {"Effect": "Allow", "Action": "iot:Receive", "Resource": ["topic/cars/${iot:ClientId}/*", "topic/wide/for/${iot:ClientId}"]},
    {"Effect": "Allow", "Action": "iot:GetThingShadow", "Resource": ["thing/mine", "thing/mine/*"]},
    {"Effect": "Deny", "Action": "iot:*", "Resource": "topic/cars/*/secret"},
    {"Sid": "Admin", "Effect": "Allow", "Action": ["iot:Publish", "iot:RetainPublish"], "Resource": "topic/wide/*",
     "Condition": {"StringLike": {"iot:ClientId": "admin-?"}}}
  ]
}
END
moon policy create mallory "$work/mallory.json"
printf 'password-of-mallory\n' >"$work/password"
moon user add mallory --password-file "$work/password" --policy mallory
python3 "$tests_dir/e2e/policy_attacks.py" "$mqtt_port" "$http_port" || fail "an attack came through, or what is allowed did not"
grep -q 'may not iot:Publish' "$work/moonlet.log" || fail "nothing of it is logged"
kill -0 "$moonlet_pid" || fail "moonlet has ended"

/* SPDX-License-Identifier: MIT
 * The rows of the commands.
 */
#include "runtime/commands/command.h"

#define JSON_SWITCH                                    \
	{                                              \
		"json", NULL, "for a program: JSON", 0 \
	}

static const struct command_switch run_switches[] = {
	{ "broker", "URL",
	    "take events from this broker too (mqtt://[user:pass@]host[:port]); "
	    "again for another one",
	    0 },
	{ "record", NULL, "keep a trace of every run, as trace_sample = 1 does", 0 },
	{ "demo", NULL, "drive a small simulated fleet of cars through the gateway", 0 },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch json_switches[] = {
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch logs_switches[] = {
	{ "follow", NULL, "go on with what comes", 'f' },
	{ "lines", "N", "how many of the last lines (default 100)", 'n' },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch invoke_switches[] = {
	{ "dry-run", NULL, "show what it would do, and do nothing of it", 0 },
	{ "topic", "TOPIC", "as if the event had come on this topic", 't' },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch pub_switches[] = {
	{ "qos", "0|1|2", "quality of service (default 0)", 'q' },
	{ "retain", NULL, "keep it as the topic's retained message", 'r' },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch sub_switches[] = {
	{ "count", "N", "end after so many messages", 'n' },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch shadow_switches[] = {
	{ "name", "NAME", "a named shadow instead of the classic one", 0 },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch failed_switches[] = {
	{ "show", "ID", "all of this one, with its event, as JSON", 0 },
	{ "drop", "ID", "forget this one", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch ls_switches[] = {
	{ "all", NULL, "also functions that are no more, and what they left", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch forget_switches[] = {
	{ "yes", NULL, "delete it; without, what there is is shown", 0 },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch top_switches[] = {
	{ "once", NULL, "one look, over a second", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch trace_switches[] = {
	{ "failed", NULL, "only runs that were not committed", 0 },
	{ "function", "NAME", "only of this function", 0 },
	{ "lines", "N", "how many of the newest (default 20)", 'n' },
	{ "save", "FILE", "write what moonlet replay FILE --local needs", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch replay_switches[] = {
	{ "all", "NAME", "every failed event of this function, the oldest first", 0 },
	{ "rate", "N/s", "with --all: so many a second, or N/min", 0 },
	{ "local", NULL, "here, without a host's help and without effects: what it does otherwise",
	    0 },
	{ "with", "FILE", "with --local: this file in place of the function's", 0 },
	{ "function", "NAME", "with --local: of the event's runs, this function's last", 0 },
	{ "run", "N", "with --local: of the event's runs, this one (moonlet trace)", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch discard_switches[] = {
	{ "all", "NAME", "every failed event of this function", 0 },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch user_switches[] = {
	{ "policy", "NAME...", "add: what it may do; again for another one", 0 },
	{ "password-file", "FILE", "add, passwd: its first line is the password", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch token_switches[] = {
	{ "policy", "NAME...", "create: what it may do; again for another one", 0 },
	{ "expires", "DURATION", "create: when it ends, 90d (default: never)", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch db_switches[] = {
	{ "key", "ATTRIBUTE", "create: the key of its items", 0 },
	{ "sort", "ATTRIBUTE", "create: the sort key", 0 },
	{ "ttl", "ATTRIBUTE", "create: when an item ends, in seconds since 1970", 0 },
	{ "index", "NAME[=KEY[,SORT]]...", "create: an index; query, scan: by it", 0 },
	{ "from", "VALUE", "query: sort keys from this one", 0 },
	{ "to", "VALUE", "query: sort keys up to this one", 0 },
	{ "prefix", "TEXT", "query: sort keys that start so", 0 },
	{ "reverse", NULL, "query, scan: the last ones first", 0 },
	{ "limit", "N", "query, scan: at most so many items", 'n' },
	{ "after", "TEXT", "query, scan: go on where an answer ended", 0 },
	{ "if-absent", NULL, "put: only where there is no such item", 0 },
	{ "if-version", "N", "put, delete: only where the item has this version", 0 },
	{ "json", NULL, "print JSON", 0 },
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch thing_switches[] = {
	{ "type", "TYPE", "create, update: its type (update: '' for none); ls: only these", 0 },
	{ "attribute", "NAME=VALUE...",
	    "create, update: an attribute (update: NAME= takes it away)", 'a' },
	{ "group", "GROUP...", "create: put it into this group; ls: only those in it, or below it",
	    0 },
	{ "lines", "N", "ls, search: at most so many", 'n' },
	{ "cert", NULL, "create: make a key and a certificate, and register it", 0 },
	{ "policy", "POLICY...", "create --cert: attach this one instead of default", 0 },
	{ "out", "DIR", "create --cert: where to write (default: here)", 0 },
	{ "days", "N", "create --cert: how long the certificate holds (default 3650)", 0 },
	{ "csr", "FILE", "create: sign this request instead of making a key", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch type_switches[] = {
	{ "description", "TEXT", "create: what it is", 0 },
	{ "searchable", "ATTRIBUTE...", "create: one that things of it are searched by", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch policy_switches[] = {
	{ "replace", NULL, "create: put it in the place of one that is there", 0 },
	{ "force", NULL, "delete: detach it before", 0 },
	{ "thing", "NAME", "test: as who speaks for this thing", 0 },
	{ "cert", "ID|FILE", "test: as who shows this certificate", 0 },
	{ "user", "NAME", "test: as this user", 0 },
	{ "token", "NAME", "test: as who has this token", 0 },
	{ "policy", "NAME...", "test: with this policy besides, or alone", 0 },
	{ "client-id", "ID", "test: under this client id (default: the thing's name)", 0 },
	{ "address", "IP", "test: from this address (default 127.0.0.1)", 0 },
	{ "persistent", NULL, "test: with a session that outlasts the connection", 0 },
	{ "will", NULL, "test: with a will", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch group_switches[] = {
	{ "parent", "GROUP", "create: the group that it stands in", 0 },
	{ "description", "TEXT", "create, update: what it is", 0 },
	{ "attribute", "NAME=VALUE...", "create, update: an attribute", 'a' },
	{ "policy", "POLICY...", "create: attach this one", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch cert_switches[] = {
	{ "out", "DIR", "create: where to write (default: here)", 0 },
	{ "days", "N", "create: how long it holds (default 3650)", 0 },
	{ "csr", "FILE", "create: sign this request instead of making a key", 0 },
	{ "status", "STATUS", "ls: only these; register: ACTIVE (default) or INACTIVE", 0 },
	{ "policy", "POLICY...", "register: attach this one", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch ca_switches[] = {
	{ "registration", "off|pending|provision",
	    "add, set: what becomes of its certificates that nobody has registered", 0 },
	JSON_SWITCH,
	{ NULL, NULL, NULL, 0 },
};

static const struct command_switch backup_switches[] = {
	{ "force", NULL, "replace the file where it is there", 0 },
	{ NULL, NULL, NULL, 0 },
};

static int
cmd_completion(struct command_call *call)
{
	(void)call;
	commands_completion();
	return EXIT_OK;
}

static int
cmd_options(struct command_call *call)
{
	(void)call;
	options_markdown();
	return EXIT_OK;
}

/* clang-format off */
const struct command command_table[] = {
	{ .name = "run", .arguments = "", .run = cmd_run, .host_options = true, .switches = run_switches,
	  .help = "run the host: gateway, functions, workers",
	  .more = "Flags win over MOONLET_* variables of the environment (MOONLET_LOG_LEVEL), these over\n"
		  "the configuration file. SIGTERM ends it when what runs has finished.\n" },
	{ .name = "check", .arguments = "[DIR]", .run = cmd_check, .arguments_max = 1, .switches = json_switches,
	  .help = "find what is wrong with functions and configuration",
	  .more = "Needs no running host. Exits 1 where it found something.\n" },
	{ .name = "ls", .arguments = "", .run = cmd_ls, .switches = ls_switches,
	  .help = "list the functions: triggers, state, figures" },
	{ .name = "logs", .arguments = "[NAME]", .run = cmd_logs, .arguments_max = 1, .switches = logs_switches,
	  .help = "show what the host, or one function, has said" },
	{ .name = "invoke", .arguments = "NAME [EVENT.json|-]", .run = cmd_invoke, .arguments_min = 1,
	  .arguments_max = 2, .switches = invoke_switches,
	  .help = "run a function once, show result, log and effects",
	  .more = "The event is the file's content, or what stands on standard input (-); without it {}.\n"
		  "It may stand as the argument itself: '{\"deviceid\":\"audi22\",\"speed\":140}'.\n" },
	{ .name = "pub", .arguments = "TOPIC [PAYLOAD|-]", .run = cmd_pub, .arguments_min = 1, .arguments_max = 2,
	  .switches = pub_switches, .help = "publish a message" },
	{ .name = "sub", .arguments = "FILTER", .run = cmd_sub, .arguments_min = 1, .arguments_max = 1,
	  .switches = sub_switches, .help = "show the messages of a topic filter as they come" },
	{ .name = "shadow", .arguments = "get|update|delete THING [DOCUMENT.json|-]", .run = cmd_shadow,
	  .arguments_min = 2, .arguments_max = 3, .switches = shadow_switches,
	  .help = "read and change a device's shadow",
	  .more = "A document may stand as the argument itself: '{\"state\":{\"desired\":{\"on\":true}}}'.\n" },
	{ .name = "db", .arguments = "WORD [TABLE] [KEY [SORT]|ITEM]", .run = cmd_db, .arguments_min = 1,
	  .arguments_max = 4, .switches = db_switches, .help = "define tables, read and change their items",
	  .more = "moonlet db create cars --key id [--sort ts] [--ttl expires] [--index by_place=place,ts]\n"
		  "moonlet db drop cars | ls\n"
		  "moonlet db get cars audi22          a key may also be '{\"id\":\"audi22\"}'\n"
		  "moonlet db put cars '{\"id\":\"audi22\"}' | FILE | -\n"
		  "moonlet db delete cars audi22\n"
		  "moonlet db query readings audi22 --from 10 --to 20 --reverse --limit 5\n"
		  "moonlet db query readings north --index by_place\n"
		  "moonlet db scan cars                an item a line\n" },
	{ .name = "user", .arguments = "WORD [NAME]", .run = cmd_user, .arguments_min = 1,
	  .arguments_max = 2, .switches = user_switches, .help = "names and passwords for clients",
	  .more = "moonlet user add fritz --policy fleet    asks for the password, or reads a line\n"
		  "moonlet user passwd fritz\n"
		  "moonlet user delete fritz | ls\n" },
	{ .name = "token", .arguments = "WORD [NAME]", .run = cmd_token, .arguments_min = 1,
	  .arguments_max = 2, .switches = token_switches, .help = "access tokens for clients",
	  .more = "moonlet token create billing --policy read --expires 90d    prints it, this once\n"
		  "moonlet token revoke billing | ls\n"
		  "A client shows it as MQTT's password, or by HTTP as \"Authorization: Bearer TOKEN\".\n" },
	{ .name = "failed", .arguments = "[NAME]", .run = cmd_failed, .arguments_max = 1, .switches = failed_switches,
	  .help = "list the events that were given up" },
	{ .name = "top", .arguments = "", .run = cmd_top, .switches = top_switches,
	  .help = "show live figures of each function: rates, latencies, queues",
	  .more = "In place on a terminal until it is interrupted; elsewhere a look a second, one below the other.\n" },
	{ .name = "trace", .arguments = "[ID]", .run = cmd_trace, .arguments_max = 1, .switches = trace_switches,
	  .help = "list the newest kept runs, or tell an event's story",
	  .more = "The id is an event's (as logs and handlers have it) or a failed event's. Kept are failed runs,\n"
		  "and others as trace_sample or run --record says.\n" },
	{ .name = "replay", .arguments = "[ID|FILE]", .run = cmd_replay, .arguments_max = 1, .switches = replay_switches,
	  .help = "run a failed event again",
	  .more = "With --all the host keeps the rate and goes on where this command is killed; an interrupt\n"
		  "(Ctrl-C) ends the replay. Events that fail meanwhile are not among them.\n"
		  "With --local nothing happens but here: the run that moonlet trace shows is repeated in a worker of\n"
		  "its own, with the recorded answers. Exits 1 where it does otherwise than then.\n" },
	{ .name = "discard", .arguments = "[ID]", .run = cmd_discard, .arguments_max = 1, .switches = discard_switches,
	  .help = "forget a failed event" },
	{ .name = "forget", .arguments = "NAME", .run = cmd_forget, .arguments_min = 1, .arguments_max = 1,
	  .switches = forget_switches, .help = "delete what a removed function left",
	  .more = "Events, timers and changes that wait for it go too. moonlet ls --all shows such functions.\n" },
	{ .name = "thing", .arguments = "WORD [NAME] [TARGET]", .run = cmd_thing, .arguments_min = 1,
	  .arguments_max = 3, .switches = thing_switches, .help = "keep the devices in a registry, with their certificates",
	  .more = "moonlet thing create audi22 --cert [--type car] [--attribute model=audi] [--group fleet]\n"
		  "moonlet thing ls [--group north] | show audi22\n"
		  "moonlet thing search 'attributes.model:audi AND connectivity.connected:true'\n"
		  "moonlet thing update audi22 --attribute colour=red\n"
		  "moonlet thing delete audi22         its certificates stay, and may do what their policies say\n"
		  "moonlet thing attach audi22 cert:ID | user:NAME | token:NAME       and detach\n"
		  "moonlet thing export >fleet.jsonl   types, groups, policies, certificates, attachments as well\n"
		  "moonlet thing import fleet.jsonl    ends at the first line that is wrong; those before it stay\n" },
	{ .name = "type", .arguments = "WORD [NAME]", .run = cmd_type, .arguments_min = 1, .arguments_max = 2,
	  .switches = type_switches, .help = "types of things",
	  .more = "moonlet type create car --description 'with four wheels' --searchable model\n"
		  "moonlet type ls | deprecate car | revive car | delete car\n" },
	{ .name = "policy", .arguments = "WORD [NAME|ACTION] [FILE|TARGET|TOPIC]", .run = cmd_policy, .arguments_min = 1,
	  .arguments_max = 3, .switches = policy_switches, .help = "what clients may do, in AWS IoT's policy language",
	  .more = "moonlet policy create tracker tracker.json        and --replace\n"
		  "moonlet policy ls | show tracker | delete tracker [--force]\n"
		  "moonlet policy attach tracker cert:ID | group:NAME | user:NAME | token:NAME | thing:NAME\n"
		  "                                                  and detach; thing: all who speak for it\n"
		  "moonlet policy test --thing audi22 publish alerts/x\n"
		  "                                                  exits 0 where it is allowed, 1 where not. Actions:\n"
		  "                                                  connect, publish, subscribe, receive, retain,\n"
		  "                                                  get-shadow, update-shadow, delete-shadow,\n"
		  "                                                  list-shadows, get-retained, or iot:ACTION RESOURCE\n" },
	{ .name = "group", .arguments = "WORD [NAME] [THING...]", .run = cmd_group, .arguments_min = 1,
	  .arguments_max = COMMAND_ARGUMENTS_MAX, .switches = group_switches,
	  .help = "groups of things, which hand their policies down",
	  .more = "moonlet group create north --parent fleet\n"
		  "moonlet group ls | show north | update north --description TEXT | delete north\n"
		  "moonlet group add north audi22 vw1 | remove north vw1\n" },
	{ .name = "cert", .arguments = "WORD [NAME|ID|FILE] [THING]", .run = cmd_cert, .arguments_min = 1, .arguments_max = 3,
	  .switches = cert_switches, .help = "certificates of devices: make, register, revoke",
	  .more = "moonlet cert create audi22          writes audi22.key and audi22.pem, signed by the authority in the\n"
		  "                                    data folder, and names the files: these two and the\n"
		  "                                    authority's certificate, which devices must trust\n"
		  "moonlet cert register audi22.pem --policy default\n"
		  "moonlet cert ls | show ID           ID: the SHA-256 of the certificate, its beginning, or its file\n"
		  "moonlet cert activate ID | deactivate ID | revoke ID | delete ID\n"
		  "moonlet cert attach ID audi22 | detach ID audi22\n" },
	{ .name = "ca", .arguments = "WORD [FILE|ID]", .run = cmd_ca, .arguments_min = 1, .arguments_max = 2,
	  .switches = ca_switches, .help = "authorities whose certificates devices may show",
	  .more = "moonlet ca add plant.pem --registration pending\n"
		  "moonlet ca ls | set ID --registration off | remove ID\n" },
	{ .name = "backup", .arguments = "FILE", .run = cmd_backup, .arguments_min = 1, .arguments_max = 1,
	  .switches = backup_switches, .help = "copy the database, also while the host runs",
	  .more = "To restore: stop the host, put the copy in the data folder as moonlet.db, and remove\n"
		  "moonlet.db-wal and moonlet.db-shm there.\n" },
	{ .name = "verify", .arguments = "[FILE]", .run = cmd_verify, .arguments_max = 1,
	  .help = "check the database, or a backup of it",
	  .more = "Changes nothing. Exits 1 where it found something.\n" },
	{ .name = "init", .arguments = "[DIR]", .run = cmd_init, .arguments_max = 1,
	  .help = "make a starter folder: one function, its test event, a configuration" },
	{ .name = "completion", .arguments = "", .run = cmd_completion, .hidden = true,
	  .help = "print the completion for bash" },
	{ .name = "options", .arguments = "", .run = cmd_options, .hidden = true,
	  .help = "print the table of options for the manual" },
	{ .name = NULL },
};
/* clang-format on */

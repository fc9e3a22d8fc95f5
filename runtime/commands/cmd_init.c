/* SPDX-License-Identifier: MIT
 * moonlet init: a starter folder. It overwrites nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/commands/command.h"

static const char function_text[] =
    "-- Greets every device that reports. Save a change while moonlet runs: it is deployed.\n"
    "return {\n"
    "  on    = { topic = \"devices/+\" },\n"
    "  allow = { publish = \"greetings/+\" },\n"
    "\n"
    "  handler = function(event, context)\n"
    "    log.info(\"a message on \" .. context.topic)\n"
    "    mqtt.publish(\"greetings/\" .. event.name, { text = \"hello, \" .. event.name })\n"
    "  end,\n"
    "}\n";

static const char event_text[] = "{ \"name\": \"pump7\", \"temperature\": 21.5 }\n";

static const char config_text[] =
    "-- Settings of this folder's host. Names and defaults: moonlet run --help\n"
    "mqtt = \"127.0.0.1:1883\"\n"
    "http = \"127.0.0.1:8080\"\n"
    "\n"
    "limits = {\n"
    "  timeout = \"3s\",    -- of an invocation, where its function names none\n"
    "}\n"
    "\n"
    "-- secrets = { api_key = { file = \"/run/secrets/api_key\" } }\n"
    "-- broker  = \"mqtt://10.0.0.2:1883\"    -- take events from this broker too\n";

static const struct {
	const char *path;
	const char *text; /* NULL: a folder */
} parts[] = {
	{ "functions", NULL },
	{ "functions/hello.lua", function_text },
	{ "events", NULL },
	{ "events/hello.json", event_text },
	{ "moonlet.lua", config_text },
	{ ".gitignore", "/data/\n" },
};

static int
write_file(const char *path, const char *text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t sent;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, "%s is there already: choose a new folder", path);
	if (fd < 0)
		return err_errno(err, "%s", path);
	sent = write(fd, text, strlen(text));
	if (close(fd) < 0 || sent != (ssize_t)strlen(text))
		return err_errno(err, "write %s", path);
	return 0;
}

static int
make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(err, "make the folder %s", path);
	return 0;
}

static int
make_parts(const char *folder, struct err *err)
{
	char path[PATH_MAX];

	if (make_folder(folder, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i].path);
		if (parts[i].text == NULL ? make_folder(path, err) < 0
					  : write_file(path, parts[i].text, err) < 0)
			return -1;
	}
	return 0;
}

int
cmd_init(struct command_call *call)
{
	const char *folder = call->count > 0 ? call->arguments[0] : ".";
	struct err err;

	if (make_parts(folder, &err) < 0)
		return command_fail(call, &err);
	printf("made %s/functions/hello.lua, events/hello.json and moonlet.lua\n", folder);
	printf("next: %s%s%smoonlet run\n", call->count > 0 ? "cd " : "",
	    call->count > 0 ? folder : "", call->count > 0 ? " && " : "");
	printf("then: moonlet invoke hello events/hello.json\n");
	return EXIT_OK;
}

/* SPDX-License-Identifier: MIT
 * moonlet run: settles the options and runs the host.
 */
#include "lib/log.h"
#include "runtime/commands/command.h"
#include "runtime/commands/demo.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
open_log(const struct options *options)
{
	enum log_level level = LOG_LEVEL_INFO;
	bool json = strcmp(options_text(options, OPTION_LOG), "json") == 0;

	if (log_level_parse(options_text(options, OPTION_LOG_LEVEL), &level) < 0)
		level = LOG_LEVEL_INFO;
	log_open(STDERR_FILENO, json ? LOG_FORMAT_JSON : LOG_FORMAT_HUMAN, level);
}

int
cmd_run(struct command_call *call)
{
	struct err err;

	if (command_value(call, "record") != NULL &&
	    options_set(&call->options, OPTION_TRACE_SAMPLE, "1", SOURCE_FLAG, &err) < 0)
		return command_fail(call, &err);
	if (command_settle(call, &err) < 0)
		return command_fail(call, &err);
	open_log(&call->options);
#ifdef SYSTEM_LUA
	log_warn("worker", "built with the system's Lua, which has known faults; ./bootstrap "
			   "builds one without them");
#endif
	if (command_value(call, "demo") != NULL && (call->options.ready_fd = demo_start(&err)) < 0)
		return command_fail(call, &err);
	if (call->program->serve(&call->options, call->config_path, &err) < 0)
		return command_fail(call, &err);
	return EXIT_OK;
}

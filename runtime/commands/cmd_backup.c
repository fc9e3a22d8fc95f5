/* SPDX-License-Identifier: MIT
 * moonlet backup and moonlet verify: a copy of the data folder's database, and whether one is
 * whole. Both read the file themselves, whether a host runs on it or not.
 */
#include <stdio.h>

#include "runtime/commands/command.h"
#include "store/inspect.h"

int
cmd_backup(struct command_call *call)
{
	const char *path = call->arguments[0];
	struct backup_result result;
	struct err err;

	if (command_settle(call, &err) < 0 ||
	    store_backup(options_text(&call->options, OPTION_DATA), path,
		command_value(call, "force") != NULL, &result, &err) < 0)
		return command_fail(call, &err);
	(void)printf("%s: %.1f MiB\n", path, (double)result.bytes / 1048576);
	return EXIT_OK;
}

static void
print_problem(void *arg, const char *text)
{
	(void)arg;
	(void)puts(text);
}

int
cmd_verify(struct command_call *call)
{
	const char *path;
	struct verify_result result;
	struct err err;

	if (command_settle(call, &err) < 0)
		return command_fail(call, &err);
	path = call->count > 0 ? call->arguments[0] : options_text(&call->options, OPTION_DATA);
	if (store_verify(path, print_problem, NULL, &result, &err) < 0)
		return command_fail(call, &err);
	(void)printf("%s: %llu rows, %llu of them items: %llu problem%s\n", path,
	    (unsigned long long)result.rows, (unsigned long long)result.items,
	    (unsigned long long)result.problems, result.problems == 1 ? "" : "s");
	return result.problems == 0 ? EXIT_OK : EXIT_FAILED;
}

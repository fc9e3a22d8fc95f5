/* SPDX-License-Identifier: MIT
 * moonlet check: every function and the configuration, without a running host.
 */
#include <stdio.h>

#include "runtime/command.h"
#include "runtime/function_folder.h"

int
cmd_check(struct command_call *call)
{
	struct folder_list list = { 0 };
	struct err err;
	int status = EXIT_OK;

	if (command_settle(call, &err) < 0 ||
	    folder_list_read(options_text(&call->options, OPTION_FUNCTIONS), &list, &err) < 0)
		return command_fail(call, &err);
	for (size_t i = 0; i < list.count; i++) {
		if (list.entries[i].problem == NULL)
			continue;
		printf("%s: %s\n", list.entries[i].name, list.entries[i].problem);
		status = EXIT_FAILED;
	}
	folder_list_clear(&list);
	return status;
}

/* SPDX-License-Identifier: MIT
 * Where a command's options come from besides its flags: the environment and the configuration.
 */
#include <unistd.h>

#include "runtime/command.h"

extern char **environ;

#define CONFIG_DEFAULT "moonlet.lua"

int
command_settle(struct command_call *call, struct err *err)
{
	if (options_from_environment(&call->options, environ, err) < 0)
		return -1;
	if (call->config_path == NULL && access(CONFIG_DEFAULT, F_OK) == 0)
		call->config_path = CONFIG_DEFAULT;
	return 0;
}

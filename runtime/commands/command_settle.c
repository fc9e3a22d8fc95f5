/* SPDX-License-Identifier: MIT
 * Where a command's options come from besides its flags: the environment and the configuration.
 */
#include <unistd.h>

#include "runtime/commands/command.h"
#include "runtime/loader.h"

extern char **environ;

#define CONFIG_DEFAULT "moonlet.lua"

static int
read_config(struct command_call *call, struct err *err)
{
	struct config_read read = { .path = call->config_path };
	struct loader *loader = loader_start(err);
	int status;

	if (loader == NULL)
		return err_prefix(err, "%s", call->config_path);
	status = loader_config(loader, &call->options, &read, err);
	loader_end(loader);
	return status;
}

int
command_settle(struct command_call *call, struct err *err)
{
	if (options_from_environment(&call->options, environ, err) < 0)
		return -1;
	if (call->config_path == NULL && access(CONFIG_DEFAULT, F_OK) == 0)
		call->config_path = CONFIG_DEFAULT;
	return call->config_path != NULL ? read_config(call, err) : 0;
}

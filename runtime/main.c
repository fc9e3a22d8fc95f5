/* SPDX-License-Identifier: MIT
 * The host's entry: joins all the parts.
 */
#include "runtime/command.h"

static int
serve(const struct options *options, struct err *err)
{
	(void)options;
	return err_set(err, "nothing to run yet");
}

int
main(int argc, char **argv)
{
	return command_main(argc, argv, serve);
}

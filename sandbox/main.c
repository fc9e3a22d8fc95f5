/* SPDX-License-Identifier: MIT
 * moonlet-worker: started by moonlet, with its channel as descriptor 3. It is of no use by itself.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/worker.h"
#include "sandbox/zygote.h"

enum { CHANNEL = 3 };

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--zygote") == 0)
		return zygote_run(CHANNEL, worker_run);
	(void)fprintf(stderr, "moonlet-worker is started by moonlet; run: moonlet --help\n");
	return 2;
}

/* SPDX-License-Identifier: MIT
 * The host's entry: joins all the parts.
 */
#include "lib/log.h"

int
main(void)
{
	log_info("moonlet", "nothing to run yet");
	return 0;
}

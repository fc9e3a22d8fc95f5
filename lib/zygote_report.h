/* SPDX-License-Identifier: MIT
 * What the zygote tells the host about a worker.
 */
#ifndef LIB_ZYGOTE_REPORT_H
#define LIB_ZYGOTE_REPORT_H

#include <stdint.h>

enum zygote_event {
	ZYGOTE_READY,	/* once, first: `detail` holds bits of enum cage_layer */
	ZYGOTE_STARTED, /* a pidfd comes with it */
	ZYGOTE_FAILED,	/* `detail`: errno */
	ZYGOTE_EXITED,	/* `detail`: exit status */
	ZYGOTE_KILLED,	/* `detail`: signal */
};

struct zygote_report {
	uint64_t id; /* as in the request */
	int32_t event;
	int32_t detail;
};

#endif

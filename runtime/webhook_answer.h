/* SPDX-License-Identifier: MIT
 * What an answer to a webhook means. Pure.
 */
#ifndef RUNTIME_WEBHOOK_ANSWER_H
#define RUNTIME_WEBHOOK_ANSWER_H

#include <stdint.h>

#include "lib/bytes.h"

enum webhook_verdict {
	WEBHOOK_TAKEN,	 /* 2xx */
	WEBHOOK_AGAIN,	 /* no answer, 408, 425, 429, 5xx */
	WEBHOOK_REFUSED, /* every other status: the same request would get it again */
};

enum { WEBHOOK_PAUSE_MS_MAX = 24 * 3600 * 1000 };

struct webhook_answer {
	enum webhook_verdict verdict;
	int64_t pause_ms; /* what Retry-After asks for, at most WEBHOOK_PAUSE_MS_MAX; 0: nothing */
	char text[256];	  /* what was wrong; empty where it is taken */
};

/* `ok` and `fields` as http_call_terms.done has them. */
void webhook_answer_read(
    struct webhook_answer *answer, bool ok, struct bytes fields, int64_t now_ms);

/* A Retry-After: seconds, or a date (RFC 9110 §10.2.3). 0: it is neither, or over. */
int64_t webhook_retry_after_ms(struct bytes value, int64_t now_ms);

#endif

/* SPDX-License-Identifier: MIT
 * Reading answers.
 */
#include "runtime/webhook_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/frame.h"

static int64_t
bounded(int64_t pause_ms)
{
	if (pause_ms < 0)
		return 0;
	return pause_ms < WEBHOOK_PAUSE_MS_MAX ? pause_ms : WEBHOOK_PAUSE_MS_MAX;
}

int64_t
webhook_retry_after_ms(struct bytes value, int64_t now_ms)
{
	char text[64] = "", *end;
	struct tm parts = { 0 };
	long long seconds;

	if (value.len == 0 || value.len >= sizeof(text))
		return 0;
	memcpy(text, value.data, value.len);
	seconds = strtoll(text, &end, 10);
	if (end != text && *end == '\0')
		return bounded(
		    seconds > WEBHOOK_PAUSE_MS_MAX ? WEBHOOK_PAUSE_MS_MAX : seconds * 1000);
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
	if (end == NULL || *end != '\0')
		return 0;
	return bounded((int64_t)timegm(&parts) * 1000 - now_ms);
}

static enum webhook_verdict
verdict_of(unsigned status)
{
	if (status >= 200 && status < 300)
		return WEBHOOK_TAKEN;
	if (status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600))
		return WEBHOOK_AGAIN;
	return WEBHOOK_REFUSED;
}

void
webhook_answer_read(struct webhook_answer *answer, bool ok, struct bytes fields, int64_t now_ms)
{
	struct cursor cursor = cursor_of(fields);
	unsigned status;
	uint16_t headers;

	*answer = (struct webhook_answer){ .verdict = WEBHOOK_AGAIN };
	if (!ok) {
		struct bytes text = cursor_bytes(&cursor);

		(void)snprintf(answer->text, sizeof(answer->text), "%.*s", (int)text.len,
		    (const char *)text.data);
		return;
	}
	status = cursor_u16(&cursor);
	headers = cursor_u16(&cursor);
	answer->verdict = verdict_of(status);
	for (uint16_t i = 0; i < headers && !cursor.bad; i++) {
		struct bytes name = cursor_bytes(&cursor), value = cursor_bytes(&cursor);

		if (name.len == 11 &&
		    strncasecmp((const char *)name.data, "Retry-After", name.len) == 0)
			answer->pause_ms = webhook_retry_after_ms(value, now_ms);
	}
	if (answer->verdict != WEBHOOK_TAKEN)
		(void)snprintf(answer->text, sizeof(answer->text), "it was answered %u", status);
}

/* SPDX-License-Identifier: MIT
 * A dead letter as people read it: its event, or the request that nobody took, in the place of
 * their bytes.
 */
#include <cjson/cJSON.h>

#include "runtime/api/api_parts.h"
#include "runtime/host.h"
#include "runtime/trigger.h"
#include "store/queue_row.h"

static cJSON *
occurrence_json(struct host *host, struct bytes encoded)
{
	struct occurrence *event = occurrence_decode(host, encoded);
	cJSON *json;

	if (event == NULL)
		return NULL;
	json = api_object();
	api_add_string(json, "trigger", event->trigger);
	api_add_bytes(json, "subject", event->subject);
	api_add_bytes(json, "key", event->key);
	api_add_bytes(json, "client", event->client_id);
	api_add_number(json, "time", (double)event->time_ms);
	api_add_number(json, "qos", event->qos);
	api_add_bytes(json, "payload", event->payload);
	occurrence_drop(event);
	return json;
}

/* As webhooks.h and CALL_HTTP say. Headers stay out: they may hold what is secret. */
static cJSON *
request_of(struct bytes encoded)
{
	struct cursor cursor = cursor_of(encoded);
	struct bytes key = cursor_bytes(&cursor), method, url, body;
	uint16_t headers;
	cJSON *json;

	(void)cursor_bytes(&cursor); /* trace and version stand in the letter */
	(void)cursor_bytes(&cursor);
	method = cursor_bytes(&cursor);
	url = cursor_bytes(&cursor);
	(void)cursor_u32(&cursor);
	(void)cursor_u8(&cursor);
	headers = cursor_u16(&cursor);
	for (unsigned i = 0; i < 2U * headers && !cursor.bad; i++)
		(void)cursor_bytes(&cursor);
	body = cursor_bytes(&cursor);
	if (!cursor_end(&cursor))
		return NULL;
	json = api_object();
	api_add_bytes(json, "idempotencyKey", key);
	api_add_bytes(json, "method", method);
	api_add_bytes(json, "url", url);
	api_add_bytes(json, "payload", body);
	return json;
}

void
api_failed_event(struct host *host, struct buf *letter)
{
	struct queue_read read;
	cJSON *event;
	char *text;

	if (queue_row_read(&read, buf_bytes(letter)) < 0)
		return;
	event = read.kind == FAILED_WEBHOOK ? request_of(buf_bytes(&read.event))
					    : occurrence_json(host, buf_bytes(&read.event));
	if (event != NULL) {
		cJSON_DeleteItemFromObjectCaseSensitive(read.json, "event");
		api_add(read.json, "event", event);
		text = cJSON_PrintUnformatted(read.json);
		buf_reset(letter);
		buf_append_string(letter, text);
		cJSON_free(text);
	}
	queue_read_clear(&read);
}

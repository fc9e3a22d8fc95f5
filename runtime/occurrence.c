/* SPDX-License-Identifier: MIT
 * Events: one block of memory each, with all that their views point to.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "runtime/host.h"
#include "runtime/trigger.h"

static struct bytes
place(uint8_t **at, struct bytes from)
{
	struct bytes to = bytes_of(*at, from.len);

	if (from.len > 0)
		memcpy(*at, from.data, from.len);
	*at += from.len;
	return to;
}

static void
make_id(struct host *host, struct occurrence *event, const uint8_t *id)
{
	uint64_t count;

	if (id != NULL) {
		memcpy(event->id, id, sizeof(event->id));
		return;
	}
	/* This run of the host, and a count: never the same twice. */
	count = ++host->event_count;
	memcpy(event->id, &host->run_id, sizeof(host->run_id));
	memcpy(event->id + sizeof(host->run_id), &count, sizeof(count));
}

struct occurrence *
occurrence_new(struct host *host, const struct happening *h)
{
	size_t size =
	    h->subject.len + h->key.len + h->client_id.len + h->extra.len + h->payload.len;
	struct occurrence *event = xmalloc(sizeof(*event) + size);
	uint8_t *at = event->data;

	event->refs = 1;
	event->trigger = h->trigger;
	event->subject = place(&at, h->subject);
	event->key = h->key.len > 0 ? place(&at, h->key) : event->subject;
	event->client_id = place(&at, h->client_id);
	event->extra = place(&at, h->extra);
	event->payload = place(&at, h->payload);
	event->ack = ack_hold(h->ack);
	event->ended = h->ended;
	event->mask = h->mask;
	event->arg = h->arg;
	event->source = h->source;
	event->source_arg = h->source_arg;
	event->handled = false;
	event->time_ms = h->time_ms != 0 ? h->time_ms : loop_wall_ms(host->loop);
	event->payload_kind = h->payload_kind;
	event->qos = h->qos;
	event->retain = h->retain;
	event->hops = h->hops;
	event->tried = h->tried;
	event->dry_run = h->dry_run;
	event->is_secret = h->is_secret;
	make_id(host, event, h->event_id);
	return event;
}

struct occurrence *
occurrence_hold(struct occurrence *event)
{
	event->refs++;
	return event;
}

void
occurrence_drop(struct occurrence *event)
{
	if (event == NULL)
		return;
	assert(event->refs > 0);
	if (--event->refs > 0)
		return;
	if (event->source != NULL && event->source->settled != NULL)
		event->source->settled(event->source_arg, event, event->handled);
	ack_release(event->ack, 0);
	free(event);
}

void
occurrence_encode(const struct occurrence *event, struct buf *out)
{
	frame_string(out, event->trigger);
	frame_bytes(out, event->subject);
	frame_bytes(out, event->key);
	frame_bytes(out, event->client_id);
	frame_bytes(out, event->extra);
	frame_bytes(out, event->payload);
	frame_u8(out, (uint8_t)event->payload_kind);
	frame_u8(out, event->qos);
	frame_u8(out, event->retain);
	frame_u8(out, event->hops);
	frame_i64(out, event->time_ms);
	buf_append(out, event->id, sizeof(event->id));
}

struct occurrence *
occurrence_decode(struct host *host, struct bytes encoded)
{
	struct cursor cursor = cursor_of(encoded);
	struct bytes trigger = cursor_bytes(&cursor);
	struct happening h = { .subject = cursor_bytes(&cursor) };
	uint8_t id[EVENT_ID_BYTES];

	h.key = cursor_bytes(&cursor);
	h.client_id = cursor_bytes(&cursor);
	h.extra = cursor_bytes(&cursor);
	h.payload = cursor_bytes(&cursor);
	h.payload_kind = (enum payload_kind)cursor_u8(&cursor);
	h.qos = cursor_u8(&cursor);
	h.retain = cursor_u8(&cursor) != 0;
	h.hops = cursor_u8(&cursor);
	h.time_ms = cursor_i64(&cursor);
	cursor_copy(&cursor, id, sizeof(id));
	if (!cursor_end(&cursor))
		return NULL;
	h.event_id = id;
	h.trigger = host_trigger_name(host, trigger);
	return occurrence_new(host, &h);
}

bool
occurrence_id(struct bytes encoded, uint8_t id[EVENT_ID_BYTES])
{
	struct cursor cursor = cursor_of(encoded);

	for (int i = 0; i < 6; i++)
		(void)cursor_bytes(&cursor);
	for (int i = 0; i < 4; i++)
		(void)cursor_u8(&cursor);
	(void)cursor_i64(&cursor);
	cursor_copy(&cursor, id, EVENT_ID_BYTES);
	return !cursor.bad;
}

const char *
host_trigger_name(const struct host *host, struct bytes name)
{
	for (size_t i = 0; i < host->trigger_count; i++) {
		if (bytes_equal_string(name, host->triggers[i]->name))
			return host->triggers[i]->name;
	}
	return bytes_equal_string(name, "timer") ? "timer" : "invoke";
}

/* SPDX-License-Identifier: MIT
 * Messages that are kept, for sessions, as retained ones and as wills.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

static struct bytes
copy_to(uint8_t **at, struct bytes from)
{
	struct bytes copy = bytes_of(*at, from.len);

	if (from.len > 0)
		memcpy(*at, from.data, from.len);
	*at += from.len;
	return copy;
}

/* With what the allocator adds. */
static size_t
kept_bytes(const struct kept *kept)
{
	return sizeof(*kept) + kept->topic.len + kept_content_bytes(kept) + 16;
}

struct kept *
kept_new(struct broker *broker, const struct message *message)
{
	size_t size = message->topic.len + message->payload.len + message->properties.len;
	struct kept *kept = xmalloc(sizeof(*kept) + size);
	uint8_t *at = kept->data;

	kept->refs = 1;
	kept->broker = broker;
	kept->has_expiry = message->has_expiry;
	kept->expires_us = loop_now_us(broker->loop) + (int64_t)message->expiry_s * 1000000;
	kept->expires_ms = loop_wall_ms(broker->loop) + (int64_t)message->expiry_s * 1000;
	kept->made_ms = loop_wall_ms(broker->loop);
	kept->topic = copy_to(&at, message->topic);
	kept->payload = copy_to(&at, message->payload);
	kept->properties = copy_to(&at, message->properties);
	kept->payload_blob = NULL;
	broker->metrics.kept_bytes += kept_bytes(kept);
	return kept;
}

struct kept *
kept_ref(struct kept *kept)
{
	kept->refs++;
	return kept;
}

void
kept_unref(struct kept *kept)
{
	if (kept == NULL)
		return;
	assert(kept->refs > 0);
	if (--kept->refs > 0)
		return;
	kept->broker->metrics.kept_bytes -= kept_bytes(kept);
	blob_unref(kept->payload_blob);
	free(kept);
}

bool
kept_expired(const struct kept *kept, const struct broker *broker)
{
	return kept->has_expiry && kept->expires_us <= loop_now_us(broker->loop);
}

/* What is left of the expiry interval (MQTT 5.0 §3.3.2.3.3), rounded up. */
uint32_t
kept_expiry_s(const struct kept *kept, const struct broker *broker)
{
	int64_t left_us = kept->expires_us - loop_now_us(broker->loop);

	return left_us <= 0 ? 0 : (uint32_t)((left_us + 999999) / 1000000);
}

void
kept_message(const struct kept *kept, const struct broker *broker, struct message *message)
{
	*message = (struct message){ .topic = kept->topic,
		.payload = kept->payload,
		.properties = kept->properties,
		.has_expiry = kept->has_expiry };
	if (kept->has_expiry)
		message->expiry_s = kept_expiry_s(kept, broker);
}

/* SPDX-License-Identifier: MIT
 * Whom a message of Basic Ingest names.
 */
#include "runtime/ingest.h"

#include <string.h>

#include "lib/log.h"
#include "runtime/figures.h"
#include "runtime/function.h"
#include "runtime/function_folder.h"

bool
ingest_takes(struct bytes topic)
{
	size_t len = sizeof(INGEST_TOPICS) - 1;

	return topic.len >= len && memcmp(topic.data, INGEST_TOPICS, len) == 0;
}

static struct bytes
split(struct bytes whole, struct bytes *topic)
{
	size_t prefix = sizeof(INGEST_TOPICS) - 1;
	struct bytes rest = bytes_of(whole.data + prefix, whole.len - prefix);
	const uint8_t *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
	struct bytes name = rest;

	*topic = bytes_of(NULL, 0);
	if (slash != NULL) {
		name.len = (size_t)(slash - rest.data);
		*topic = bytes_of(slash + 1, rest.len - name.len - 1);
	}
	return name;
}

static void
tell_unknown(struct host *host, struct bytes name, struct bytes publisher)
{
	struct ingest *ingest = &host->ingest;
	struct log_more more;

	ingest->unknown++;
	if (!log_limit_take(&ingest->told, loop_now_us(host->loop), &more))
		return;
	log_warn("gateway",
	    "a message from %.*s on " INGEST_TOPICS
	    "%.*s/... goes nowhere: no function of that name runs%s",
	    publisher.len > 0 ? (int)publisher.len : 7,
	    publisher.len > 0 ? (const char *)publisher.data : "nobody",
	    name.len < FUNCTION_NAME_BYTES_MAX ? (int)name.len : FUNCTION_NAME_BYTES_MAX,
	    (const char *)name.data, more.text);
}

struct function *
ingest_find(struct host *host, const struct message *message, struct bytes *topic)
{
	struct bytes name = split(message->topic, topic);
	struct function *function = function_find(host->functions, name);

	if (function != NULL && function->current != NULL) {
		host->ingest.messages++;
		return function;
	}
	tell_unknown(host, name, message->publisher);
	return NULL;
}

void
ingest_figures(const struct host *host, struct buf *out)
{
	figures_counter(out, "moonlet_ingest_messages_total",
	    "messages that reached a function by " INGEST_TOPICS, host->ingest.messages);
	figures_counter(out, "moonlet_ingest_unknown_total",
	    "messages on " INGEST_TOPICS " that name no function", host->ingest.unknown);
}

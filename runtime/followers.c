/* SPDX-License-Identifier: MIT
 * The functions that a message triggers, between the message's routing and their dispatch.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "runtime/backlog.h"
#include "runtime/commit.h"
#include "runtime/function.h"
#include "runtime/message_context.h"

struct matching {
	struct followers *followers;
	struct host *host;
	const struct message *message;
	struct bytes topic; /* that the functions see */
	struct ack *ack;
	struct occurrence *event; /* one for all of them */
};

void
followers_add(struct followers *followers, struct function *function, struct occurrence *event)
{
	struct follower *follower;

	if (followers->count == followers->cap) {
		followers->cap = followers->cap == 0 ? 4 : followers->cap * 2;
		followers->list =
		    xrealloc(followers->list, followers->cap * sizeof(*followers->list));
	}
	follower = &followers->list[followers->count++];
	*follower = (struct follower){ .function = function, .event = occurrence_hold(event) };
	function_hold(function);
}

/* Members of the context that only messages with properties have: content_type, response_topic,
 * correlation_data (base64), properties (the user's). */
static void
append_properties(const struct message *message, struct buf *out)
{
	struct mqtt_defect defect;
	struct mqtt_props props;

	if (message->properties.len > 0 &&
	    mqtt_props_decode(message->properties, MQTT_PUBLISH, &props, &defect))
		message_context(&props, out);
}

static void
make_event(struct matching *matching)
{
	const struct message *message = matching->message;
	struct buf extra = { 0 };
	struct happening happening = { .trigger = "topic",
		.subject = matching->topic,
		.key = matching->topic.len > 0 ? matching->topic : message->publisher,
		.client_id = message->publisher,
		.payload = message->payload,
		.qos = message->qos,
		.retain = message->retain,
		.hops = message->hops,
		.ack = matching->ack };

	append_properties(message, &extra);
	happening.extra = buf_bytes(&extra);
	matching->event = occurrence_new(matching->host, &happening);
	buf_clear(&extra);
}

static void
match_one(void *arg, void *value)
{
	struct matching *matching = arg;
	struct function *function = value;

	if (matching->event == NULL)
		make_event(matching);
	followers_add(matching->followers, function, matching->event);
}

/* Those that listen to the topic; or the one that it names. */
static void
match_all(struct matching *matching)
{
	const struct message *message = matching->message;
	struct function *function;

	if (!ingest_takes(message->topic)) {
		trie_match(&matching->host->topics, message->topic, match_one, matching);
		return;
	}
	function = ingest_find(matching->host, message, &matching->topic);
	if (function != NULL)
		match_one(matching, function);
}

void
followers_of_message(
    struct followers *followers, struct host *host, const struct message *message, struct ack *ack)
{
	struct matching matching = { followers, host, message, message->topic, ack, NULL };
	size_t before = followers->count;

	if (host->draining && ack == NULL && message->qos == 0)
		return;
	match_all(&matching);
	if (followers->count > before &&
	    message->hops > options_number(host->options, OPTION_HOPS_MAX)) {
		log_error("dispatch",
		    "functions have triggered each other %u times in a row; the message on %.*s "
		    "triggers no more (hops_max)",
		    message->hops - 1, (int)message->topic.len, message->topic.data);
		while (followers->count > before) {
			struct follower *last = &followers->list[--followers->count];

			occurrence_drop(last->event);
			function_drop(last->function);
		}
	}
	occurrence_drop(matching.event);
}

void
followers_store(struct followers *followers, struct host *host, struct writes *writes)
{
	struct buf encoded = { 0 };

	for (size_t i = 0; i < followers->count; i++) {
		struct follower *follower = &followers->list[i];
		struct queue_row row = { .function_name = bytes_of_string(follower->function->name),
			.due_ms = loop_wall_ms(host->loop),
			.created_ms = follower->event->time_ms,
			.attempt = 1 };

		buf_reset(&encoded);
		occurrence_encode(follower->event, &encoded);
		row.event = buf_bytes(&encoded);
		row.sequence = follower->sequence = backlog_sequence(host->backlog);
		queue_put(writes, &row);
	}
	buf_clear(&encoded);
}

static bool
submit_one(struct follower *follower)
{
	struct queue_row row = { .sequence = follower->sequence, .attempt = 1 };
	enum dispatch_flow flow;

	if (follower->sequence != 0 && follower->function->current == NULL) {
		struct function *again = function_find(follower->function->host->functions,
		    bytes_of_string(follower->function->name));

		/* Removed meanwhile: it waits in the queue for one of that name. */
		if (again != NULL)
			backlog_left(again, follower->sequence);
		return false;
	}
	if (follower->function->current == NULL)
		return false;
	if (follower->sequence != 0) {
		backlog_offer(follower->function, follower->event, &row);
		return false;
	}
	flow = dispatch_submit(follower->function, follower->event);
	if (flow == DISPATCH_SHED && follower->event->ack != NULL)
		ack_release(ack_hold(follower->event->ack), MQTT_QUOTA_EXCEEDED);
	return flow != DISPATCH_GO_ON;
}

bool
followers_submit(struct followers *followers)
{
	bool full = false;

	for (size_t i = 0; i < followers->count; i++)
		full = submit_one(&followers->list[i]) || full;
	followers_drop(followers);
	return full;
}

void
followers_drop(struct followers *followers)
{
	for (size_t i = 0; i < followers->count; i++) {
		occurrence_drop(followers->list[i].event);
		function_drop(followers->list[i].function);
	}
	followers->count = 0;
}

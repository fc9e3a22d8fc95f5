/* SPDX-License-Identifier: MIT
 * Making records of ends, and what carries them.
 */
#include "runtime/destination.h"

#include <string.h>
#include <time.h>

#include "lib/base64.h"
#include "lib/json_text.h"
#include "lib/utf8.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/tables.h"

static void
append_text(struct buf *json, struct bytes text)
{
	struct buf base64 = { 0 };

	if (utf8_is_valid(text)) {
		json_text_quote(text, json);
		return;
	}
	base64_encode(text, &base64);
	json_text_quote(buf_bytes(&base64), json);
	buf_clear(&base64);
}

static bool
is_json(struct bytes text)
{
	size_t at;

	return text.len > 0 && json_text_is_valid(text, &at);
}

static bool
needs_base64(struct bytes text)
{
	return !is_json(text) && !utf8_is_valid(text);
}

static void
append_payload(struct buf *json, struct bytes payload)
{
	if (is_json(payload))
		buf_append_bytes(json, payload);
	else
		append_text(json, payload);
}

static void
append_time(struct buf *json, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;
	char text[32] = "";

	if (gmtime_r(&seconds, &parts) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	buf_printf(json, "\"%s.%03dZ\"", text, (int)(ms % 1000));
}

static void
append_request(struct buf *json, const struct destination_story *story)
{
	const struct invocation *invocation = story->invocation;
	const struct occurrence *event = invocation->event;
	char id[EVENT_ID_BYTES * 2 + 1];

	invocation_id(invocation, id);
	buf_printf(json,
	    "\"requestContext\":{\"requestId\":\"%s\",\"functionArn\":\"%s:%s\","
	    "\"condition\":\"%s\",\"approximateInvokeCount\":%u,\"trigger\":\"%s\",\"subject\":",
	    id, invocation->function->name, story->version != NULL ? story->version->hash : "",
	    story->condition, invocation->attempt, event->trigger);
	append_text(json, event->subject);
	buf_printf(json, ",\"time\":%lld", (long long)event->time_ms);
	if (needs_base64(event->payload))
		buf_append_string(json, ",\"payloadEncoding\":\"base64\"");
	buf_append_string(json, "},\"requestPayload\":");
	append_payload(json, event->payload);
}

static const char *
error_type(enum fail_reason reason)
{
	switch (reason) {
	case FAIL_TIMEOUT:
		return "Timeout";
	case FAIL_MEMORY:
		return "OutOfMemory";
	case FAIL_LIMIT:
		return "Limit";
	case FAIL_ERROR:
	case FAIL_CANCELLED:
	case FAIL_NO_FUNCTION:
		break;
	}
	return "Error";
}

static void
append_error(struct buf *json, const struct outcome *outcome)
{
	buf_append_string(json, "{\"errorMessage\":");
	append_text(json, outcome->message);
	buf_printf(json, ",\"errorType\":\"%s\",\"trace\":", error_type(outcome->reason));
	append_text(json, outcome->traceback);
	buf_append_u8(json, '}');
}

static void
append_response(struct buf *json, const struct destination_story *story)
{
	const struct outcome *outcome = story->outcome;

	buf_printf(json, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"%s\"",
	    story->version != NULL ? story->version->hash : "");
	if (!outcome->ok)
		buf_append_string(json, ",\"functionError\":\"Unhandled\"");
	else if (outcome->result_kind == RESULT_RAW && !utf8_is_valid(outcome->result))
		buf_append_string(json, ",\"payloadEncoding\":\"base64\"");
	buf_append_string(json, "},\"responsePayload\":");
	if (!outcome->ok)
		append_error(json, outcome);
	else if (outcome->result_kind == RESULT_NONE)
		buf_append_string(json, "null");
	else if (outcome->result_kind == RESULT_RAW)
		append_text(json, outcome->result);
	else
		append_payload(json, outcome->result);
}

void
destination_record(const struct destination_story *story, struct buf *json)
{
	buf_append_string(json, "{\"version\":\"1.0\",\"timestamp\":");
	append_time(json, loop_wall_ms(story->invocation->dispatch->host->loop));
	buf_append_u8(json, ',');
	append_request(json, story);
	append_response(json, story);
	buf_append_u8(json, '}');
}

/* --- what carries it --- */

static int
add_message(const struct destination *destination, const struct destination_story *story,
    struct bytes record, struct destination_parts *parts, struct err *err)
{
	struct host *host = story->invocation->dispatch->host;
	const struct message message = { .topic = bytes_of_string(destination->name),
		.payload = record,
		.qos = 1,
		.hops = (uint8_t)(story->invocation->event->hops + 1) };

	if (!manifest_grants(host->options, ALLOW_PUBLISH, message.topic))
		return err_set(err, "the operator does not allow the topic");
	parts->route = broker_route(host->broker, &message, parts->writes);
	route_keep(parts->route); /* the record ends before */
	followers_of_message(parts->followers, host, &message, NULL);
	return 0;
}

static int
add_event(const struct destination *destination, const struct destination_story *story,
    struct bytes record, struct destination_parts *parts, struct err *err)
{
	const struct invocation *from = story->invocation;
	struct host *host = from->dispatch->host;
	const struct happening happening = { .trigger = "invoke",
		.subject = bytes_of_string(from->function->name),
		.key = from->event->key,
		.client_id = from->event->client_id,
		.payload = record,
		.qos = 1,
		.hops = (uint8_t)(from->event->hops + 1) };
	struct function *function =
	    function_find(host->functions, bytes_of_string(destination->name));
	struct occurrence *event;

	if (!manifest_grants(host->options, ALLOW_INVOKE, bytes_of_string(destination->name)))
		return err_set(err, "the operator does not allow to invoke it");
	if (function == NULL || function->current == NULL)
		return err_set(err, "there is no such function");
	if (happening.hops > options_number(host->options, OPTION_HOPS_MAX))
		return err_set(err, "functions have triggered each other %u times in a row",
		    from->event->hops);
	event = occurrence_new(host, &happening);
	followers_add(parts->followers, function, event);
	occurrence_drop(event);
	return 0;
}

/* The record with the table's key in it: the event's id and its time, where it lacks them. */
static void
make_item(const struct table_def *def, const struct destination_story *story, struct bytes record,
    struct buf *item)
{
	char id[EVENT_ID_BYTES * 2 + 1];

	invocation_id(story->invocation, id);
	buf_append(item, record.data, record.len - 1);
	if (json_text_member(record, bytes_of_string(def->hash)).len == 0)
		buf_printf(item, ",\"%s\":\"%s\"", def->hash, id);
	if (def->sort != NULL && json_text_member(record, bytes_of_string(def->sort)).len == 0)
		buf_printf(item, ",\"%s\":%lld", def->sort,
		    (long long)loop_wall_ms(story->invocation->dispatch->host->loop));
	buf_append_u8(item, '}');
}

static int
add_item(const struct destination *destination, const struct destination_story *story,
    struct bytes record, struct destination_parts *parts, struct err *err)
{
	struct host *host = story->invocation->dispatch->host;
	struct effect effect = { .kind = EFFECT_DB_PUT,
		.first = bytes_of_string(destination->name) };
	struct table *table = tables_find(host->tables, effect.first);
	struct buf item = { 0 };
	int result;

	if (!manifest_grants(host->options, ALLOW_DB, effect.first))
		return err_set(err, "the operator does not allow the table");
	if (table == NULL)
		return err_set(err, "there is no such table; moonlet db create makes one");
	make_item(&table->def, story, record, &item);
	effect.second = buf_bytes(&item);
	result = item.len > ITEM_BYTES_MAX
		     ? err_set(err, "the record is longer than an item may be")
		     : tables_take_effect(host->tables, &effect, parts->tables, err);
	buf_clear(&item);
	return result;
}

int
destination_add(const struct destination *destination, const struct destination_story *story,
    struct destination_parts *parts, struct err *err)
{
	static int (*const add[])(const struct destination *destination,
	    const struct destination_story *story, struct bytes record,
	    struct destination_parts *parts, struct err *err) = {
		[DESTINATION_TOPIC] = add_message,
		[DESTINATION_FUNCTION] = add_event,
		[DESTINATION_TABLE] = add_item,
	};
	struct buf record = { 0 };
	int result;

	parts->route = NULL;
	if (destination->kind == DESTINATION_NONE)
		return 0;
	destination_record(story, &record);
	result = add[destination->kind](destination, story, buf_bytes(&record), parts, err);
	buf_clear(&record);
	if (result < 0)
		return err_prefix(err, "%s cannot have the record of an end", destination->name);
	return 0;
}

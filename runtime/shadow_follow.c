/* SPDX-License-Identifier: MIT
 * Events of shadows' changes. Who would get one is found when the request comes, what it says is
 * known inside the transaction. Rows of one thing stand in the queue in the order of their
 * requests.
 */
#include "runtime/shadow_follow.h"

#include <stdlib.h>

#include "lib/json_text.h"
#include "lib/log.h"
#include "runtime/backlog.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

struct target {
	struct function *function;
	unsigned changes;
	struct occurrence *event; /* without its payload */
	struct buf encoded;	  /* the whole; empty: this change is none of its */
	struct queue_row row;
};

struct shadow_follow {
	struct host *host;
	struct target *targets;
	size_t count;
	size_t cap;
	enum shadow_request_kind kind;
	struct buf subject; /* thing [\0 name] */
	size_t thing_bytes;
};

struct shadow_watches *
shadow_watches_new(struct host *host)
{
	struct shadow_watches *watches = xcalloc(1, sizeof(*watches));

	glob_index_init(&watches->things);
	watches->host = host;
	return watches;
}

void
shadow_watches_free(struct shadow_watches *watches)
{
	if (watches != NULL)
		glob_index_clear(&watches->things);
	free(watches);
}

void
shadow_watches_add(struct shadow_watches *watches, struct shadow_watch *watch)
{
	glob_index_add(&watches->things, &watch->entry, bytes_of_string(watch->thing));
}

void
shadow_watches_remove(struct shadow_watches *watches, struct shadow_watch *watch)
{
	glob_index_remove(&watches->things, &watch->entry);
}

static bool
takes(const struct shadow_watch *watch, const struct shadow_request *request)
{
	if (watch->function->current == NULL)
		return false;
	if (request->name.len == 0)
		return watch->name[0] == '\0';
	return glob_match(bytes_of_string(watch->name), request->name);
}

static struct target *
target_of(struct shadow_follow *follow, struct function *function)
{
	for (size_t i = 0; i < follow->count; i++) {
		if (follow->targets[i].function == function)
			return &follow->targets[i];
	}
	if (follow->count == follow->cap) {
		follow->cap = follow->cap > 0 ? follow->cap * 2 : 2;
		follow->targets = xrealloc(follow->targets, follow->cap * sizeof(*follow->targets));
	}
	follow->targets[follow->count] = (struct target){ .function = function };
	function_hold(function);
	return &follow->targets[follow->count++];
}

static bool
hops_allow(const struct host *host, uint8_t hops, struct bytes thing)
{
	if (hops <= options_number(host->options, OPTION_HOPS_MAX))
		return true;
	log_error("dispatch",
	    "functions have triggered each other %u times in a row; the change of shadow %.*s "
	    "triggers no more (hops_max)",
	    hops - 1, (int)thing.len, (const char *)thing.data);
	return false;
}

static void
make_events(struct shadow_follow *follow, const struct shadow_request *request, uint8_t hops)
{
	struct happening happening = { .trigger = "shadow",
		.subject = request->thing, /* the key too: a thing's shadows are in one order */
		.qos = 1,
		.hops = hops };

	for (size_t i = 0; i < follow->count; i++) {
		follow->targets[i].event = occurrence_new(follow->host, &happening);
		follow->targets[i].row.sequence = backlog_sequence(follow->host->backlog);
	}
}

/* A request whose functions are being found. */
struct finding {
	const struct shadow_request *request;
	struct shadow_follow *follow; /* NULL: none yet */
};

static void
note_watch(void *arg, struct glob_entry *entry)
{
	const struct shadow_watch *watch = (const struct shadow_watch *)(void *)entry;
	struct finding *finding = arg;

	if (!takes(watch, finding->request))
		return;
	if (finding->follow == NULL)
		finding->follow = xcalloc(1, sizeof(*finding->follow));
	target_of(finding->follow, watch->function)->changes |= watch->changes;
}

struct shadow_follow *
shadow_follow_new(const struct shadow_watches *watches, enum shadow_request_kind kind,
    const struct shadow_request *request, uint8_t hops)
{
	struct finding finding = { .request = request };
	struct shadow_follow *follow;

	if (watches == NULL || kind == SHADOW_REQUEST_GET)
		return NULL;
	glob_index_match(&watches->things, request->thing, note_watch, &finding);
	follow = finding.follow;
	if (follow == NULL)
		return NULL;
	if (!hops_allow(watches->host, hops, request->thing)) {
		shadow_follow_free(follow);
		return NULL;
	}
	follow->host = watches->host;
	follow->kind = kind;
	follow->thing_bytes = request->thing.len;
	buf_append_bytes(&follow->subject, request->thing);
	if (request->name.len > 0) {
		buf_append_u8(&follow->subject, 0);
		buf_append_bytes(&follow->subject, request->name);
	}
	make_events(follow, request, hops);
	return follow;
}

void
shadow_follow_free(struct shadow_follow *follow)
{
	if (follow == NULL)
		return;
	for (size_t i = 0; i < follow->count; i++) {
		occurrence_drop(follow->targets[i].event);
		function_drop(follow->targets[i].function);
		buf_clear(&follow->targets[i].encoded);
	}
	buf_clear(&follow->subject);
	free(follow->targets);
	free(follow);
}

/* Which of the changes that the function asks for this one is; NULL: none. */
static const char *
kind_for(const struct shadow_follow *follow, const struct target *target,
    const struct shadow_reply *reply)
{
	if (follow->kind == SHADOW_REQUEST_DELETE)
		return (target->changes & SHADOW_CHANGE_DELETE) != 0 ? "delete" : NULL;
	if ((target->changes & SHADOW_CHANGE_DELTA) != 0 && reply->delta.len > 0)
		return "delta";
	return (target->changes & SHADOW_CHANGE_UPDATE) != 0 ? "update" : NULL;
}

static void
put_member(struct buf *out, const char *name, struct bytes json)
{
	if (json.len == 0)
		return;
	buf_printf(out, ",\"%s\":", name);
	buf_append_bytes(out, json);
}

static void
copy_member(struct buf *out, const char *name, const struct buf *object)
{
	if (object->len > 0)
		put_member(out, name, json_text_member(buf_bytes(object), bytes_of_string(name)));
}

/* Names of things and shadows need no escapes. */
static void
write_payload(struct buf *out, const struct shadow_follow *follow, const struct shadow_reply *reply,
    const char *kind)
{
	const struct buf *subject = &follow->subject;
	bool is_update = follow->kind == SHADOW_REQUEST_UPDATE;
	const struct buf *last = is_update ? &reply->documents : &reply->answer;
	size_t name_at = follow->thing_bytes + 1;

	buf_printf(out, "{\"kind\":\"%s\",\"thing\":\"%.*s\"", kind, (int)follow->thing_bytes,
	    (const char *)subject->data);
	if (subject->len > name_at)
		buf_printf(out, ",\"name\":\"%.*s\"", (int)(subject->len - name_at),
		    (const char *)subject->data + name_at);
	if (!is_update)
		put_member(out, "previous", buf_bytes(&reply->previous));
	else if (!reply->created)
		copy_member(out, "previous", &reply->documents);
	copy_member(out, "current", &reply->documents);
	if (reply->delta.len > 0)
		put_member(out, "delta",
		    json_text_member(buf_bytes(&reply->delta), bytes_of_string("state")));
	copy_member(out, "timestamp", last);
	copy_member(out, "clientToken", last);
	buf_append_u8(out, '}');
}

static int
store_one(struct target *target, struct bytes payload, struct txn *txn, struct err *err)
{
	struct occurrence whole = *target->event;

	whole.payload = payload;
	buf_reset(&target->encoded);
	occurrence_encode(&whole, &target->encoded);
	target->row.function_name = bytes_of_string(target->function->name);
	target->row.event = buf_bytes(&target->encoded);
	target->row.due_ms = target->row.created_ms = whole.time_ms;
	target->row.attempt = 1;
	return queue_store(txn, &target->row, err);
}

int
shadow_follow_store(struct shadow_follow *follow, const struct shadow_reply *reply, struct txn *txn,
    struct err *err)
{
	struct buf payload = { 0 };
	int result = 0;

	for (size_t i = 0; result == 0 && i < follow->count; i++) {
		struct target *target = &follow->targets[i];
		const char *kind = kind_for(follow, target, reply);

		if (kind == NULL)
			continue;
		buf_reset(&payload);
		write_payload(&payload, follow, reply, kind);
		result = store_one(target, buf_bytes(&payload), txn, err);
	}
	buf_clear(&payload);
	return result;
}

void
shadow_follow_submit(struct shadow_follow *follow)
{
	for (size_t i = 0; i < follow->count; i++) {
		struct target *target = &follow->targets[i];
		struct occurrence *event;

		/* A removed function's event stays in the queue. */
		if (target->encoded.len == 0 || target->function->current == NULL)
			continue;
		event = occurrence_decode(follow->host, buf_bytes(&target->encoded));
		if (event != NULL)
			backlog_offer(target->function, event, &target->row);
		occurrence_drop(event);
	}
}

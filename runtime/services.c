/* SPDX-License-Identifier: MIT
 * What handlers wait for: one row for each kind of call. A call of an invocation that was taken
 * back is refused, so nothing happens twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/commit.h"
#include "runtime/files/files.h"
#include "runtime/function.h"
#include "runtime/http_call.h"
#include "runtime/pool.h"
#include "runtime/shadow_service.h"
#include "runtime/state.h"
#include "runtime/tables.h"

/* Who waits for an answer. The sending may be gone when it comes. */
struct caller {
	struct dispatch *dispatch;
	uint64_t number;
	uint32_t call;
};

static struct caller *
caller_new(struct dispatch *dispatch, const struct sending *sending, uint32_t call)
{
	struct caller *caller = xcalloc(1, sizeof(*caller));

	*caller = (struct caller){ dispatch, sending->number, call };
	return caller;
}

/* NULL: it is gone. */
static struct sending *
caller_sending(const struct caller *caller)
{
	const struct pool *pool = caller->dispatch->host->pool;
	size_t index = (size_t)(caller->number & UINT32_MAX);
	struct sending *sending = index < pool->sending_count ? pool->sendings[index] : NULL;

	return sending != NULL && sending->number == caller->number && sending->waits ? sending
										      : NULL;
}

static void
answer(struct caller *caller, bool ok, struct bytes fields)
{
	struct sending *sending = caller_sending(caller);

	if (sending != NULL) {
		if (sending->invocation != NULL)
			sending->invocation->http_call = NULL;
		worker_reply(sending->worker, sending, caller->call, ok, fields);
	}
	free(caller);
}

static void
answer_text(struct caller *caller, bool ok, struct bytes text)
{
	struct buf fields = { 0 };

	frame_bytes(&fields, text);
	answer(caller, ok, buf_bytes(&fields));
	buf_clear(&fields);
}

static void
answer_error(struct caller *caller, const char *text)
{
	answer_text(caller, false, bytes_of_string(text));
}

static void
http_done(void *arg, bool ok, struct bytes fields)
{
	answer(arg, ok, fields);
}

/* The invocation outlives its request: commit_abort_call ends the request first. */
static enum egress_grant
http_permit(void *arg, const struct egress_target *target)
{
	const struct caller *caller = arg;
	const struct sending *sending = caller_sending(caller);

	if (sending == NULL || sending->invocation == NULL)
		return EGRESS_REFUSED;
	return manifest_allows_http(
	    sending->invocation->version->manifest, caller->dispatch->host->options, target);
}

static bool
call_http(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct invocation *invocation = sending->invocation;
	struct host *host = caller->dispatch->host;
	int64_t left_us = sending->deadline_us - loop_now_us(host->loop);
	char id[EVENT_ID_BYTES * 2 + 1], key[EVENT_ID_BYTES * 2 + 32];
	struct http_call_terms terms = { .client = host->http_client,
		.owner = invocation->version->number,
		.permit = http_permit,
		.idempotency_key = key,
		.timeout_ms_max = left_us > 1000 ? (uint32_t)(left_us / 1000) : 1,
		.done = http_done,
		.arg = caller };
	struct err err;

	if (invocation->event->dry_run) {
		answer_error(caller, "http: no request is sent in a dry run");
		return true;
	}
	invocation_id(invocation, id);
	(void)snprintf(key, sizeof(key), "%s-%u", id, caller->call);
	switch (http_call_start(&terms, fields, &invocation->http_call, &err)) {
	case HTTP_CALL_STARTED:
		return true;
	case HTTP_CALL_REFUSED:
		answer_error(caller, err.text);
		return true;
	case HTTP_CALL_MALFORMED:
		break;
	}
	free(caller);
	return false;
}

static void
shadow_done(void *arg, const struct shadow_reply *reply)
{
	struct caller *caller = arg;
	bool ok = reply->code == 0 || reply->code == 404;
	struct buf fields = { 0 };

	if (ok)
		frame_u64(&fields, reply->row_version);
	frame_bytes(&fields, reply->code == 404 ? bytes_of(NULL, 0) : buf_bytes(&reply->answer));
	answer(caller, ok, buf_bytes(&fields));
	buf_clear(&fields);
}

static bool
call_shadow_get(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct host *host = caller->dispatch->host;
	struct cursor cursor = cursor_of(fields);
	const struct shadow_request request = { .thing = cursor_bytes(&cursor),
		.name = cursor_bytes(&cursor) };

	if (!cursor_end(&cursor)) {
		free(caller);
		return false;
	}
	if (!manifest_allows(
		sending->invocation->version->manifest, host->options, ALLOW_SHADOW, request.thing))
		answer_error(
		    caller, "shadow.get: not allowed by the function's allow or by the operator");
	else
		shadow_service_request(
		    host->shadow_service, SHADOW_REQUEST_GET, &request, shadow_done, caller);
	return true;
}

static void
invoke_done(void *arg, const struct outcome *outcome)
{
	struct caller *caller = arg;
	struct buf fields = { 0 };

	if (!outcome->ok) {
		answer_text(caller, false, outcome->message);
		return;
	}
	frame_u8(&fields, (uint8_t)outcome->result_kind);
	frame_bytes(&fields, outcome->result);
	answer(caller, true, buf_bytes(&fields));
	buf_clear(&fields);
}

static const char *
start_invoke(
    struct caller *caller, const struct invocation *from, struct bytes name, struct bytes payload)
{
	struct host *host = caller->dispatch->host;
	struct function *function = function_find(host->functions, name);
	const struct happening happening = { .trigger = "invoke",
		.subject = bytes_of_string(from->function->name),
		.key = bytes_of(&caller->number, sizeof(caller->number)),
		.client_id = from->event->client_id,
		.payload = payload,
		.hops = (uint8_t)(from->event->hops + 1),
		.ended = invoke_done,
		.arg = caller,
		.dry_run = from->event->dry_run };
	struct occurrence *event;
	enum dispatch_flow flow;

	if (function == NULL || function->current == NULL)
		return "invoke.call: there is no such function";
	if (happening.hops > options_number(host->options, OPTION_HOPS_MAX))
		return "invoke.call: functions have called each other too often in a row "
		       "(hops_max)";
	event = occurrence_new(host, &happening);
	flow = dispatch_submit(function, event);
	occurrence_drop(event);
	return flow == DISPATCH_SHED ? "invoke.call: the function has too much to do" : NULL;
}

static bool
call_invoke(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	struct bytes name = cursor_bytes(&cursor), payload = cursor_bytes(&cursor);
	const char *problem;

	if (!cursor_end(&cursor)) {
		free(caller);
		return false;
	}
	if (!manifest_allows(sending->invocation->version->manifest,
		caller->dispatch->host->options, ALLOW_INVOKE, name))
		problem = "invoke.call: not allowed by the function's allow or by the operator";
	else
		problem = start_invoke(caller, sending->invocation, name, payload);
	if (problem != NULL)
		answer_error(caller, problem);
	return true;
}

static bool
call_secret(struct caller *caller, struct sending *sending, struct bytes fields)
{
	const struct options *options = caller->dispatch->host->options;
	struct cursor cursor = cursor_of(fields);
	struct bytes name = cursor_bytes(&cursor);
	const char *secret;

	if (!cursor_end(&cursor)) {
		free(caller);
		return false;
	}
	secret = options_secret(options, name);
	if (!manifest_allows(sending->invocation->version->manifest, options, ALLOW_SECRETS, name))
		answer_error(
		    caller, "secrets.get: not allowed by the function's allow or by the operator");
	else if (secret == NULL)
		answer_error(caller, "secrets.get: the configuration has no secret of that name");
	else
		answer_text(caller, true, bytes_of_string(secret));
	return true;
}

/* -1: the first table that is not allowed is named. */
static int
permit_gets(
    struct caller *caller, const struct sending *sending, struct bytes fields, struct err *err)
{
	struct cursor cursor = cursor_of(fields);
	size_t count = cursor_u16(&cursor);

	for (size_t i = 0; i < count && !cursor.bad; i++) {
		struct bytes table = cursor_bytes(&cursor);

		(void)cursor_bytes(&cursor);
		if (!manifest_allows(sending->invocation->version->manifest,
			caller->dispatch->host->options, ALLOW_DB, table))
			return err_set(err,
			    "db: table \"%.*s\" is not allowed by the function's allow or by the "
			    "operator",
			    (int)(table.len < 100 ? table.len : 100), table.data);
	}
	return 0;
}

static void
db_done(void *arg, bool ok, struct bytes fields)
{
	answer(arg, ok, fields);
}

static bool
call_db_get(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct err err;

	if (permit_gets(caller, sending, fields, &err) < 0) {
		answer_error(caller, err.text);
		return true;
	}
	if (tables_get(caller->dispatch->host->tables, fields, db_done, caller))
		return true;
	free(caller);
	return false;
}

static void
state_done(void *arg, const struct record *record, const struct err *err)
{
	struct buf fields = { 0 };

	if (record == NULL) {
		answer_error(arg, err->text);
		return;
	}
	frame_u64(&fields, record->version);
	frame_bytes(&fields, record->value);
	answer(arg, true, buf_bytes(&fields));
	buf_clear(&fields);
}

static bool
call_state_get(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	struct bytes name = cursor_bytes(&cursor);

	if (!cursor_end(&cursor) || name.len == 0 || name.len > KEYED_NAME_BYTES_MAX ||
	    memchr(name.data, 0, name.len) != NULL) {
		free(caller);
		return false;
	}
	state_get(caller->dispatch->host->records, sending->invocation, name, state_done, caller);
	return true;
}

static bool
call_db_query(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	struct bytes table = cursor_bytes(&cursor);

	if (!manifest_allows(sending->invocation->version->manifest,
		caller->dispatch->host->options, ALLOW_DB, table)) {
		answer_error(caller,
		    "db.query: the table is not allowed by the function's allow or by the "
		    "operator");
		return true;
	}
	if (tables_query(caller->dispatch->host->tables, fields, db_done, caller))
		return true;
	free(caller);
	return false;
}

static void
files_done(void *arg, bool ok, struct bytes content, int64_t size)
{
	struct buf fields = { 0 };

	if (ok)
		frame_i64(&fields, size);
	frame_bytes(&fields, content);
	answer(arg, ok, buf_bytes(&fields));
	buf_clear(&fields);
}

static bool
call_files_read(struct caller *caller, struct sending *sending, struct bytes fields)
{
	struct host *host = caller->dispatch->host;
	struct cursor cursor = cursor_of(fields);
	struct files_read read = { .path = cursor_bytes(&cursor) };

	read.offset = cursor_i64(&cursor);
	read.length = cursor_u32(&cursor);
	read.done = files_done;
	read.arg = caller;
	if (!cursor_end(&cursor) || read.offset < 0 || read.length < 1 ||
	    read.length > FILES_READ_BYTES_MAX) {
		free(caller);
		return false;
	}
	if (!manifest_allows(
		sending->invocation->version->manifest, host->options, ALLOW_FILES, read.path))
		answer_error(
		    caller, "files.read: not allowed by the function's allow or by the operator");
	else
		files_read(host->files, &read);
	return true;
}

static bool (*const calls[])(
    struct caller *caller, struct sending *sending, struct bytes fields) = {
	[CALL_HTTP] = call_http,
	[CALL_SHADOW_GET] = call_shadow_get,
	[CALL_INVOKE] = call_invoke,
	[CALL_SECRET] = call_secret,
	[CALL_DB_GET] = call_db_get,
	[CALL_STATE_GET] = call_state_get,
	[CALL_DB_QUERY] = call_db_query,
	[CALL_FILES_READ] = call_files_read,
};

bool
dispatch_call(struct dispatch *dispatch, struct sending *sending, uint32_t call,
    enum call_kind kind, struct bytes fields)
{
	struct caller *caller;

	if (kind >= sizeof(calls) / sizeof(calls[0]) || calls[kind] == NULL)
		return false;
	caller = caller_new(dispatch, sending, call);
	if (sending->invocation != NULL)
		return calls[kind](caller, sending, fields);
	answer_error(caller, "this run was taken back");
	return true;
}

void
commit_abort_call(struct invocation *invocation)
{
	http_call_abort(invocation->http_call);
	invocation->http_call = NULL;
}

/* SPDX-License-Identifier: MIT
 * Sending webhooks, and what becomes of each: taken, tried again, given up.
 */
#include <stdlib.h>

#include "lib/redact.h"
#include "runtime/dead_letters.h"
#include "runtime/function.h"
#include "runtime/webhook_answer.h"
#include "runtime/webhooks_private.h"
#include "store/webhook.h"

enum { TIMEOUT_MS = 30000 };

/* --- ends --- */

static void
ended(void *arg, int status)
{
	struct hook *hook = arg;
	struct webhooks *webhooks = hook->webhooks;

	if (webhooks == NULL) {
		free(hook);
		return;
	}
	if (status < 0) {
		/* It stands where it stood, and is sent again. */
		webhooks_look_from(webhooks, hook->row.due_ms, hook->row.sequence);
		webhooks_wake_at(webhooks, loop_wall_ms(webhooks->host->loop) + AGAIN_US / 1000);
	} else if (hook->next_due_ms > 0) {
		webhooks_look_from(webhooks, hook->next_due_ms, hook->row.sequence);
		webhooks_wake_at(webhooks, hook->next_due_ms);
	} else {
		webhooks_failed(
		    webhooks, &(struct webhook_ops){ .count = 1, .bytes = hook->row.event.len });
	}
	hook_free(hook);
	webhooks_pump(webhooks);
	webhooks_read_on(webhooks);
}

static void
end_with(struct hook *hook, struct writes *writes)
{
	hook_leave(hook);
	hook->state = HOOK_ENDS;
	webhook_remove(writes, &hook->row);
	store_write(hook->webhooks->host->store, writes, ended, hook);
}

static void
taken(struct hook *hook)
{
	struct writes writes = { 0 };

	hook->webhooks->figures.sent++;
	end_with(hook, &writes);
}

void
hook_move(struct hook *hook, int64_t due_ms, uint32_t attempt)
{
	struct writes writes = { 0 };
	struct queue_row later = hook->row;

	later.due_ms = hook->next_due_ms = due_ms;
	later.attempt = attempt;
	/* The old place is emptied first: it may be the new one. */
	webhook_remove(&writes, &hook->row);
	webhook_put(&writes, &later);
	hook_leave(hook);
	hook->state = HOOK_ENDS;
	store_write(hook->webhooks->host->store, &writes, ended, hook);
}

static void
say(const struct hook *hook, enum log_level level, const char *text)
{
	char *name = bytes_to_string(hook->row.function_name);
	char *trace = bytes_to_string(hook->trace);

	log_emit(&(struct log_line){ .level = level,
	    .component = "webhook",
	    .function_name = name,
	    .invocation_id = trace,
	    .text = text });
	free(name);
	free(trace);
}

static void
give_up(struct hook *hook, const char *why)
{
	struct buf text = { 0 };
	struct writes writes = { 0 };
	struct failed_row failed = { .row = hook->row,
		.kind = FAILED_WEBHOOK,
		.function_version = hook->version,
		.trace = hook->trace };

	buf_printf(&text, "%.*s ", (int)hook->method.len, (const char *)hook->method.data);
	redact_url_append(
	    &text, bytes_of(hook->url.data, hook->url.len < 500 ? hook->url.len : 500));
	buf_printf(&text, ": %s", why);
	failed.error = buf_bytes(&text);
	dead_letter_stamp(hook->webhooks->host, &failed);
	failed_put(&writes, &failed);
	say(hook, LOG_LEVEL_ERROR, buf_string(&text));
	hook->webhooks->figures.given_up++;
	end_with(hook, &writes);
	buf_clear(&text);
}

/* Doubles from one attempt to the next, give or take a quarter. */
static int64_t
pause_ms_of(const struct hook *hook, int64_t least_ms)
{
	const struct host *host = hook->webhooks->host;
	int64_t pause_ms = options_number(host->options, OPTION_WEBHOOK_BACKOFF_MS);
	int64_t longest_ms = options_number(host->options, OPTION_WEBHOOK_BACKOFF_MS_MAX);
	uint32_t random;

	for (uint32_t i = 1; i < hook->row.attempt && pause_ms < longest_ms; i++)
		pause_ms *= 2;
	if (pause_ms > longest_ms)
		pause_ms = longest_ms;
	loop_sys(host->loop)->random(&random, sizeof(random));
	pause_ms = pause_ms * 3 / 4 + (int64_t)random % (pause_ms / 2 + 1);
	return pause_ms > least_ms ? pause_ms : least_ms;
}

static void
try_again(struct hook *hook, const char *why, int64_t least_ms)
{
	const struct host *host = hook->webhooks->host;
	int64_t now_ms = loop_wall_ms(host->loop), pause_ms;
	struct buf text = { 0 };

	hook->webhooks->figures.failed++;
	if (hook->row.attempt > options_number(host->options, OPTION_WEBHOOK_RETRIES) ||
	    now_ms - hook->row.created_ms >=
		options_number(host->options, OPTION_WEBHOOK_AGE_MS_MAX)) {
		give_up(hook, why);
		return;
	}
	pause_ms = pause_ms_of(hook, least_ms);
	buf_printf(&text, "attempt %u for %s failed, again in %lld ms: %s", hook->row.attempt,
	    hook->target->name, (long long)pause_ms, why);
	say(hook, LOG_LEVEL_WARN, buf_string(&text));
	buf_clear(&text);
	hook_move(hook, now_ms + pause_ms, hook->row.attempt + 1);
}

/* --- sending --- */

static void
on_done(void *arg, bool ok, struct bytes fields)
{
	struct hook *hook = arg;
	struct webhooks *webhooks = hook->webhooks;
	struct webhook_answer answer;

	hook->call = NULL;
	webhook_answer_read(&answer, ok, fields, loop_wall_ms(webhooks->host->loop));
	switch (answer.verdict) {
	case WEBHOOK_TAKEN:
		taken(hook);
		break;
	case WEBHOOK_AGAIN:
		try_again(hook, answer.text, answer.pause_ms);
		break;
	case WEBHOOK_REFUSED:
		webhooks->figures.failed++;
		give_up(hook, answer.text);
		break;
	}
	webhooks_pump(webhooks);
}

static enum egress_grant
on_permit(void *arg, const struct egress_target *target)
{
	const struct hook *hook = arg;
	const struct host *host = hook->webhooks->host;
	const struct function *function = function_find(host->functions, hook->row.function_name);

	if (function == NULL || function->current == NULL)
		return EGRESS_REFUSED;
	return manifest_allows_http(function->current->manifest, host->options, target);
}

static void
send_one(struct hook *hook)
{
	struct webhooks *webhooks = hook->webhooks;
	const struct function *function =
	    function_find(webhooks->host->functions, hook->row.function_name);
	char *key = bytes_to_string(hook->key);
	const struct http_call_terms terms = { .client = webhooks->client,
		.owner = (uint64_t)(uintptr_t)hook->target,
		.permit = on_permit,
		.idempotency_key = key,
		.timeout_ms_max = TIMEOUT_MS,
		.keeps_method = true,
		.done = on_done,
		.arg = hook };
	struct err err;

	if (function == NULL || function->current == NULL) {
		try_again(hook, "its function, whose allow.http counts, is not there", 0);
	} else if (http_client_prepare(webhooks->client, &err) < 0) {
		try_again(hook, err.text, 0);
	} else {
		switch (http_call_start(&terms, hook->request, &hook->call, &err)) {
		case HTTP_CALL_STARTED:
			break;
		case HTTP_CALL_REFUSED:
			give_up(hook, err.text);
			break;
		case HTTP_CALL_MALFORMED:
			give_up(hook, "the request does not decode");
			break;
		}
	}
	free(key);
}

void
webhooks_pump(struct webhooks *webhooks)
{
	struct target *target;

	while (webhooks->figures.active < PARALLEL &&
	       (target = TAILQ_FIRST(&webhooks->turns)) != NULL) {
		struct hook *hook = TAILQ_FIRST(&target->waiting);

		TAILQ_REMOVE(&webhooks->turns, target, turn);
		target->in_turn = false;
		TAILQ_REMOVE(&target->waiting, hook, waiting);
		target->waiting_count--;
		target->active++;
		webhooks->figures.active++;
		hook->state = HOOK_ACTIVE;
		webhooks_target_update(webhooks, target);
		send_one(hook);
	}
}

/* SPDX-License-Identifier: MIT
 * The webhooks' window over the store: pages, targets, and what others ask.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/backlog.h"
#include "runtime/dispatch.h"
#include "runtime/effect.h"
#include "runtime/function.h"
#include "runtime/webhooks_private.h"
#include "store/webhook.h"

enum {
	WINDOW = 1024, /* requests in memory */
	WINDOW_BYTES = 16 * 1024 * 1024,
	PAGE_ROWS = 128,
	TARGET_WAITING = 256,
	POSTPONE_MS = 1000, /* what finds no room in the window, and how close they stand then */
	POSTPONE_STEP_MS = 2,
};

/* --- targets --- */

static struct target *
target_of(struct webhooks *webhooks, const char *name)
{
	struct hash_node *node = hash_find(&webhooks->targets, bytes_of_string(name));
	struct target *target;

	if (node != NULL)
		return HASH_OWNER(node, struct target, link);
	target = xcalloc(1, sizeof(*target) + strlen(name) + 1);
	(void)strcpy(target->name, name);
	TAILQ_INIT(&target->waiting);
	hash_insert(&webhooks->targets, &target->link, bytes_of_string(target->name));
	return target;
}

void
webhooks_target_update(struct webhooks *webhooks, struct target *target)
{
	bool wants = target->waiting_count > 0 && target->active < TARGET_PARALLEL;

	if (wants && !target->in_turn)
		TAILQ_INSERT_TAIL(&webhooks->turns, target, turn);
	else if (!wants && target->in_turn)
		TAILQ_REMOVE(&webhooks->turns, target, turn);
	target->in_turn = wants;
	if (target->waiting_count > 0 || target->active > 0)
		return;
	hash_remove(&webhooks->targets, &target->link);
	free(target);
}

/* --- one request --- */

static struct hook *
hook_new(struct webhooks *webhooks, const struct queue_row *row)
{
	size_t size = sizeof(struct hook) + row->function_name.len + row->event.len;
	struct hook *hook = xcalloc(1, size);
	uint8_t *at = hook->data;
	struct cursor cursor;

	hook->webhooks = webhooks;
	hook->size = size;
	hook->row = *row;
	hook->row.function_name = bytes_of(at, row->function_name.len);
	memcpy(at, row->function_name.data, row->function_name.len);
	at += row->function_name.len;
	hook->row.event = bytes_of(at, row->event.len);
	memcpy(at, row->event.data, row->event.len);
	cursor = cursor_of(hook->row.event);
	hook->key = cursor_bytes(&cursor);
	hook->trace = cursor_bytes(&cursor);
	hook->version = cursor_bytes(&cursor);
	hook->request = bytes_of(cursor.at, (size_t)(cursor.end - cursor.at));
	hook->method = cursor_bytes(&cursor);
	hook->url = cursor_bytes(&cursor);
	if (!cursor.bad)
		return hook;
	free(hook);
	return NULL;
}

static void
hook_insert(struct hook *hook)
{
	struct webhooks *webhooks = hook->webhooks;

	hash_insert(&webhooks->hooks, &hook->link,
	    bytes_of(&hook->row.sequence, sizeof(hook->row.sequence)));
	webhooks->bytes += hook->size;
	webhooks->figures.waiting++;
}

void
hook_free(struct hook *hook)
{
	struct webhooks *webhooks = hook->webhooks;

	if (webhooks != NULL) {
		hash_remove(&webhooks->hooks, &hook->link);
		webhooks->bytes -= hook->size;
		webhooks->figures.waiting--;
	}
	free(hook);
}

void
hook_leave(struct hook *hook)
{
	struct target *target = hook->target;

	if (target == NULL)
		return;
	if (hook->state == HOOK_WAITS) {
		TAILQ_REMOVE(&target->waiting, hook, waiting);
		target->waiting_count--;
	} else {
		hook->webhooks->figures.active--;
		target->active--;
	}
	hook->target = NULL;
	webhooks_target_update(hook->webhooks, target);
}

void
webhooks_look_from(struct webhooks *webhooks, int64_t due_ms, uint64_t sequence)
{
	struct queue_row *after = &webhooks->after;

	if (due_ms < after->due_ms || (due_ms == after->due_ms && sequence <= after->sequence))
		*after = (struct queue_row){ .due_ms = due_ms, .sequence = sequence - 1 };
}

void
webhooks_wake_at(struct webhooks *webhooks, int64_t due_ms)
{
	int64_t now_ms = loop_wall_ms(webhooks->host->loop);
	int64_t wait_us = due_ms > now_ms ? (due_ms - now_ms) * 1000 : 0;

	if (!timer_is_set(&webhooks->wake) || due_ms <= now_ms || due_ms < webhooks->wake_ms) {
		webhooks->wake_ms = due_ms;
		timer_set(&webhooks->wake, wait_us);
	}
}

/* --- the window --- */

/* The URL's host and port, for turns only. */
static void
target_name(struct bytes url, char *out, size_t size)
{
	const char *text = (const char *)url.data;
	size_t at = 0, len = 0;

	for (size_t i = 0; i + 2 < url.len && at == 0; i++) {
		if (memcmp(text + i, "://", 3) == 0)
			at = i + 3;
	}
	while (at < url.len && strchr("/?#", text[at]) == NULL && len + 1 < size) {
		char c = text[at++];

		out[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
	}
	out[len] = '\0';
}

static void
take_row(struct webhooks *webhooks, const struct queue_row *row)
{
	struct hook *hook;
	struct target *target;
	char name[300];

	if (hash_find(&webhooks->hooks, bytes_of(&row->sequence, sizeof(row->sequence))) != NULL)
		return;
	hook = hook_new(webhooks, row);
	if (hook == NULL) {
		log_error("webhook", "a request that waits to be sent does not decode, it stays");
		return;
	}
	hook_insert(hook);
	target_name(hook->url, name, sizeof(name));
	target = target_of(webhooks, name);
	if (target->waiting_count >= TARGET_WAITING) {
		int64_t least_ms = loop_wall_ms(webhooks->host->loop) + POSTPONE_MS;

		target->postponed_ms += POSTPONE_STEP_MS;
		if (target->postponed_ms < least_ms)
			target->postponed_ms = least_ms;
		hook_move(hook, target->postponed_ms, row->attempt);
		return;
	}
	hook->target = target;
	TAILQ_INSERT_TAIL(&target->waiting, hook, waiting);
	target->waiting_count++;
	webhooks_target_update(webhooks, target);
}

struct page {
	struct store_job job;
	struct host *host;
	struct webhook_page wanted;
	struct buf rows; /* u64 sequence, i64 due, i64 created, u32 attempt, function, event */
	size_t count;
	bool cut;	     /* more is due */
	int64_t next_due_ms; /* of the first that is not due yet; 0: there is none */
};

static bool
note_row(void *arg, const struct queue_row *row)
{
	struct page *page = arg;

	frame_u64(&page->rows, row->sequence);
	frame_i64(&page->rows, row->due_ms);
	frame_i64(&page->rows, row->created_ms);
	frame_u32(&page->rows, row->attempt);
	frame_bytes(&page->rows, row->function_name);
	frame_bytes(&page->rows, row->event);
	page->cut = ++page->count == page->wanted.limit || page->rows.len > WINDOW_BYTES / 4;
	return !page->cut;
}

static bool
note_due(void *arg, const struct queue_row *row)
{
	*(int64_t *)arg = row->due_ms;
	return false;
}

static int
run_page(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)(void *)job;
	const struct webhook_page beyond = { .after = { .due_ms = page->wanted.until_ms + 1 },
		.until_ms = 9999999999998,
		.limit = 1 };

	if (webhook_scan(txn, &page->wanted, note_row, page, err) < 0)
		return -1;
	return page->cut ? 0 : webhook_scan(txn, &beyond, note_due, &page->next_due_ms, err);
}

static void
take_page(struct webhooks *webhooks, struct page *page)
{
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));

	while (cursor.at < cursor.end && !cursor.bad) {
		struct queue_row row = { .sequence = cursor_u64(&cursor) };

		row.due_ms = cursor_i64(&cursor);
		row.created_ms = cursor_i64(&cursor);
		row.attempt = cursor_u32(&cursor);
		row.function_name = cursor_bytes(&cursor);
		row.event = cursor_bytes(&cursor);
		/* Unless something before it was told of meanwhile. */
		if (webhooks->after.due_ms == page->wanted.after.due_ms &&
		    webhooks->after.sequence == page->wanted.after.sequence)
			page->wanted.after = webhooks->after =
			    (struct queue_row){ .due_ms = row.due_ms, .sequence = row.sequence };
		take_row(webhooks, &row);
	}
	webhooks->more = webhooks->more || page->cut;
	if (page->next_due_ms > 0)
		webhooks_wake_at(webhooks, page->next_due_ms);
}

static void
page_done(struct store_job *job)
{
	struct page *page = (struct page *)(void *)job;
	struct webhooks *webhooks = page->host->webhooks;

	if (webhooks != NULL) {
		webhooks->reading = false;
		if (job->status < 0) {
			log_error("webhook", "%s", job->err.text);
			webhooks->more = true;
			webhooks_wake_at(
			    webhooks, loop_wall_ms(webhooks->host->loop) + AGAIN_US / 1000);
		} else {
			take_page(webhooks, page);
			webhooks_pump(webhooks);
			webhooks_read_on(webhooks);
		}
	}
	buf_clear(&page->rows);
	free(page);
}

void
webhooks_read_on(struct webhooks *webhooks)
{
	struct page *page;

	if (!webhooks->started || webhooks->reading || !webhooks->more ||
	    webhooks->figures.waiting > WINDOW / 2 || webhooks->bytes > WINDOW_BYTES / 2)
		return;
	page = xcalloc(1, sizeof(*page));
	page->job = (struct store_job){ .run = run_page, .done = page_done };
	page->host = webhooks->host;
	page->wanted = (struct webhook_page){ .after = webhooks->after,
		.until_ms = loop_wall_ms(webhooks->host->loop),
		.limit = PAGE_ROWS };
	webhooks->reading = true;
	webhooks->more = false;
	store_submit(webhooks->host->store, &page->job);
}

static void
on_wake(void *arg)
{
	struct webhooks *webhooks = arg;

	webhooks->more = true;
	webhooks_read_on(webhooks);
}

/* --- outside --- */

struct webhooks *
webhooks_new(struct host *host)
{
	struct webhooks *webhooks = xcalloc(1, sizeof(*webhooks));
	const struct http_client_config config = { .parallel_max = PARALLEL,
		.queued_max = PARALLEL,
		.owner_parallel_max = TARGET_PARALLEL,
		.owner_queued_max = TARGET_PARALLEL,
		.response_bytes_max =
		    (size_t)options_number(host->options, OPTION_HTTP_BODY_BYTES_MAX) };

	webhooks->host = host;
	TAILQ_INIT(&webhooks->turns);
	timer_init(&webhooks->wake, host->loop, on_wake, webhooks);
	webhooks->client = http_client_new(host->loop, &config);
	return webhooks;
}

void
webhooks_free(struct webhooks *webhooks)
{
	struct hash_node *node;

	if (webhooks == NULL)
		return;
	while ((node = hash_next(&webhooks->hooks, NULL)) != NULL) {
		struct hook *hook = HASH_OWNER(node, struct hook, link);

		http_call_abort(hook->call);
		hook_leave(hook);
		hash_remove(&webhooks->hooks, node);
		hook->webhooks = NULL;
		if (hook->state != HOOK_ENDS)
			free(hook); /* else `ended` does */
	}
	hash_clear(&webhooks->hooks);
	hash_clear(&webhooks->targets);
	timer_clear(&webhooks->wake);
	http_client_free(webhooks->client);
	free(webhooks);
}

static enum egress_grant
permit_version(void *arg, const struct egress_target *target)
{
	const struct version *version = arg;

	return manifest_allows_http(version->manifest, version->function->host->options, target);
}

int
webhooks_take_effect(const struct invocation *invocation, const struct version *version,
    const struct effect *effect, struct writes *writes, struct webhook_ops *ops, struct err *err)
{
	struct host *host = invocation->dispatch->host;
	struct queue_row row = { .function_name = bytes_of_string(invocation->function->name),
		.due_ms = loop_wall_ms(host->loop),
		.created_ms = loop_wall_ms(host->loop),
		.attempt = 1 };
	char trace[EVENT_ID_BYTES * 2 + 1];
	struct buf event = { 0 }, key = { 0 };

	if (http_call_check(effect->second, permit_version, (void *)(uintptr_t)version, err) < 0)
		return err_prefix(err, "webhook.send");
	invocation_id(invocation, trace);
	buf_printf(&key, "%s-%s-w%u", trace, invocation->function->name, ++ops->count);
	frame_bytes(&event, buf_bytes(&key));
	frame_string(&event, trace);
	frame_string(&event, version->hash);
	buf_append_bytes(&event, effect->second);
	row.event = buf_bytes(&event);
	row.sequence = backlog_sequence(host->backlog);
	if (ops->first == 0) {
		ops->first = row.sequence;
		ops->due_ms = row.due_ms;
	}
	ops->bytes += row.event.len;
	webhook_put(writes, &row);
	buf_clear(&event);
	buf_clear(&key);
	return webhooks_check_bound(host->webhooks, ops, err);
}

static void
wake(struct webhooks *webhooks, int64_t due_ms, uint64_t sequence)
{
	webhooks_look_from(webhooks, due_ms, sequence);
	webhooks->more = true;
	webhooks_read_on(webhooks);
}

void
webhooks_committed(struct webhooks *webhooks, const struct webhook_ops *ops)
{
	if (ops->count > 0 && webhooks != NULL)
		wake(webhooks, ops->due_ms, ops->first);
}

void
webhooks_replayed(struct webhooks *webhooks, const struct queue_row *row)
{
	if (webhooks == NULL)
		return;
	webhooks->stored.count++;
	webhooks->stored.bytes += row->event.len;
	wake(webhooks, row->due_ms, row->sequence);
}

struct webhook_figures
webhooks_figures(const struct webhooks *webhooks)
{
	struct webhook_figures figures = webhooks->figures;

	figures.stored = webhooks->stored;
	return figures;
}

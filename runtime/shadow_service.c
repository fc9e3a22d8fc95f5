/* SPDX-License-Identifier: MIT
 * The shadow service on the loop thread: requests become jobs of one batch each; what they answer
 * is published when they are durable.
 */
#include "runtime/shadow_service.h"

#include <stdlib.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "net/loop.h"

enum { PAGE_ROWS = 256, CODE_FAILED = 0x80 /* MQTT 5.0 §2.4: unspecified error */ };

/* A message that is on its way out of the outbox. */
struct outgoing {
	struct ack ack;
	TAILQ_ENTRY(outgoing) link;
	struct shadow_service *service;
	struct buf key;
};

struct shadow_service {
	struct shadow_parts parts;
	TAILQ_HEAD(, outgoing) outgoing;
	bool stopped;
};

struct shadow_service *
shadow_service_new(const struct shadow_parts *parts)
{
	struct shadow_service *service = xcalloc(1, sizeof(*service));

	service->parts = *parts;
	TAILQ_INIT(&service->outgoing);
	return service;
}

void
shadow_service_stop(struct shadow_service *service)
{
	service->stopped = true;
}

static void
outgoing_free(struct outgoing *outgoing)
{
	TAILQ_REMOVE(&outgoing->service->outgoing, outgoing, link);
	buf_clear(&outgoing->key);
	free(outgoing);
}

void
shadow_service_free(struct shadow_service *service)
{
	struct outgoing *outgoing, *next;

	if (service == NULL)
		return;
	TAILQ_FOREACH_SAFE (outgoing, &service->outgoing, link, next)
		outgoing_free(outgoing);
	free(service);
}

const struct shadow_watches *
shadow_service_watches(const struct shadow_service *service)
{
	return service->parts.watches;
}

size_t
shadow_service_shadows_max(const struct shadow_service *service)
{
	const struct shadow_parts *parts = &service->parts;

	return parts->shadows_max != NULL ? parts->shadows_max(parts->arg) : 0;
}

int64_t
shadow_service_now_s(const struct shadow_service *service)
{
	return loop_wall_ms(service->parts.loop) / 1000;
}

bool
shadow_service_must_keep(struct shadow_service *service, struct bytes topic)
{
	const struct shadow_parts *parts = &service->parts;

	return broker_has_durable_subscriber(parts->broker, topic) ||
	       (parts->has_function != NULL && parts->has_function(parts->arg, topic));
}

/* Everybody has the message. A row that cannot be deleted is sent again at the next start. */
static void
outgoing_settled(struct ack *ack)
{
	struct outgoing *outgoing = (struct outgoing *)ack;
	struct shadow_service *service = outgoing->service;
	struct writes writes = { 0 };

	if (!service->stopped && ack->code == 0) {
		writes_delete(&writes, SPACE_OUTBOX, buf_bytes(&outgoing->key));
		store_write(service->parts.store, &writes, NULL, NULL);
	}
	outgoing_free(outgoing);
}

static struct outgoing *
outgoing_new(struct shadow_service *service, struct bytes key)
{
	struct outgoing *outgoing = xcalloc(1, sizeof(*outgoing));

	ack_init(&outgoing->ack, outgoing_settled);
	outgoing->service = service;
	buf_append_bytes(&outgoing->key, key);
	TAILQ_INSERT_TAIL(&service->outgoing, outgoing, link);
	return outgoing;
}

void
shadow_service_publish(struct shadow_service *service, const struct message *message,
    struct bytes outbox_key, struct ack *ack)
{
	struct outgoing *outgoing = NULL;

	if (outbox_key.len > 0) {
		outgoing = outgoing_new(service, outbox_key);
		ack = &outgoing->ack;
	}
	/* A pause concerns whoever sent the request; its client is paused by the same bounds. */
	(void)broker_publish(service->parts.broker, message, ack);
	if (outgoing != NULL)
		ack_release(&outgoing->ack, 0);
}

/* --- requests --- */

struct request_job {
	struct store_job job;
	struct shadow_service *service;
	struct shadow_batch *batch;
	struct writes marker;
	struct ack *ack;
	struct shadow_request request; /* of the batch's copy: for a refusal */
	struct buf topic;	       /* of that refusal */
	shadow_done_fn *done;
	void *arg;
};

static int
request_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct request_job *request = (struct request_job *)job;

	if (store_apply_writes(txn, &request->marker, err) < 0)
		return -1;
	return shadow_batch_run_each(request->batch, txn, err);
}

static void
request_free(struct request_job *request)
{
	writes_clear(&request->marker);
	buf_clear(&request->topic);
	free(request);
}

static void
publish_refusal(struct shadow_service *service, struct bytes topic,
    const struct shadow_request *request, int code)
{
	struct shadow_reply reply = { 0 };
	struct message message = { .topic = topic, .qos = 1 };

	shadow_reply_refuse(&reply, request, code, NULL);
	message.payload = buf_bytes(&reply.answer);
	shadow_service_publish(service, &message, bytes_of(NULL, 0), NULL);
	shadow_reply_clear(&reply);
}

static void
request_failed(struct request_job *request)
{
	struct shadow_reply reply = { 0 };

	log_error("shadow", "%.900s", request->job.err.text);
	if (request->done != NULL) {
		shadow_reply_refuse(&reply, &request->request, 500, NULL);
		request->done(request->arg, &reply);
		shadow_reply_clear(&reply);
	} else {
		publish_refusal(
		    request->service, buf_bytes(&request->topic), &request->request, 500);
	}
	shadow_batch_free(request->batch);
}

static void
request_done(struct store_job *job)
{
	struct request_job *request = (struct request_job *)job;

	if (job->status < 0) {
		request_failed(request);
	} else {
		if (request->done != NULL)
			request->done(request->arg, shadow_batch_reply(request->batch, 0));
		shadow_batch_deliver(request->batch);
	}
	ack_release(request->ack, job->status < 0 ? CODE_FAILED : 0);
	request_free(request);
}

/* Takes over nothing; `batch` holds one request already. */
static struct request_job *
request_new(struct shadow_service *service, struct shadow_batch *batch)
{
	struct request_job *request = xmalloc(sizeof(*request));

	*request = (struct request_job){
		.job = { .run = request_run, .done = request_done },
		.service = service,
		.batch = batch,
	};
	request->job.bytes = sizeof(*request) + shadow_batch_bytes(batch);
	request->request.now_s = shadow_service_now_s(service);
	return request;
}

static void
write_rejected_topic(struct buf *topic, const struct shadow_topic *asked)
{
	struct buf suffix = { 0 };

	buf_printf(&suffix, "%s/rejected", shadow_request_name(asked->kind));
	shadow_topic_write(topic, asked->thing, asked->name, buf_string(&suffix));
	buf_clear(&suffix);
}

/* 0 where the request may be tried. */
static int
refuse_code(struct shadow_service *service, struct shadow_batch *batch,
    enum shadow_request_kind kind, const struct shadow_request *request)
{
	struct err err;

	if (shadow_batch_add(batch, kind, request, &err) < 0)
		return 400;
	return store_is_full(service->parts.store) ? 429 : 0;
}

static void
take_marker(struct request_job *request, const struct message *message)
{
	if (message->marker == NULL)
		return;
	writes_append(&request->marker, message->marker);
	if (message->marked != NULL)
		*message->marked = true;
}

bool
shadow_service_take(struct shadow_service *service, const struct message *message, struct ack *ack)
{
	struct shadow_cause cause = { .hops = message->hops, .is_mqtt = true, .ack = ack };
	struct shadow_request request = { .payload = message->payload };
	struct shadow_topic asked;
	struct shadow_batch *batch;
	struct request_job *job;
	struct buf topic = { 0 };
	int code;

	if (message->topic.len == 0 || message->topic.data[0] != '$' ||
	    !shadow_topic_parse(message->topic, &asked))
		return false;
	request.thing = asked.thing;
	request.name = asked.name;
	request.now_s = shadow_service_now_s(service);
	batch = shadow_batch_new(service, &cause);
	write_rejected_topic(&topic, &asked);
	code = refuse_code(service, batch, asked.kind, &request);
	if (code != 0) {
		publish_refusal(service, buf_bytes(&topic), &request, code);
		shadow_batch_free(batch);
		buf_clear(&topic);
		return true;
	}
	job = request_new(service, batch);
	job->topic = topic;
	job->ack = ack_hold(ack);
	take_marker(job, message);
	store_submit(service->parts.store, &job->job);
	return true;
}

void
shadow_service_request(struct shadow_service *service, enum shadow_request_kind kind,
    const struct shadow_request *request, shadow_done_fn *done, void *arg)
{
	struct shadow_batch *batch = shadow_batch_new(service, &(struct shadow_cause){ 0 });
	struct shadow_request now = *request;
	struct shadow_reply reply = { 0 };
	struct request_job *job;
	int code = refuse_code(service, batch, kind, request);

	if (code != 0) {
		now.now_s = shadow_service_now_s(service);
		shadow_reply_refuse(&reply, &now, code, NULL);
		done(arg, &reply);
		shadow_reply_clear(&reply);
		shadow_batch_free(batch);
		return;
	}
	job = request_new(service, batch);
	job->done = done;
	job->arg = arg;
	store_submit(service->parts.store, &job->job);
}

/* --- the outbox at start --- */

struct page {
	struct store_job job;
	struct buf after; /* key of the last row of the page before */
	struct buf rows;  /* u32 key length, key, u32 value length, value, ... */
	size_t count;
};

static bool
page_add(void *arg, const struct txn_row *row)
{
	struct page *page = arg;

	frame_bytes(&page->rows, row->key);
	frame_bytes(&page->rows, row->value);
	buf_reset(&page->after);
	buf_append_bytes(&page->after, row->key);
	buf_append_u8(&page->after, 0);
	page->count++;
	return true;
}

static int
page_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)job;
	struct buf from = { 0 };
	int result;

	buf_append_bytes(&from, buf_bytes(&page->after));
	result = txn_scan(txn,
	    &(struct txn_range){
		.space = SPACE_OUTBOX, .from = buf_bytes(&from), .limit = PAGE_ROWS },
	    page_add, page, err);
	buf_clear(&from);
	return result;
}

static void
send_row(struct shadow_service *service, struct bytes key, struct bytes value)
{
	struct cursor cursor = cursor_of(value);
	struct message message = { .qos = 1, .hops = cursor_u8(&cursor) };

	message.topic = cursor_bytes(&cursor);
	message.payload = cursor_bytes(&cursor);
	if (!cursor_end(&cursor)) {
		log_warn("shadow", "a row of the outbox does not decode and stays: %.*s",
		    (int)key.len, (const char *)key.data);
		return;
	}
	shadow_service_publish(service, &message, key, NULL);
}

static void
send_page(struct shadow_service *service, const struct page *page)
{
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));

	for (size_t i = 0; i < page->count; i++) {
		struct bytes key = cursor_bytes(&cursor);

		send_row(service, key, cursor_bytes(&cursor));
	}
}

int
shadow_service_drain(struct shadow_service *service, struct err *err)
{
	struct page page = { .job = { .run = page_run } };
	int result;

	do {
		page.count = 0;
		buf_reset(&page.rows);
		result = store_run(service->parts.store, &page.job, err);
		if (result == 0)
			send_page(service, &page);
	} while (result == 0 && page.count == PAGE_ROWS);
	buf_clear(&page.after);
	buf_clear(&page.rows);
	return result;
}

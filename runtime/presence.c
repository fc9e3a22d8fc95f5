/* SPDX-License-Identifier: MIT
 * Events of presence wait for the end of the turn, for the broker is in the midst of things when
 * it tells them; then each goes its way, all in their order.
 */
#include "runtime/presence.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/frame.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/topic.h"
#include "runtime/function.h"
#include "runtime/presence_text.h"
#include "runtime/shadow_service.h"

enum { OUTBOX_KEY_BYTES = 32 };

enum notice_kind { NOTICE_CONNECTED, NOTICE_DISCONNECTED, NOTICE_SUBSCRIBED, NOTICE_UNSUBSCRIBED };

static const struct {
	const char *event;
	const char *topic; /* the client's identifier follows */
	unsigned change;
} kinds[] = {
	[NOTICE_CONNECTED] = { "connected", "$aws/events/presence/connected/", PRESENCE_CONNECTED },
	[NOTICE_DISCONNECTED] = { "disconnected", "$aws/events/presence/disconnected/",
	    PRESENCE_DISCONNECTED },
	[NOTICE_SUBSCRIBED] = { "subscribed", "$aws/events/subscriptions/subscribed/", 0 },
	[NOTICE_UNSUBSCRIBED] = { "unsubscribed", "$aws/events/subscriptions/unsubscribed/", 0 },
};

/* One event that is to be told. */
struct notice {
	struct store_job job;
	STAILQ_ENTRY(notice) link;
	struct presences *presences;
	enum notice_kind kind;
	struct buf client_id;
	struct buf topic; /* empty: the identifier cannot stand in one */
	struct buf payload;
	struct writes writes;
	struct followers followers;
	bool must_keep; /* the message goes by way of the outbox */
};

/* A client whose connection stands in the store. */
struct present {
	struct hash_node link;
	uint8_t id[];
};

struct presences {
	struct host *host;
	STAILQ_HEAD(notices, notice) notices;
	struct glob_index watches;
	struct hash_map present;
	struct task tell;
	struct task adopt;
	bool stopped;
};

static void tell_all(void *arg);
static void adopt_all(void *arg);

struct presences *
presences_new(struct host *host)
{
	struct presences *presences = xcalloc(1, sizeof(*presences));

	presences->host = host;
	STAILQ_INIT(&presences->notices);
	glob_index_init(&presences->watches);
	task_init(&presences->tell, tell_all, presences);
	task_init(&presences->adopt, adopt_all, presences);
	return presences;
}

static void
notice_free(struct notice *notice)
{
	followers_drop(&notice->followers);
	free(notice->followers.list);
	writes_clear(&notice->writes);
	buf_clear(&notice->client_id);
	buf_clear(&notice->topic);
	buf_clear(&notice->payload);
	free(notice);
}

void
presences_stop(struct presences *presences)
{
	struct notice *notice;

	if (presences == NULL)
		return;
	presences->stopped = true;
	task_cancel(&presences->tell);
	task_cancel(&presences->adopt);
	while ((notice = STAILQ_FIRST(&presences->notices)) != NULL) {
		STAILQ_REMOVE_HEAD(&presences->notices, link);
		notice_free(notice);
	}
}

static void
present_free(struct presences *presences, struct present *present)
{
	hash_remove(&presences->present, &present->link);
	free(present);
}

void
presences_free(struct presences *presences)
{
	struct hash_node *node;

	if (presences == NULL)
		return;
	presences_stop(presences);
	while ((node = hash_next(&presences->present, NULL)) != NULL)
		present_free(presences, HASH_OWNER(node, struct present, link));
	hash_clear(&presences->present);
	glob_index_clear(&presences->watches);
	free(presences);
}

void
presences_watch(struct presences *presences, struct presence_watch *watch)
{
	glob_index_add(&presences->watches, &watch->entry, bytes_of_string(watch->client));
	if ((watch->changes & PRESENCE_DISCONNECTED) != 0)
		task_schedule(&presences->adopt, presences->host->loop);
}

void
presences_unwatch(struct presences *presences, struct presence_watch *watch)
{
	glob_index_remove(&presences->watches, &watch->entry);
}

/* --- what is told --- */

static void
begin_payload(struct notice *notice, int64_t now_ms)
{
	struct buf *out = &notice->payload;

	buf_append_string(out, "{\"clientId\":");
	json_text_quote(buf_bytes(&notice->client_id), out);
	buf_printf(out, ",\"timestamp\":%lld,\"eventType\":\"%s\"", (long long)now_ms,
	    kinds[notice->kind].event);
}

static struct notice *
notice_new(struct presences *presences, enum notice_kind kind, struct bytes client_id)
{
	struct notice *notice = xcalloc(1, sizeof(*notice));

	notice->presences = presences;
	notice->kind = kind;
	buf_append_bytes(&notice->client_id, client_id);
	buf_append_string(&notice->topic, kinds[kind].topic);
	buf_append_bytes(&notice->topic, client_id);
	if (topic_name_check(buf_bytes(&notice->topic)) != TOPIC_OK)
		buf_reset(&notice->topic);
	begin_payload(notice, loop_wall_ms(presences->host->loop));
	STAILQ_INSERT_TAIL(&presences->notices, notice, link);
	task_schedule(&presences->tell, presences->host->loop);
	return notice;
}

void
presences_changed(struct presences *presences, const struct presence *presence)
{
	enum notice_kind kind = presence->connected ? NOTICE_CONNECTED : NOTICE_DISCONNECTED;
	struct buf *out;

	if (presences == NULL || presences->stopped)
		return;
	out = &notice_new(presences, kind, presence->client_id)->payload;
	presence_put_connection(out, presences->host, presence);
	if (!presence->connected)
		buf_printf(out, ",\"clientInitiatedDisconnect\":%s,\"disconnectReason\":\"%s\"",
		    presence->by_client ? "true" : "false", presence_reason(presence));
	buf_append_u8(out, '}');
}

void
presences_subscribed(struct presences *presences, const struct presence *presence, bool subscribed,
    struct bytes filters)
{
	enum notice_kind kind = subscribed ? NOTICE_SUBSCRIBED : NOTICE_UNSUBSCRIBED;
	struct cursor cursor = cursor_of(filters);
	const char *comma = "";
	struct buf *out;

	if (presences == NULL || presences->stopped)
		return;
	out = &notice_new(presences, kind, presence->client_id)->payload;
	presence_put_session(out, presences->host, presence);
	presence_put_principal(out, presence);
	buf_append_string(out, ",\"topics\":[");
	while (cursor.at < cursor.end && !cursor.bad) {
		buf_append_string(out, comma);
		json_text_quote(cursor_bytes(&cursor), out);
		comma = ",";
	}
	buf_append_string(out, "]}");
}

/* --- telling --- */

/* A notice whose functions are being found. */
struct finding {
	struct notice *notice;
	struct occurrence *event; /* one for all of them; NULL: none yet */
	bool follows_end;
};

static void
make_event(struct finding *finding)
{
	const struct notice *notice = finding->notice;
	const struct happening happening = { .trigger = "presence",
		.subject = buf_bytes(&notice->topic),
		.key = buf_bytes(&notice->client_id),
		.client_id = buf_bytes(&notice->client_id),
		.payload = buf_bytes(&notice->payload),
		.qos = 1 };

	finding->event = occurrence_new(notice->presences->host, &happening);
}

static bool
is_there(const struct followers *followers, const struct function *function)
{
	for (size_t i = 0; i < followers->count; i++) {
		if (followers->list[i].function == function)
			return true;
	}
	return false;
}

static void
note_watch(void *arg, struct glob_entry *entry)
{
	const struct presence_watch *watch = (const struct presence_watch *)(void *)entry;
	struct finding *finding = arg;
	struct followers *followers = &finding->notice->followers;

	finding->follows_end |= (watch->changes & PRESENCE_DISCONNECTED) != 0;
	if ((watch->changes & kinds[finding->notice->kind].change) == 0 ||
	    watch->function->current == NULL || is_there(followers, watch->function))
		return;
	if (finding->event == NULL)
		make_event(finding);
	followers_add(followers, watch->function, finding->event);
}

/* Also whether a function would be told of the client's end. */
static bool
find_followers(struct notice *notice)
{
	struct finding finding = { .notice = notice };

	if (kinds[notice->kind].change != 0)
		glob_index_match(&notice->presences->watches, buf_bytes(&notice->client_id),
		    note_watch, &finding);
	occurrence_drop(finding.event);
	return finding.follows_end;
}

/* Whether anybody who must not miss it would get the message on the client's end. */
static bool
end_must_be_kept(const struct notice *notice)
{
	struct buf topic = { 0 };
	bool found;

	if (notice->topic.len == 0)
		return false;
	buf_append_string(&topic, kinds[NOTICE_DISCONNECTED].topic);
	buf_append_bytes(&topic, buf_bytes(&notice->client_id));
	found =
	    shadow_service_must_keep(notice->presences->host->shadow_service, buf_bytes(&topic));
	buf_clear(&topic);
	return found;
}

static struct present *
present_find(const struct presences *presences, struct bytes client_id)
{
	struct hash_node *node = hash_find(&presences->present, client_id);

	return node != NULL ? HASH_OWNER(node, struct present, link) : NULL;
}

static void
present_add(struct presences *presences, struct bytes client_id)
{
	struct present *present;

	if (present_find(presences, client_id) != NULL)
		return;
	present = xmalloc(sizeof(*present) + client_id.len + 1);
	memcpy(present->id, client_id.data, client_id.len);
	hash_insert(&presences->present, &present->link, bytes_of(present->id, client_id.len));
}

/* The row of the connection follows; `follows_end`: there is to be one. */
static void
note_connection(struct notice *notice, bool follows_end)
{
	struct presences *presences = notice->presences;
	struct bytes client_id = buf_bytes(&notice->client_id);
	struct present *present = present_find(presences, client_id);

	if (notice->kind == NOTICE_CONNECTED && (follows_end || end_must_be_kept(notice))) {
		present_add(presences, client_id);
		writes_put(&notice->writes, SPACE_PRESENCE, client_id, buf_bytes(&notice->payload));
	} else if (notice->kind == NOTICE_DISCONNECTED && present != NULL) {
		present_free(presences, present);
		writes_delete(&notice->writes, SPACE_PRESENCE, client_id);
	}
}

static void
publish(struct notice *notice, struct bytes outbox_key)
{
	const struct message message = {
		.topic = buf_bytes(&notice->topic), .payload = buf_bytes(&notice->payload), .qos = 1
	};

	if (notice->topic.len > 0)
		shadow_service_publish(
		    notice->presences->host->shadow_service, &message, outbox_key, NULL);
}

static struct bytes
outbox_key(uint64_t version, char key[OUTBOX_KEY_BYTES])
{
	int len = snprintf(key, OUTBOX_KEY_BYTES, "%016llx-presence", (unsigned long long)version);

	return bytes_of(key, (size_t)len);
}

static int
notice_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct notice *notice = (struct notice *)(void *)job;
	struct buf value = { 0 };
	char key[OUTBOX_KEY_BYTES];
	int result = store_apply_writes(txn, &notice->writes, err);

	if (result == 0 && notice->must_keep) {
		frame_u8(&value, 0);
		frame_bytes(&value, buf_bytes(&notice->topic));
		frame_bytes(&value, buf_bytes(&notice->payload));
		result = txn_put(
		    txn, SPACE_OUTBOX, outbox_key(txn_version(txn), key), buf_bytes(&value), err);
	}
	buf_clear(&value);
	return result;
}

/* What could not be stored is told all the same: once, unless the host dies. */
static void
notice_done(struct store_job *job)
{
	struct notice *notice = (struct notice *)(void *)job;
	char key[OUTBOX_KEY_BYTES];

	if (job->status < 0)
		log_error("presence", "%.900s", job->err.text);
	for (size_t i = 0; job->status < 0 && i < notice->followers.count; i++)
		notice->followers.list[i].sequence = 0;
	if (!notice->presences->stopped) {
		publish(notice, job->status == 0 && notice->must_keep
				    ? outbox_key(job->version, key)
				    : bytes_of(NULL, 0));
		(void)followers_submit(&notice->followers);
	}
	notice_free(notice);
}

static void
tell(struct notice *notice)
{
	struct host *host = notice->presences->host;
	bool follows_end = find_followers(notice);

	notice->must_keep =
	    kinds[notice->kind].change != 0 && notice->topic.len > 0 &&
	    shadow_service_must_keep(host->shadow_service, buf_bytes(&notice->topic));
	note_connection(notice, follows_end);
	followers_store(&notice->followers, host, &notice->writes);
	if (notice->writes.count == 0 && !notice->must_keep) {
		publish(notice, bytes_of(NULL, 0));
		notice_free(notice);
		return;
	}
	notice->job.run = notice_run;
	notice->job.done = notice_done;
	notice->job.bytes = sizeof(*notice) + notice->writes.encoded.len + notice->payload.len;
	store_submit(host->store, &notice->job);
}

static void
tell_all(void *arg)
{
	struct presences *presences = arg;
	struct notice *notice;

	while ((notice = STAILQ_FIRST(&presences->notices)) != NULL) {
		STAILQ_REMOVE_HEAD(&presences->notices, link);
		tell(notice);
	}
}

/* --- clients that connected before anybody followed them --- */

struct adopting {
	struct presences *presences;
	struct writes writes;
};

static void
note_end(void *arg, struct glob_entry *entry)
{
	const struct presence_watch *watch = (const struct presence_watch *)(void *)entry;

	*(bool *)arg = *(bool *)arg || (watch->changes & PRESENCE_DISCONNECTED) != 0;
}

static void
adopt(void *arg, const struct presence *presence)
{
	struct adopting *adopting = arg;
	struct presences *presences = adopting->presences;
	struct buf row = { 0 };
	bool follows_end = false;

	if (present_find(presences, presence->client_id) != NULL)
		return;
	glob_index_match(&presences->watches, presence->client_id, note_end, &follows_end);
	if (!follows_end)
		return;
	present_add(presences, presence->client_id);
	buf_append_string(&row, "{\"clientId\":");
	json_text_quote(presence->client_id, &row);
	presence_put_connection(&row, presences->host, presence);
	buf_append_u8(&row, '}');
	writes_put(&adopting->writes, SPACE_PRESENCE, presence->client_id, buf_bytes(&row));
	buf_clear(&row);
}

static void
adopt_all(void *arg)
{
	struct adopting adopting = { .presences = arg };
	struct host *host = adopting.presences->host;

	tell_all(arg); /* what is on its way comes first */
	broker_each_client(host->broker, adopt, &adopting);
	if (adopting.writes.count > 0)
		store_write(host->store, &adopting.writes, NULL, NULL);
	writes_clear(&adopting.writes);
}

/* --- after a restart --- */

struct restoring {
	struct store_job job;
	struct buf rows; /* frames: client id, payload */
};

static bool
note_row(void *arg, const struct txn_row *row)
{
	struct buf *rows = arg;

	frame_bytes(rows, row->key);
	frame_bytes(rows, row->value);
	return true;
}

static int
restore_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct restoring *restoring = (struct restoring *)(void *)job;

	return txn_scan(
	    txn, &(struct txn_range){ .space = SPACE_PRESENCE }, note_row, &restoring->rows, err);
}

static void
restore_done(struct store_job *job)
{
	(void)job;
}

static void
copy_member(struct buf *out, const char *name, struct bytes object)
{
	struct bytes value = json_text_member(object, bytes_of_string(name));

	if (value.len > 0) {
		buf_printf(out, ",\"%s\":", name);
		buf_append_bytes(out, value);
	}
}

static void
tell_cut_off(struct presences *presences, struct bytes client_id, struct bytes connected)
{
	static const char *const members[] = { "sessionIdentifier", "principalIdentifier",
		"ipAddress", "versionNumber" };
	struct buf *out = &notice_new(presences, NOTICE_DISCONNECTED, client_id)->payload;
	size_t at;

	present_add(presences, client_id);
	for (size_t i = 0; json_text_is_valid(connected, &at) && i < 4; i++)
		copy_member(out, members[i], connected);
	buf_append_string(
	    out, ",\"clientInitiatedDisconnect\":false,\"disconnectReason\":\"SERVER_ERROR\"}");
}

int
presences_restore(struct presences *presences, struct err *err)
{
	struct restoring restoring = { .job = { .run = restore_run, .done = restore_done } };
	int result = store_run(presences->host->store, &restoring.job, err);
	struct cursor cursor = cursor_of(buf_bytes(&restoring.rows));

	while (result == 0 && cursor.at < cursor.end && !cursor.bad) {
		struct bytes client_id = cursor_bytes(&cursor);

		tell_cut_off(presences, client_id, cursor_bytes(&cursor));
	}
	tell_all(presences);
	buf_clear(&restoring.rows);
	return result;
}

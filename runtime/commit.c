/* SPDX-License-Identifier: MIT
 * Effects become messages, shadow requests and events; then, after the transaction where one is
 * needed, they are let go.
 */
#include "runtime/commit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mqtt_packet.h"
#include "lib/topic.h"
#include "runtime/destination.h"
#include "runtime/effect.h"
#include "runtime/function.h"
#include "runtime/shadow_service.h"
#include "runtime/state.h"
#include "runtime/tables.h"
#include "runtime/timers.h"
#include "runtime/traces/tracer.h"
#include "runtime/webhooks.h"

enum { ROUTES_FEW = 4 };

struct commit {
	struct host *host;
	struct invocation *invocation;
	struct version *version;
	struct lane *lane; /* NULL: in no order */
	bool behind;	   /* not run, for one before it in the lane failed; the store thread's */
	struct writes writes;
	struct route **routes; /* `few`, or heap */
	struct route *few[ROUTES_FEW];
	size_t route_count;
	size_t route_cap;
	struct followers followers;
	struct shadow_batch *shadows;
	struct table_ops tables;
	struct webhook_ops webhooks;
	struct timer_ops timers; /* its prefix is that of states too */
	size_t timers_max;
	size_t states_max; /* 0: no state is set */
	enum result_kind result_kind;
	struct buf result; /* copies, where somebody waits for them */
	struct buf effects;
	uint16_t effect_count;
};

/* One that goes to the disk. Apart, because a job is large and most commits are none. */
struct kept_commit {
	struct store_job job;
	struct commit commit;
};

bool
commit_check(struct bytes effects, uint16_t count)
{
	struct cursor cursor = cursor_of(effects);
	struct effect effect;

	for (uint16_t i = 0; i < count; i++) {
		if (!effect_read(&cursor, &effect))
			return false;
	}
	return cursor_end(&cursor);
}

static int
refuse_unless(
    const struct commit *commit, enum allow_kind kind, struct bytes subject, struct err *err)
{
	if (manifest_allows(commit->version->manifest, commit->host->options, kind, subject))
		return 0;
	return err_set(err,
	    "%s of \"%.*s\" is not allowed by the function's allow or by the operator",
	    allow_kind_names[kind], (int)(subject.len < 200 ? subject.len : 200), subject.data);
}

static int
check_message(const struct commit *commit, const struct effect *effect, struct err *err)
{
	enum topic_defect defect = topic_name_check(effect->first);
	struct mqtt_defect props_defect;
	struct mqtt_props props;

	if (defect != TOPIC_OK)
		return err_set(err, "mqtt.publish: %s", topic_defect_text(defect));
	if ((int64_t)effect->second.len >
	    options_number(commit->host->options, OPTION_PAYLOAD_BYTES_MAX))
		return err_set(err,
		    "mqtt.publish: a payload of %zu bytes is more than payload_bytes_max",
		    effect->second.len);
	if (effect->third.len > 0 &&
	    !mqtt_props_decode(effect->third, MQTT_PUBLISH, &props, &props_defect))
		return err_set(err, "mqtt.publish: properties: %s", props_defect.text);
	return refuse_unless(commit, ALLOW_PUBLISH, effect->first, err);
}

static void
add_route(struct commit *commit, struct route *route)
{
	if (commit->route_count == commit->route_cap) {
		struct route **old = commit->routes == commit->few ? NULL : commit->routes;

		commit->route_cap *= 2;
		commit->routes = xrealloc(old, commit->route_cap * sizeof(*commit->routes));
		if (old == NULL)
			memcpy(commit->routes, commit->few, sizeof(commit->few));
	}
	commit->routes[commit->route_count++] = route;
}

static struct shadow_batch *
shadows_of(struct commit *commit)
{
	const struct shadow_cause cause = { .hops =
						(uint8_t)(commit->invocation->event->hops + 1) };

	if (commit->shadows == NULL)
		commit->shadows = shadow_batch_new(commit->host->shadow_service, &cause);
	return commit->shadows;
}

/* A message on a topic of the shadow service is a request to it, as it is from a device. */
static int
take_shadow_message(
    struct commit *commit, const struct shadow_topic *topic, struct bytes payload, struct err *err)
{
	const struct shadow_request request = {
		.thing = topic->thing, .name = topic->name, .payload = payload
	};

	return shadow_batch_add(shadows_of(commit), topic->kind, &request, err);
}

static int
take_publish(struct commit *commit, const struct effect *effect, struct err *err)
{
	struct shadow_topic shadow;
	const struct message message = { .topic = effect->first,
		.payload = effect->second,
		.properties = effect->third,
		.qos = effect->qos,
		.retain = effect->retain != 0,
		.has_expiry = effect->expiry_s > 0,
		.expiry_s = effect->expiry_s,
		.hops = (uint8_t)(commit->invocation->event->hops + 1) };

	if (check_message(commit, effect, err) < 0)
		return -1;
	if (shadow_topic_parse(effect->first, &shadow) &&
	    take_shadow_message(commit, &shadow, effect->second, err) < 0)
		return -1;
	add_route(commit, broker_route(commit->host->broker, &message, &commit->writes));
	followers_of_message(&commit->followers, commit->host, &message, NULL);
	return 0;
}

static int
take_shadow(struct commit *commit, const struct effect *effect, struct err *err)
{
	const struct shadow_request request = {
		.thing = effect->first, .name = effect->second, .payload = effect->third
	};

	if (refuse_unless(commit, ALLOW_SHADOW, effect->first, err) < 0)
		return -1;
	return shadow_batch_add(shadows_of(commit),
	    effect->operation == SHADOW_UPDATE ? SHADOW_REQUEST_UPDATE : SHADOW_REQUEST_DELETE,
	    &request, err);
}

static int
take_invoke(struct commit *commit, const struct effect *effect, struct err *err)
{
	const struct occurrence *cause = commit->invocation->event;
	struct function *function = function_find(commit->host->functions, effect->first);
	const struct happening happening = { .trigger = "invoke",
		.subject = bytes_of_string(commit->invocation->function->name),
		.key = cause->key,
		.client_id = cause->client_id,
		.payload = effect->second,
		.qos = occurrence_is_kept(cause) || commit->invocation->stored,
		.hops = (uint8_t)(cause->hops + 1) };
	struct occurrence *event;

	if (refuse_unless(commit, ALLOW_INVOKE, effect->first, err) < 0)
		return -1;
	if (function == NULL || function->current == NULL)
		return err_set(err, "invoke: there is no function \"%.*s\"", (int)effect->first.len,
		    effect->first.data);
	if (happening.hops > options_number(commit->host->options, OPTION_HOPS_MAX))
		return err_set(err, "invoke: functions have triggered each other %u times in a row",
		    cause->hops);
	event = occurrence_new(commit->host, &happening);
	followers_add(&commit->followers, function, event);
	occurrence_drop(event);
	return 0;
}

static int
take_table(struct commit *commit, const struct effect *effect, struct err *err)
{
	struct tables *tables = commit->host->tables;

	if (refuse_unless(commit, ALLOW_DB, effect->first, err) < 0)
		return -1;
	if (effect->kind == EFFECT_READ)
		return tables_take_read(tables, effect, &commit->writes, err);
	if (effect->kind == EFFECT_READ_ROWS)
		return tables_take_rows(tables, effect, &commit->tables, err);
	return tables_take_effect(tables, effect, &commit->tables, err);
}

/* What belongs to the function and its ordering key. */
static int
take_keyed(struct commit *commit, const struct effect *effect, struct err *err)
{
	const struct options *options = commit->host->options;
	struct buf *prefix = &commit->timers.prefix;

	if (prefix->len == 0)
		keyed_prefix(prefix, bytes_of_string(commit->invocation->function->name),
		    state_key(commit->version, commit->invocation));
	if (effect->kind == EFFECT_TIMER) {
		commit->timers_max = (size_t)options_number(options, OPTION_TIMERS_MAX);
		return timers_take_effect(
		    commit->host->timers, commit->invocation, effect, &commit->timers, err);
	}
	if (effect->kind == EFFECT_STATE && effect->second.len > 0)
		commit->states_max = (size_t)options_number(options, OPTION_STATES_MAX);
	return state_take_effect(effect, buf_bytes(prefix), &commit->writes, err);
}

/* A shadow that was read must still be so. */
static int
take_shadow_read(struct commit *commit, const struct effect *effect, struct err *err)
{
	struct buf key = { 0 };

	if (refuse_unless(commit, ALLOW_SHADOW, effect->first, err) < 0)
		return -1;
	shadows_key(&key, effect->first, effect->second);
	writes_expect(&commit->writes, SPACE_SHADOW, buf_bytes(&key), (uint64_t)effect->value);
	buf_clear(&key);
	return 0;
}

static int
take_effect(struct commit *commit, const struct effect *effect, struct err *err)
{
	if (effect->kind == EFFECT_READ && effect->operation == READ_SHADOW)
		return take_shadow_read(commit, effect, err);
	if (effect->kind == EFFECT_READ && effect->operation == READ_STATE)
		return take_keyed(commit, effect, err);
	switch (effect->kind) {
	case EFFECT_PUBLISH:
		return take_publish(commit, effect, err);
	case EFFECT_SHADOW:
		return take_shadow(commit, effect, err);
	case EFFECT_INVOKE:
		return take_invoke(commit, effect, err);
	case EFFECT_DB_PUT:
	case EFFECT_DB_DELETE:
	case EFFECT_READ:
	case EFFECT_READ_ROWS:
		return take_table(commit, effect, err);
	case EFFECT_STATE:
	case EFFECT_TIMER:
		return take_keyed(commit, effect, err);
	case EFFECT_WEBHOOK:
		return webhooks_take_effect(commit->invocation, commit->version, effect,
		    &commit->writes, &commit->webhooks, err);
	case EFFECT_METRIC:
		return 0;
	}
	return err_set(err, "an effect of kind %d", (int)effect->kind);
}

static int
take_effects(struct commit *commit, const struct commit_input *input, struct err *err)
{
	struct cursor cursor = cursor_of(input->effects);
	struct effect effect;
	int result = 0;

	for (uint16_t i = 0; result == 0 && i < input->effect_count; i++) {
		if (!effect_read(&cursor, &effect))
			return err_set(err, "an effect does not decode");
		result = take_effect(commit, &effect, err);
	}
	return result;
}

/* Metrics are counted when the invocation has succeeded. */
static void
count_metrics(struct function *function, const struct commit_input *input)
{
	struct cursor cursor = cursor_of(input->effects);
	struct effect effect;

	for (uint16_t i = 0; i < input->effect_count && effect_read(&cursor, &effect); i++) {
		if (effect.kind == EFFECT_METRIC)
			metrics_count(function, effect.first, effect.value);
	}
}

static void
commit_clear(struct commit *commit)
{
	for (size_t i = 0; i < commit->route_count; i++)
		route_drop(commit->routes[i]);
	followers_drop(&commit->followers);
	shadow_batch_free(commit->shadows);
	table_ops_clear(&commit->tables);
	timer_ops_clear(&commit->timers);
	writes_clear(&commit->writes);
	buf_clear(&commit->result);
	buf_clear(&commit->effects);
	if (commit->routes != commit->few)
		free(commit->routes);
	free(commit->followers.list);
}

/* A dry run: everything was checked, and nothing of it happens. */
static void
forget_effects(struct commit *commit)
{
	for (size_t i = 0; i < commit->route_count; i++)
		route_drop(commit->routes[i]);
	commit->route_count = 0;
	followers_drop(&commit->followers);
	commit->followers.count = 0;
	shadow_batch_free(commit->shadows);
	commit->shadows = NULL;
	table_ops_clear(&commit->tables);
	timer_ops_clear(&commit->timers);
	commit->states_max = 0;
	commit->webhooks = (struct webhook_ops){ 0 };
	writes_clear(&commit->writes);
}

static void
let_go(struct commit *commit)
{
	for (size_t i = 0; i < commit->route_count; i++)
		broker_deliver(commit->routes[i]);
	commit->route_count = 0;
	if (commit->shadows != NULL)
		shadow_batch_deliver(commit->shadows);
	commit->shadows = NULL;
	(void)followers_submit(&commit->followers);
	webhooks_committed(commit->host->webhooks, &commit->webhooks);
	tables_committed(commit->host->tables, &commit->tables);
}

static void
trace(const struct commit *commit, enum trace_end how, const char *text)
{
	tracer_end(commit->invocation,
	    &(struct tracer_end){ how, commit->version, bytes_of_string(text) });
}

static void
refuse(struct commit *commit, const char *text)
{
	const struct outcome outcome = { .reason = FAIL_ERROR, .message = bytes_of_string(text) };

	trace(commit, TRACE_REFUSED, text);
	commit->invocation->function->metrics.errors++;
	dispatch_fail(commit->invocation, &outcome);
}

static int
apply_keyed(struct commit *commit, struct txn *txn, struct err *err)
{
	const struct keyed_bound states = { SPACE_STATE, "states (states_max)",
		commit->states_max };

	if (commit->timers.count > 0 &&
	    timer_ops_apply(&commit->timers, commit->timers_max, txn, err) < 0)
		return -1;
	return commit->states_max == 0
		   ? 0
		   : keyed_check_bound(&states, buf_bytes(&commit->timers.prefix), txn, err);
}

static int
apply_all(struct commit *commit, struct txn *txn, struct err *err)
{
	/* What the handler relied on comes first. */
	if (store_apply_writes(txn, &commit->writes, err) < 0 ||
	    table_ops_apply(&commit->tables, txn, err) < 0 || apply_keyed(commit, txn, err) < 0)
		return -1;
	return commit->shadows != NULL ? shadow_batch_run(commit->shadows, txn, err) : 0;
}

static int
run_commit(struct txn *txn, struct store_job *job, struct err *err)
{
	struct commit *commit = &((struct kept_commit *)(void *)job)->commit;

	if (commit->lane != NULL && commit->lane->broken) {
		commit->behind = true;
		txn_conflict(txn);
		return err_set(err, "an event before it in its order was not committed");
	}
	if (apply_all(commit, txn, err) == 0)
		return 0;
	if (commit->lane != NULL)
		commit->lane->broken = true;
	return -1;
}

static void
commit_done(struct store_job *job)
{
	struct commit *commit = &((struct kept_commit *)(void *)job)->commit;
	struct outcome outcome = { .ok = true, .result_kind = commit->result_kind };

	outcome.result = buf_bytes(&commit->result);
	outcome.effects = buf_bytes(&commit->effects);
	outcome.effect_count = commit->effect_count;
	if (job->status < 0) {
		webhooks_failed(commit->host->webhooks, &commit->webhooks);
		tables_failed(commit->host->tables, &commit->tables, job->version);
		state_failed(commit->host->records, &commit->writes, job->version);
	} else if (commit->timers.count > 0) {
		timers_committed(commit->host->timers, &commit->timers, job->version);
	}
	if (job->conflict && !commit->behind)
		records_forget_expected(commit->host->records, &commit->writes);
	if (job->status == 0) {
		let_go(commit);
		trace(commit, TRACE_DONE, NULL);
		dispatch_committed(commit->invocation, &outcome);
	} else if (job->conflict) {
		trace(commit, TRACE_CONFLICT, job->err.text);
		dispatch_conflict(commit->invocation, commit->behind);
	} else {
		refuse(commit, job->err.text);
	}
	version_drop(commit->version);
	commit_clear(commit);
	free(job);
}

/* What was only read needs to be so still where something follows from it. */
static bool
needs_transaction(const struct commit *commit)
{
	const struct invocation *invocation = commit->invocation;
	bool acts = commit->route_count > 0 || commit->followers.count > 0 ||
		    occurrence_is_kept(invocation->event) || invocation->event->ended != NULL;

	return commit->writes.count > (acts ? 0 : commit->writes.expectations) ||
	       commit->shadows != NULL || commit->tables.count > 0 || commit->timers.count > 0 ||
	       (acts && !SLIST_EMPTY(&commit->tables.seen)) || invocation->stored ||
	       (invocation->lane != NULL && invocation->lane->committing > 1);
}

static void
submit_commit(struct commit *commit, const struct commit_input *input)
{
	struct kept_commit *whole = xcalloc(1, sizeof(*whole));
	struct commit *kept = &whole->commit;

	*kept = *commit;
	if (kept->tables.count == 0)
		STAILQ_INIT(&kept->tables.list);
	if (commit->routes == commit->few)
		kept->routes = kept->few;
	for (size_t i = 0; i < kept->route_count; i++)
		route_keep(kept->routes[i]);
	if (kept->invocation->event->ended != NULL) {
		buf_append_bytes(&kept->result, input->result);
		buf_append_bytes(&kept->effects, input->effects);
	}
	kept->effect_count = input->effect_count;
	version_hold(kept->version);
	whole->job.run = run_commit;
	whole->job.done = commit_done;
	whole->job.bytes = kept->writes.encoded.len +
			   (kept->shadows != NULL ? shadow_batch_bytes(kept->shadows) : 0) +
			   kept->tables.bytes + kept->timers.list.len + sizeof(*whole);
	webhooks_submitted(kept->host->webhooks, &kept->webhooks);
	store_submit(kept->host->store, &whole->job);
	tables_submitted(kept->host->tables, &kept->tables, whole->job.version);
	if (kept->timers.prefix.len > 0)
		state_submitted(kept->host->records, &kept->writes, whole->job.version);
}

/* A record that cannot go anywhere undoes nothing of what it tells. */
static void
tell_destination(struct commit *commit, const struct outcome *outcome)
{
	const struct destination_story story = { commit->invocation, commit->version, "Success",
		outcome };
	struct destination_parts parts = { &commit->writes, &commit->followers, &commit->tables,
		NULL };
	struct err err;

	if (destination_add(&commit->version->manifest->on_success, &story, &parts, &err) < 0)
		log_error(
		    "function", "%s: on_success: %s", commit->invocation->function->name, err.text);
	if (parts.route != NULL)
		add_route(commit, parts.route);
}

void
commit_begin(struct invocation *invocation, const struct commit_input *input)
{
	struct host *host = invocation->dispatch->host;
	struct occurrence *event = invocation->event;
	struct commit commit = { .host = host,
		.invocation = invocation,
		.version = input->version,
		.lane = invocation->lane,
		.route_cap = ROUTES_FEW,
		.result_kind = input->result_kind };
	const struct outcome outcome = { .ok = true,
		.result_kind = input->result_kind,
		.result = input->result,
		.effects = input->effects,
		.effect_count = input->effect_count };
	bool kept = occurrence_is_kept(event) || invocation->stored;
	const struct queue_row row = { .function_name = bytes_of_string(invocation->function->name),
		.sequence = invocation->sequence };
	struct err err; /* why an effect was refused */

	commit.routes = commit.few;
	table_ops_init(&commit.tables, loop_wall_ms(host->loop));
	commit.tables.hops = event->hops + 1u;
	if (take_effects(&commit, input, &err) < 0) {
		refuse(&commit, err.text);
		commit_clear(&commit);
		return;
	}
	if (event->dry_run)
		forget_effects(&commit);
	else
		count_metrics(invocation->function, input);
	if (!event->dry_run && event->ended == NULL)
		tell_destination(&commit, &outcome);
	if (kept && commit.followers.count > 0)
		followers_store(&commit.followers, host, &commit.writes);
	if (event->source != NULL && !event->dry_run)
		event->source->mark(event->source_arg, event, &commit.writes);
	if (invocation->stored)
		queue_remove(&commit.writes, &row);
	if (needs_transaction(&commit)) {
		submit_commit(&commit, input);
		return;
	}
	let_go(&commit);
	trace(&commit, TRACE_DONE, NULL);
	dispatch_committed(invocation, &outcome);
	commit_clear(&commit);
}

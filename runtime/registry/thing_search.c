/* SPDX-License-Identifier: MIT
 * Searches for things. What has been found is kept by serial, for things may go while a search
 * waits.
 */
#include "runtime/registry/thing_search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/fleet_query.h"
#include "runtime/host.h"
#include "store/shadows.h"

enum { SLICE_US = 1000, LOOK_EACH = 64, BATCH_MAX = 256 };

/* A thing that matches, or may: bits are terms, by their places. */
struct candidate {
	uint64_t serial;
	uint32_t yes;
	bool is_unknown;
	char name[REGISTRY_NAME_BYTES_MAX + 1]; /* where it is unknown */
};

struct search {
	struct store_job job;
	LIST_ENTRY(search) link;
	struct thing_searches *searches;
	struct fleet_query *query;
	uint64_t after; /* the thing that was looked at last */
	size_t limit;
	struct candidate *candidates; /* the first `found` match */
	size_t found;
	size_t count;
	size_t unknown;
	bool at_end;
	bool in_store;
	struct timer next_slice;
	thing_search_done *done;
	void *arg;
};

struct thing_searches {
	struct host *host;
	LIST_HEAD(search_list, search) list;
	size_t count;
	bool stopped;
};

static void slice(void *arg);

struct thing_searches *
thing_searches_new(struct host *host)
{
	struct thing_searches *searches = xcalloc(1, sizeof(*searches));

	searches->host = host;
	LIST_INIT(&searches->list);
	return searches;
}

static void
search_free(struct search *search)
{
	LIST_REMOVE(search, link);
	search->searches->count--;
	timer_clear(&search->next_slice);
	fleet_query_free(search->query);
	free(search->candidates);
	free(search);
}

void
thing_searches_stop(struct thing_searches *searches)
{
	struct search *at, *next;
	struct err err;

	if (searches == NULL)
		return;
	searches->stopped = true;
	(void)err_set(&err, "the host is stopping");
	for (at = LIST_FIRST(&searches->list); at != NULL; at = next) {
		next = LIST_NEXT(at, link);
		if (at->in_store)
			continue;
		at->done(at->arg, NULL, &err);
		search_free(at);
	}
}

void
thing_searches_free(struct thing_searches *searches)
{
	free(searches);
}

/* --- the page --- */

static void
finish(struct search *search)
{
	const struct registry *registry = search->searches->host->registry;
	struct thing **things = xcalloc(search->found + 1, sizeof(*things));
	struct thing_page page = { .things = things };

	for (size_t i = 0; i < search->found; i++) {
		uint64_t serial = search->candidates[i].serial;
		struct thing *thing = registry_thing_after(registry, serial - 1);

		if (thing != NULL && thing->serial == serial)
			things[page.count++] = thing;
	}
	if (registry_thing_after(registry, search->after) != NULL)
		page.next = search->after;
	search->done(search->arg, &page, NULL);
	free(things);
	search_free(search);
}

/* --- registry and connectivity --- */

struct question {
	const struct search *search;
	const struct thing *thing;
};

static enum fleet_truth
truth_of(bool yes)
{
	return yes ? FLEET_YES : FLEET_NO;
}

static bool
matches_text(const struct fleet_term *term, const char *text)
{
	return text != NULL && fleet_term_matches(term, bytes_of_string(text));
}

static bool
matches_group(
    const struct registry *registry, const struct fleet_term *term, const struct thing *thing)
{
	for (uint8_t i = 0; i < thing->group_count; i++) {
		const struct thing_group *at = thing->groups[i];

		for (int depth = 0; at != NULL && depth < REGISTRY_GROUP_DEPTH_MAX; depth++) {
			if (matches_text(term, at->name))
				return true;
			at = at->parent != NULL
				 ? registry_group(registry, bytes_of_string(at->parent))
				 : NULL;
		}
	}
	return false;
}

static bool
matches_anything(
    const struct registry *registry, const struct fleet_term *term, const struct thing *thing)
{
	if (matches_text(term, thing->name) || matches_text(term, thing->type) ||
	    matches_group(registry, term, thing))
		return true;
	for (size_t i = 0; i < thing->attributes.count; i++) {
		if (matches_text(term, thing->attributes.list[i].value))
			return true;
	}
	return false;
}

static bool
matches_number(const struct fleet_term *term, int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, number);
	return matches_text(term, text);
}

static enum fleet_truth
ask_thing(void *arg, size_t place)
{
	const struct question *question = arg;
	const struct registry *registry = question->search->searches->host->registry;
	const struct fleet_term *term = fleet_query_term(question->search->query, place);
	const struct thing *thing = question->thing;

	switch (term->field) {
	case FLEET_ANY:
		return truth_of(matches_anything(registry, term, thing));
	case FLEET_THING_NAME:
		return truth_of(matches_text(term, thing->name));
	case FLEET_TYPE_NAME:
		return truth_of(matches_text(term, thing->type));
	case FLEET_GROUP_NAMES:
		return truth_of(matches_group(registry, term, thing));
	case FLEET_ATTRIBUTE:
		return truth_of(matches_text(
		    term, attributes_find(&thing->attributes, bytes_of_string(term->name))));
	case FLEET_CONNECTED:
		return truth_of(matches_text(term, thing->connections > 0 ? "true" : "false"));
	case FLEET_TIMESTAMP:
		return truth_of(matches_number(term, thing->connectivity_ms));
	case FLEET_DISCONNECT_REASON:
		return truth_of(matches_text(term, thing->disconnect_reason));
	case FLEET_SHADOW:
	case FLEET_FIELDS:
		break;
	}
	return FLEET_UNKNOWN;
}

/* All terms at once, for the store's thread must not look at the thing. */
static uint32_t
known_terms(struct question *question)
{
	uint32_t yes = 0;

	for (size_t i = 0; i < fleet_query_count(question->search->query); i++) {
		if (ask_thing(question, i) == FLEET_YES)
			yes |= (uint32_t)1 << i;
	}
	return yes;
}

static void
look_at(struct search *search, const struct thing *thing)
{
	struct question question = { search, thing };
	enum fleet_truth truth = fleet_query_decide(search->query, ask_thing, &question);
	struct candidate *candidate;

	search->after = thing->serial;
	if (truth == FLEET_NO)
		return;
	candidate = &search->candidates[search->count++];
	candidate->serial = thing->serial;
	candidate->is_unknown = truth == FLEET_UNKNOWN;
	if (!candidate->is_unknown)
		return;
	candidate->yes = known_terms(&question);
	(void)snprintf(candidate->name, sizeof(candidate->name), "%s", thing->name);
	search->unknown++;
}

/* --- shadows, on the store's thread --- */

struct shadow_question {
	const struct search *search;
	const struct candidate *candidate;
	struct txn *txn;
	struct buf key, document;
	const char *name; /* of the shadow in `document`; NULL: none was read yet */
	struct err *err;
	bool failed;
};

static enum fleet_truth
ask_shadow(void *arg, size_t place)
{
	struct shadow_question *question = arg;
	const struct fleet_term *term = fleet_query_term(question->search->query, place);

	if (term->field != FLEET_SHADOW)
		return truth_of((question->candidate->yes >> place & 1) != 0);
	if (question->name == NULL || strcmp(question->name, term->name) != 0) {
		buf_reset(&question->key);
		buf_reset(&question->document);
		shadows_key(&question->key, bytes_of_string(question->candidate->name),
		    bytes_of_string(term->name));
		if (txn_get(question->txn, SPACE_SHADOW, buf_bytes(&question->key),
			&question->document, NULL, question->err) < 0)
			question->failed = true;
		question->name = term->name;
	}
	return truth_of(
	    !question->failed && fleet_term_matches_shadow(term, buf_bytes(&question->document)));
}

static int
run_shadows(struct txn *txn, struct store_job *job, struct err *err)
{
	struct search *search = (struct search *)job;
	struct shadow_question question = { .search = search, .txn = txn, .err = err };
	size_t kept = search->found;

	for (size_t i = search->found; i < search->count && !question.failed; i++) {
		question.candidate = &search->candidates[i];
		question.name = NULL;
		if (!question.candidate->is_unknown ||
		    fleet_query_decide(search->query, ask_shadow, &question) == FLEET_YES)
			search->candidates[kept++] = *question.candidate;
	}
	search->count = kept;
	buf_clear(&question.key);
	buf_clear(&question.document);
	return question.failed ? -1 : 0;
}

static void
shadows_done(struct store_job *job)
{
	struct search *search = (struct search *)job;
	struct err err;

	search->in_store = false;
	search->unknown = 0;
	search->found = search->count;
	if (job->status < 0 || search->searches->stopped) {
		if (job->status == 0)
			(void)err_set(&err, "the host is stopping");
		search->done(search->arg, NULL, job->status < 0 ? &job->err : &err);
		search_free(search);
	} else if (search->at_end || search->count == search->limit) {
		finish(search);
	} else {
		timer_set(&search->next_slice, 0);
	}
}

static void
ask_store(struct search *search)
{
	search->in_store = true;
	search->job = (struct store_job){ .run = run_shadows, .done = shadows_done };
	store_submit(search->searches->host->store, &search->job);
}

/* --- slices --- */

static void
slice(void *arg)
{
	struct search *search = arg;
	struct host *host = search->searches->host;
	const struct sys *sys = loop_sys(host->loop);
	int64_t until_us = sys->monotonic_us() + SLICE_US;
	const struct thing *thing;

	for (size_t i = 1; search->count < search->limit && search->unknown < BATCH_MAX; i++) {
		thing = registry_thing_after(host->registry, search->after);
		search->at_end = thing == NULL;
		if (search->at_end)
			break;
		look_at(search, thing);
		if (i % LOOK_EACH == 0 && sys->monotonic_us() > until_us) {
			timer_set(&search->next_slice, 0);
			return;
		}
	}
	if (search->unknown > 0)
		ask_store(search);
	else {
		search->found = search->count;
		finish(search);
	}
}

void
thing_search(struct thing_searches *searches, const struct thing_wanted *wanted,
    thing_search_done *done, void *arg)
{
	struct search *search;
	struct fleet_query *query = NULL;
	struct err err;

	if (searches->stopped || searches->count >= THING_SEARCHES_MAX)
		(void)err_set(&err, "%d searches are under way: try again", THING_SEARCHES_MAX);
	else
		query = fleet_query_parse(wanted->query, &err);
	if (query == NULL) {
		done(arg, NULL, &err);
		return;
	}
	search = xcalloc(1, sizeof(*search));
	search->searches = searches;
	search->query = query;
	search->after = wanted->after;
	search->limit = wanted->limit;
	search->candidates = xcalloc(wanted->limit, sizeof(*search->candidates));
	search->done = done;
	search->arg = arg;
	timer_init(&search->next_slice, searches->host->loop, slice, search);
	LIST_INSERT_HEAD(&searches->list, search, link);
	searches->count++;
	timer_set(&search->next_slice, 0);
}

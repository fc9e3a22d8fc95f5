/* SPDX-License-Identifier: MIT
 * Questions to authorizers, and the answers that are remembered.
 *
 * What is remembered stands under a keyed digest of the function's sources and of all that it was
 * given but the connection's number: a changed function is asked anew, and no password stays.
 */
#include "runtime/access/authorizer.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/sha.h"
#include "runtime/access/access.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

/* A function asked. It lives until its invocation has ended, which may be behind its answer. */
struct asking {
	TAILQ_ENTRY(asking) link;
	struct authorizers *authorizers;
	struct authorizer_event *event;
	struct timer late;
	uint8_t key[SHA_256_BYTES];
	/* NULL: it has been answered, or nobody wants to know any more. */
	void (*done)(void *arg, const struct authorizer_reply *reply);
	void *arg;
};

/* An answer that is remembered. */
struct remembered {
	struct hash_node link;
	TAILQ_ENTRY(remembered) age_link; /* the oldest is the first */
	uint8_t key[SHA_256_BYTES];
	struct authorizer_answer *answer;
	int64_t until_us;
};

struct authorizers {
	struct host *host;
	struct function **bound;
	size_t bound_count;
	TAILQ_HEAD(, asking) asked;
	unsigned waiting;
	bool stopped;
	struct hash_map cache;
	TAILQ_HEAD(, remembered) ages;
};

struct authorizers *
authorizers_new(struct host *host)
{
	struct authorizers *authorizers = xcalloc(1, sizeof(*authorizers));

	authorizers->host = host;
	TAILQ_INIT(&authorizers->asked);
	TAILQ_INIT(&authorizers->ages);
	return authorizers;
}

/* --- which functions --- */

void
authorizers_bind(struct authorizers *authorizers, struct function *function)
{
	size_t size = (authorizers->bound_count + 1) * sizeof(*authorizers->bound);

	authorizers->bound = xrealloc(authorizers->bound, size);
	authorizers->bound[authorizers->bound_count++] = function;
}

void
authorizers_unbind(struct authorizers *authorizers, struct function *function)
{
	for (size_t i = 0; i < authorizers->bound_count; i++) {
		if (authorizers->bound[i] != function)
			continue;
		authorizers->bound[i] = authorizers->bound[--authorizers->bound_count];
		return;
	}
}

static const char *
setting(const struct host *host)
{
	return options_text(host->options, OPTION_AUTHORIZER);
}

bool
authorizers_wanted(const struct host *host)
{
	return strcmp(setting(host), "off") != 0;
}

/* One of "a,b"; `name` empty: the first. */
static bool
is_named(const char *names, struct bytes *name)
{
	while (*names != '\0') {
		struct bytes one = bytes_of(names, strcspn(names, ","));

		if (name->len == 0)
			*name = one;
		if (bytes_equal(*name, one))
			return true;
		names += one.len + (names[one.len] == ',');
	}
	return false;
}

struct function *
authorizers_find(const struct authorizers *authorizers, struct bytes name, struct err *err)
{
	if (!is_named(setting(authorizers->host), &name)) {
		(void)err_set(
		    err, "it asks for an authorizer that the option authorizer does not name");
		return NULL;
	}
	for (size_t i = 0; i < authorizers->bound_count; i++) {
		if (bytes_equal_string(name, authorizers->bound[i]->name))
			return authorizers->bound[i];
	}
	(void)err_set(err, "no function %.*s with on = { authorizer = true } is loaded",
	    (int)name.len, (const char *)name.data);
	return NULL;
}

/* --- what is remembered --- */

static void
forget(struct authorizers *authorizers, struct remembered *remembered)
{
	hash_remove(&authorizers->cache, &remembered->link);
	TAILQ_REMOVE(&authorizers->ages, remembered, age_link);
	authorizer_answer_unref(remembered->answer);
	free(remembered);
}

static void
make_key(const struct authorizers *authorizers, const struct authorizer_question *question,
    uint8_t key[SHA_256_BYTES])
{
	const struct access *access = authorizers->host->access;
	const struct authorizer_event *event = question->event;
	struct buf text = { 0 };

	buf_printf(&text, "%s %s ", question->function->name, question->function->current->hash);
	buf_append(&text, event->json.data + event->differs, event->json.len - event->differs);
	sha_hmac(SHA_256, bytes_of(access->secret, sizeof(access->secret)), buf_bytes(&text), key);
	explicit_bzero(text.data, text.len);
	buf_clear(&text);
}

static struct remembered *
find_remembered(struct authorizers *authorizers, const uint8_t key[SHA_256_BYTES])
{
	struct hash_node *node = hash_find(&authorizers->cache, bytes_of(key, SHA_256_BYTES));

	return node != NULL ? HASH_OWNER(node, struct remembered, link) : NULL;
}

static const struct authorizer_answer *
recall(struct authorizers *authorizers, const uint8_t key[SHA_256_BYTES])
{
	struct remembered *remembered = find_remembered(authorizers, key);

	if (remembered == NULL)
		return NULL;
	if (loop_now_us(authorizers->host->loop) < remembered->until_us)
		return remembered->answer;
	forget(authorizers, remembered);
	return NULL;
}

/* The newest word on a client is the one that counts, whatever it is. */
static void
remember_answer(struct authorizers *authorizers, const uint8_t key[SHA_256_BYTES],
    struct authorizer_answer *answer)
{
	struct remembered *remembered = find_remembered(authorizers, key);

	if (remembered != NULL)
		forget(authorizers, remembered);
	if (!answer->is_authenticated || answer->refresh_s == 0)
		return;
	if (authorizers->cache.count >= AUTHORIZER_CACHE_MAX)
		forget(authorizers, TAILQ_FIRST(&authorizers->ages));
	remembered = xcalloc(1, sizeof(*remembered));
	memcpy(remembered->key, key, SHA_256_BYTES);
	remembered->answer = authorizer_answer_ref(answer);
	remembered->until_us =
	    loop_now_us(authorizers->host->loop) + (int64_t)answer->refresh_s * 1000000;
	hash_insert(
	    &authorizers->cache, &remembered->link, bytes_of(remembered->key, SHA_256_BYTES));
	TAILQ_INSERT_TAIL(&authorizers->ages, remembered, age_link);
}

/* --- questions --- */

static void
tell(struct asking *asking, const struct authorizer_reply *reply)
{
	void (*done)(void *arg, const struct authorizer_reply *reply) = asking->done;

	asking->done = NULL;
	timer_cancel(&asking->late);
	if (done != NULL)
		done(asking->arg, reply);
}

static void
asking_free(struct asking *asking)
{
	TAILQ_REMOVE(&asking->authorizers->asked, asking, link);
	asking->authorizers->waiting--;
	timer_clear(&asking->late);
	authorizer_event_unref(asking->event);
	free(asking);
}

static void
on_late(void *arg)
{
	tell(arg, &(struct authorizer_reply){
		      .problem = AUTHORIZER_FAILED, .text = "it did not answer within 5 s" });
}

static struct authorizer_answer *
read_outcome(const struct outcome *outcome, struct err *err)
{
	struct authorizer_answer *answer = NULL;

	if (!outcome->ok)
		(void)err_set(err, "it failed, its log says why");
	else if (outcome->result_kind != RESULT_JSON)
		(void)err_set(err, "it returned no table");
	else
		answer = authorizer_answer_parse(outcome->result, err);
	return answer;
}

static void
on_ended(void *arg, const struct outcome *outcome)
{
	struct asking *asking = arg;
	struct authorizer_answer *answer;
	struct err err;

	answer = read_outcome(outcome, &err);
	/* An answer that came too late may be older than one that was given since. */
	if (answer != NULL && asking->done != NULL)
		remember_answer(asking->authorizers, asking->key, answer);
	if (answer != NULL)
		tell(asking, &(struct authorizer_reply){ .answer = answer });
	else
		tell(asking,
		    &(struct authorizer_reply){ .problem = AUTHORIZER_FAILED, .text = err.text });
	authorizer_answer_unref(answer);
	asking_free(asking);
}

static void
mask(void *arg, uint8_t *text, size_t len)
{
	const struct asking *asking = arg;

	authorizer_event_mask(asking->event, text, len);
}

/* Questions are in no order: each has a key of its own, the number that its event gets. */
static enum dispatch_flow
submit(struct asking *asking, const struct authorizer_question *question)
{
	struct host *host = asking->authorizers->host;
	struct buf key = { 0 }, extra = { 0 };
	struct happening happening = { .trigger = "authorizer",
		.subject = bytes_of_string(question->door),
		.payload = buf_bytes(&asking->event->json),
		.payload_kind = PAYLOAD_AUTO,
		.ended = on_ended,
		.mask = mask,
		.is_secret = asking->event->is_opaque,
		.arg = asking };
	struct occurrence *event;
	enum dispatch_flow flow;

	buf_append_string(&extra, "{\"client_address\":");
	json_text_quote(bytes_of_string(question->address), &extra);
	buf_append_u8(&extra, '}');
	buf_printf(&key, "%llu", (unsigned long long)host->event_count);
	happening.extra = buf_bytes(&extra);
	happening.key = buf_bytes(&key);
	event = occurrence_new(host, &happening);
	flow = dispatch_submit(question->function, event);
	occurrence_drop(event);
	buf_clear(&key);
	buf_clear(&extra);
	return flow;
}

static bool
is_full(const struct authorizers *authorizers, const struct function *function)
{
	return authorizers->stopped || authorizers->waiting >= AUTHORIZER_WAITING_MAX ||
	       function->load >=
		   (uint32_t)options_number(function->host->options, OPTION_IN_FLIGHT_MAX);
}

static struct asking *
asking_new(struct authorizers *authorizers, const struct authorizer_question *question)
{
	struct asking *asking = xcalloc(1, sizeof(*asking));

	asking->authorizers = authorizers;
	asking->event = authorizer_event_ref(question->event);
	asking->done = question->done;
	asking->arg = question->arg;
	timer_init(&asking->late, authorizers->host->loop, on_late, asking);
	timer_set(&asking->late, AUTHORIZER_US_MAX);
	TAILQ_INSERT_TAIL(&authorizers->asked, asking, link);
	authorizers->waiting++;
	return asking;
}

struct asking *
authorizer_ask(struct authorizers *authorizers, const struct authorizer_question *question)
{
	static const struct authorizer_reply busy = { .problem = AUTHORIZER_BUSY,
		.text = "too many clients wait for it" };
	const struct authorizer_answer *answer;
	struct asking *asking;
	uint8_t key[SHA_256_BYTES];

	if (question->function->current == NULL || is_full(authorizers, question->function)) {
		question->done(question->arg, &busy);
		return NULL;
	}
	make_key(authorizers, question, key);
	answer = question->anew ? NULL : recall(authorizers, key);
	if (answer != NULL) {
		question->done(question->arg, &(struct authorizer_reply){ .answer = answer });
		return NULL;
	}
	asking = asking_new(authorizers, question);
	memcpy(asking->key, key, sizeof(key));
	if (submit(asking, question) != DISPATCH_SHED)
		return asking;
	tell(asking, &busy);
	asking_free(asking);
	return NULL;
}

void
asking_forget(struct asking *asking)
{
	asking->done = NULL;
	timer_cancel(&asking->late);
}

/* --- the end --- */

void
authorizers_stop(struct authorizers *authorizers)
{
	static const struct authorizer_reply stopped = { .problem = AUTHORIZER_FAILED,
		.text = "the host stops" };
	struct asking *asking;

	if (authorizers == NULL)
		return;
	authorizers->stopped = true;
	TAILQ_FOREACH (asking, &authorizers->asked, link)
		tell(asking, &stopped);
}

void
authorizers_free(struct authorizers *authorizers)
{
	struct asking *asking;
	struct remembered *remembered;

	if (authorizers == NULL)
		return;
	while ((asking = TAILQ_FIRST(&authorizers->asked)) != NULL)
		asking_free(asking);
	while ((remembered = TAILQ_FIRST(&authorizers->ages)) != NULL)
		forget(authorizers, remembered);
	hash_clear(&authorizers->cache);
	free(authorizers->bound);
	free(authorizers);
}

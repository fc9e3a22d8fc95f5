/* SPDX-License-Identifier: MIT
 * Random operations on the queue, the dead letters, timers and shadows do what simple models of
 * them do, over both engines, also where a job is undone and after the store was opened anew. A
 * failing seed is printed.
 */
#include "tests/store_unit.h"

#include "lib/frame.h"
#include "store/queue.h"
#include "store/shadows.h"
#include "store/timers.h"

enum { OPS = 4, FUNCTIONS = 3, SEQUENCES = 30, LETTERS = 40 };
enum { TIMER_KEYS = 4, TIMER_NAMES = 3, TIMERS = TIMER_KEYS * TIMER_NAMES, THINGS = 3, NAMES = 2 };

static unsigned seed_given;

static int
jobs(void)
{
	return getenv("TEST_LONG") != NULL ? 20000 : 400;
}

static unsigned
draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % below;
}

/* What a kind of model has. */
struct kind {
	size_t size;
	int (*step)(void *model, unsigned *seed, struct txn *txn, struct err *err);
	int (*compare)(const void *model, struct txn *txn, struct err *err);
};

struct run {
	const struct kind *kind;
	void *model, *next;
	unsigned seed;
	bool fails;
};

static int
run_steps(struct txn *txn, void *arg, struct err *err)
{
	struct run *run = arg;

	memcpy(run->next, run->model, run->kind->size);
	for (int i = 0; i < OPS; i++) {
		if (run->kind->step(run->next, &run->seed, txn, err) < 0)
			return -1;
	}
	if (run->fails)
		return err_set(err, "undone");
	memcpy(run->model, run->next, run->kind->size);
	return 0;
}

static int
run_compare(struct txn *txn, void *arg, struct err *err)
{
	const struct run *run = arg;

	return run->kind->compare(run->model, txn, err);
}

static void
play(void **state, const struct kind *kind)
{
	struct run run = { .kind = kind, .seed = seed_given };

	print_message("seed %u\n", run.seed);
	run.model = xcalloc(1, kind->size);
	run.next = xcalloc(1, kind->size);
	for (int i = 0; i < jobs(); i++) {
		run.fails = draw(&run.seed, 5) == 0;
		assert_int_equal(place_call(*state, run_steps, &run), run.fails ? -1 : 0);
		if (i % 100 == 99)
			place_reopen(*state);
		if (i % 10 == 0)
			assert_int_equal(place_call(*state, run_compare, &run), 0);
	}
	free(run.model);
	free(run.next);
}

/* --- the queue and the dead letters --- */

struct letter {
	bool is_there;
	int function;
};

struct queue_model {
	int attempts[FUNCTIONS][SEQUENCES]; /* 0: not there */
	struct letter letters[LETTERS];	    /* by the moment of failure */
	int64_t now;
};

static const char *const functions[FUNCTIONS] = { "a", "ab", "b" };

static struct queue_row
row_of(int function, int sequence, int attempt)
{
	return (struct queue_row){ .sequence = (uint64_t)sequence * 0x10001,
		.function_name = text(functions[function]),
		.event = text("event"),
		.due_ms = attempt * 100,
		.created_ms = 7,
		.attempt = (uint32_t)attempt };
}

static void
letter_id(int letter, char id[2 * FAILED_ID_BYTES + 1])
{
	uint8_t bits[FAILED_ID_BYTES];

	failed_id(1000 + letter, 0, 0, bits);
	for (size_t i = 0; i < sizeof(bits); i++)
		(void)snprintf(id + 2 * i, 3, "%02x", bits[i]);
}

static int
give_up(struct queue_model *model, const struct queue_row *row, int letter, struct txn *txn,
    struct err *err)
{
	struct failed_row failed = { .row = *row,
		.kind = FAILED_EVENT,
		.failed_ms = 1000 + letter,
		.error = text("it broke") };

	failed_id(failed.failed_ms, 0, 0, failed.id);
	model->letters[letter].is_there = true;
	for (int i = 0; i < FUNCTIONS; i++) {
		if (bytes_equal_string(row->function_name, functions[i]))
			model->letters[letter].function = i;
	}
	return failed_store(txn, &failed, err);
}

/* Back into the queue, or gone. */
static int
end_letter(struct queue_model *model, unsigned *seed, struct txn *txn, struct err *err)
{
	int letter = (int)draw(seed, LETTERS), sequence = (int)draw(seed, SEQUENCES), found;
	struct letter *there = &model->letters[letter];
	bool was = there->is_there, again = draw(seed, 2) == 0;
	char id[2 * FAILED_ID_BYTES + 1];
	struct buf value = { 0 };

	letter_id(letter, id);
	if (again)
		found = failed_replay(txn,
		    &(struct failed_again){ text(id), (uint64_t)sequence * 0x10001, 100 }, &value,
		    err);
	else
		found = failed_discard(txn, text(id), err);
	buf_clear(&value);
	assert_int_equal(found, was);
	if (was && again)
		model->attempts[there->function][sequence] = 1;
	there->is_there = false;
	return found < 0 ? -1 : 0;
}

static int
queue_step(void *arg, unsigned *seed, struct txn *txn, struct err *err)
{
	struct queue_model *model = arg;
	int function = (int)draw(seed, FUNCTIONS), sequence = (int)draw(seed, SEQUENCES), found;
	int *attempt = &model->attempts[function][sequence];
	struct queue_row row = row_of(function, sequence, 1 + (int)draw(seed, 9));
	unsigned op = draw(seed, 5);

	if (op < 2) {
		*attempt = (int)row.attempt;
		return queue_store(txn, &row, err);
	}
	if (op == 2)
		return end_letter(model, seed, txn, err);
	found = queue_take(txn, &row, err);
	assert_int_equal(found, *attempt != 0);
	*attempt = 0;
	if (op == 3 && found == 1)
		return give_up(model, &row, (int)draw(seed, LETTERS), txn, err);
	return found < 0 ? -1 : 0;
}

struct walk {
	const struct queue_model *model;
	int function, at;
};

static bool
queue_seen(void *arg, const struct queue_row *row)
{
	struct walk *walk = arg;
	const int *attempts = walk->model->attempts[walk->function];

	while (walk->at < SEQUENCES && attempts[walk->at] == 0)
		walk->at++;
	assert_true(walk->at < SEQUENCES);
	assert_int_equal(row->sequence, (uint64_t)walk->at * 0x10001);
	assert_int_equal(row->attempt, attempts[walk->at]);
	assert_true(bytes_equal_string(row->event, "event"));
	walk->at++;
	return true;
}

static bool
letter_seen(void *arg, struct bytes id)
{
	struct walk *walk = arg;
	char expected[2 * FAILED_ID_BYTES + 1];

	while (walk->at < LETTERS && !walk->model->letters[walk->at].is_there)
		walk->at++;
	assert_true(walk->at < LETTERS);
	letter_id(walk->at++, expected);
	assert_true(bytes_equal_string(id, expected));
	return true;
}

static int
queue_compare(const void *arg, struct txn *txn, struct err *err)
{
	const struct queue_model *model = arg;
	const struct failed_query all = { 0 };
	struct walk walk = { .model = model };

	for (walk.function = 0; walk.function < FUNCTIONS; walk.function++) {
		struct queue_page page = { .function_name = text(functions[walk.function]) };

		walk.at = 0;
		if (queue_scan(txn, &page, queue_seen, &walk, err) < 0)
			return -1;
		for (; walk.at < SEQUENCES; walk.at++)
			assert_int_equal(model->attempts[walk.function][walk.at], 0);
	}
	walk.at = 0;
	if (failed_ids(txn, &all, letter_seen, &walk, err) < 0)
		return -1;
	for (; walk.at < LETTERS; walk.at++)
		assert_false(model->letters[walk.at].is_there);
	return 0;
}

static void
queue_does_what_a_model_does(void **state)
{
	play(state, &(struct kind){ sizeof(struct queue_model), queue_step, queue_compare });
}

/* --- timers --- */

struct timer_model {
	int64_t due_ms[TIMERS]; /* 0: not set */
};

static const struct timer_clock one_clock = { 7, 1000 };

/* All that are due by `now_ms`, page by page, in their order. Marks them in `seen`. */
static int
walk_due(const struct timer_model *model, int64_t now_ms, struct timers_page *last, struct txn *txn,
    struct err *err)
{
	struct timers_page page = { .now_ms = now_ms, .clock = one_clock, .limit = 5 };
	int64_t before_ms = 0, next_ms = INT64_MAX;
	size_t count = 0, expected = 0;

	do {
		struct cursor cursor;

		buf_reset(&page.rows);
		if (timers_read(&page, txn, err) < 0)
			return -1;
		cursor = cursor_of(buf_bytes(&page.rows));
		for (size_t i = 0; i < page.count; i++, count++) {
			int64_t due_ms;

			(void)cursor_bytes(&cursor);
			(void)cursor_u64(&cursor);
			due_ms = cursor_i64(&cursor);
			(void)cursor_bytes(&cursor);
			assert_true(due_ms >= before_ms && due_ms <= now_ms);
			before_ms = due_ms;
		}
	} while (page.is_full && page.count > 0);
	for (int i = 0; i < TIMERS; i++) {
		int64_t due_ms = model->due_ms[i];

		expected += due_ms != 0 && due_ms <= now_ms;
		if (due_ms > now_ms && due_ms < next_ms)
			next_ms = due_ms;
	}
	assert_int_equal(count, expected);
	assert_int_equal(page.next_ms, next_ms);
	*last = page;
	return 0;
}

/* One that is due fires, as the commit of its handler removes it. */
static int
fire_first(struct timer_model *model, struct txn *txn, struct err *err)
{
	struct timers_page page = { .now_ms = 500, .clock = one_clock, .limit = 1 };
	struct writes writes = { 0 };
	struct cursor cursor;
	struct keyed keyed;
	struct bytes key;
	uint64_t version;
	int64_t due_ms;
	int code = timers_read(&page, txn, err);

	if (code == 0 && page.count == 1) {
		cursor = cursor_of(buf_bytes(&page.rows));
		key = cursor_bytes(&cursor);
		version = cursor_u64(&cursor);
		due_ms = cursor_i64(&cursor);
		assert_true(keyed_read(key, &keyed));
		model->due_ms[(keyed.key.data[0] - '0') * TIMER_NAMES + keyed.name.data[0] - '0'] =
		    0;
		timers_remove(&writes, key, version, due_ms);
		code = store_apply_writes(txn, &writes, err);
		writes_clear(&writes);
	}
	buf_clear(&page.after);
	buf_clear(&page.rows);
	return code;
}

static int
timer_step(void *arg, unsigned *seed, struct txn *txn, struct err *err)
{
	struct timer_model *model = arg;
	unsigned key = draw(seed, TIMER_KEYS), name = draw(seed, TIMER_NAMES), op = draw(seed, 5);
	const char key_text[2] = { (char)('0' + key) }, name_text[2] = { (char)('0' + name) };
	struct timer_row row = { .due_ms = 1 + draw(seed, 1000), .clock = one_clock };
	struct timer_ops ops = { 0 };
	int code;

	if (op == 0)
		return fire_first(model, txn, err);
	keyed_prefix(&ops.prefix, text("f"), text(key_text));
	if (op > 1)
		timer_ops_set(&ops, text(name_text), &row);
	else
		timer_ops_cancel(&ops, text(name_text));
	model->due_ms[key * TIMER_NAMES + name] = op > 1 ? row.due_ms : 0;
	code = timer_ops_apply(&ops, TIMER_NAMES, txn, err);
	timer_ops_clear(&ops);
	return code;
}

static int
timer_compare(const void *arg, struct txn *txn, struct err *err)
{
	const int64_t moments[] = { 1, 250, 500, 999, 2000 };
	int code = 0;

	for (size_t i = 0; code == 0 && i < sizeof(moments) / sizeof(*moments); i++) {
		struct timers_page page = { 0 };

		code = walk_due(arg, moments[i], &page, txn, err);
		buf_clear(&page.after);
		buf_clear(&page.rows);
	}
	return code;
}

static void
timers_do_what_a_model_does(void **state)
{
	play(state, &(struct kind){ sizeof(struct timer_model), timer_step, timer_compare });
}

/* --- shadows --- */

struct shadow_model {
	struct {
		int reported; /* 0: there is no shadow */
		int version;  /* of the document */
	} shadows[THINGS][NAMES];
};

/* Asks, and returns the code; `answer` gets what was answered. */
static int
ask_shadow(struct txn *txn, const struct shadow_request *request, enum shadow_request_kind kind,
    struct buf *answer)
{
	struct shadow_reply reply = { 0 };
	struct err err;
	int code;

	assert_int_equal(shadows_run(txn, kind, request, &reply, &err), 0);
	code = reply.code;
	buf_append_bytes(answer, buf_bytes(&reply.answer));
	shadow_reply_clear(&reply);
	return code;
}

static struct shadow_request
request_for(unsigned thing, unsigned name, struct bytes payload)
{
	static const char *const things[THINGS] = { "t", "t2", "u" };

	return (struct shadow_request){ .thing = text(things[thing]),
		.name = text(name == 0 ? "" : "n"),
		.payload = payload,
		.now_s = 1000 };
}

/* Half of the updates ask for a version, half of those for a wrong one. */
static int
shadow_step(void *arg, unsigned *seed, struct txn *txn, struct err *err)
{
	struct shadow_model *model = arg;
	unsigned thing = draw(seed, THINGS), name = draw(seed, NAMES), op = draw(seed, 4);
	int value = 1 + (int)draw(seed, 1000);
	int *reported = &model->shadows[thing][name].reported;
	int *version = &model->shadows[thing][name].version;
	struct buf payload = { 0 }, answer = { 0 };
	struct shadow_request request;
	bool wrong = op == 1 && *reported != 0;

	(void)err;
	if (op > 0)
		buf_printf(&payload, "{\"state\":{\"reported\":{\"a\":%d}}", value);
	if (wrong)
		buf_printf(&payload, ",\"version\":%d", *version + 1);
	if (op > 0)
		buf_append_string(&payload, "}");
	request = request_for(thing, name, buf_bytes(&payload));
	if (op == 0) {
		assert_int_equal(ask_shadow(txn, &request, SHADOW_REQUEST_DELETE, &answer),
		    *reported != 0 ? 0 : 404);
		*reported = 0;
	} else {
		assert_int_equal(
		    ask_shadow(txn, &request, SHADOW_REQUEST_UPDATE, &answer), wrong ? 409 : 0);
		*version += !wrong;
		*reported = wrong ? *reported : value;
	}
	buf_clear(&payload);
	buf_clear(&answer);
	return 0;
}

static int
shadow_compare(const void *arg, struct txn *txn, struct err *err)
{
	const struct shadow_model *model = arg;

	(void)err;
	for (unsigned i = 0; i < THINGS * NAMES; i++) {
		struct shadow_request request = request_for(i / NAMES, i % NAMES, text(""));
		int reported = model->shadows[i / NAMES][i % NAMES].reported;
		struct buf answer = { 0 };
		char expected[64];

		assert_int_equal(ask_shadow(txn, &request, SHADOW_REQUEST_GET, &answer),
		    reported != 0 ? 0 : 404);
		(void)snprintf(expected, sizeof(expected), "\"reported\":{\"a\":%d}", reported);
		if (reported != 0 && strstr(buf_string(&answer), expected) == NULL)
			fail_msg("%s is not in %s", expected, buf_string(&answer));
		(void)snprintf(expected, sizeof(expected), "\"version\":%d",
		    model->shadows[i / NAMES][i % NAMES].version);
		if (reported != 0 && strstr(buf_string(&answer), expected) == NULL)
			fail_msg("%s is not in %s", expected, buf_string(&answer));
		buf_clear(&answer);
	}
	return 0;
}

static void
shadows_do_what_a_model_does(void **state)
{
	play(state, &(struct kind){ sizeof(struct shadow_model), shadow_step, shadow_compare });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(queue_does_what_a_model_does),
		ON_BOTH(timers_do_what_a_model_does),
		ON_BOTH(shadows_do_what_a_model_does),
	};
	const char *given = getenv("TEST_SEED");

	seed_given = given != NULL ? (unsigned)atoi(given) : (unsigned)getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

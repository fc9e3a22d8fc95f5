/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include "lib/item_key.h"
#include "lib/json_text.h"
#include "store/table_define.h"
#include "store/table_query.h"
#include "store/tables.h"

enum { MODEL_ITEMS_MAX = 400, KEYS = 12, SORTS = 20, SEEDS = 4, STEPS = 400 };

/* --- helpers --- */

static struct table *
table_of(const char *json)
{
	struct table *table = xcalloc(1, sizeof(*table));
	struct err err;

	if (table_def_read(text(json), &table->def, &err) < 0)
		fail_msg("%s", err.text);
	table->refs = 1;
	return table;
}

static int
run_define(struct txn *txn, void *arg, struct err *err)
{
	struct table *table = arg;

	struct table_defined defined;
	int result = table_define(txn, &table->def, &defined, err);

	table->version = defined.version;
	return result;
}

static struct table *
define(struct place *place, const char *json)
{
	struct table *table = table_of(json);

	assert_int_equal(place_call(place, run_define, table), 0);
	return table;
}

static int
run_ops(struct txn *txn, void *arg, struct err *err)
{
	return table_ops_apply(arg, txn, err);
}

static int
apply(struct place *place, struct table_ops *ops)
{
	int status = place_call(place, run_ops, ops);

	table_ops_clear(ops);
	return status;
}

static void
add_put(struct table_ops *ops, struct table *table, const char *item)
{
	struct buf key = { 0 };

	assert_int_equal(table_item_key(&table->def, text(item), &key), ITEM_OK);
	table_ops_put(ops, table, buf_bytes(&key), text(item));
	buf_clear(&key);
}

static void
add_delete(struct table_ops *ops, struct table *table, const char *item)
{
	struct buf key = { 0 };

	assert_int_equal(table_item_key(&table->def, text(item), &key), ITEM_OK);
	table_ops_delete(ops, table, buf_bytes(&key));
	buf_clear(&key);
}

static void
put(struct place *place, struct table *table, const char *item)
{
	struct table_ops ops;

	table_ops_init(&ops, 1000);
	add_put(&ops, table, item);
	assert_int_equal(apply(place, &ops), 0);
}

/* A question in JSON's words; `values` are raw JSON. */
struct ask {
	const char *index, *hash, *from, *to, *prefix;
	bool reverse;
	uint32_t limit;
	int64_t now_ms;
	const struct table_pending *pending;
	size_t pending_count;
};

struct asking {
	struct table *table;
	const struct ask *ask;
	struct bytes after;
	struct table_question question;
	struct table_answer answer;
	struct buf lower, upper;
	struct err err;
};

static struct bytes
encoded(struct buf *out, const char *json)
{
	if (json != NULL)
		assert_true(item_key_json(out, text(json)));
	return buf_bytes(out);
}

static int
run_ask(struct txn *txn, void *arg, struct err *err)
{
	struct asking *asking = arg;
	const struct ask *ask = asking->ask;
	struct buf hash = { 0 }, from = { 0 }, to = { 0 };
	const struct table_query query = { .table = text(asking->table->def.name),
		.index = text(ask->index),
		.hash = encoded(&hash, ask->hash),
		.from = encoded(&from, ask->from),
		.to = encoded(&to, ask->to),
		.prefix = text(ask->prefix),
		.after = asking->after,
		.reverse = ask->reverse,
		.limit = ask->limit > 0 ? ask->limit : QUERY_LIMIT_MAX };
	int result =
	    table_query_bounds(&asking->table->def, &query, &asking->lower, &asking->upper, err);

	asking->question = (struct table_question){ .table = asking->table,
		.index =
		    ask->index != NULL ? table_def_index(&asking->table->def, query.index) : NULL,
		.lower = buf_bytes(&asking->lower),
		.upper = buf_bytes(&asking->upper),
		.reverse = query.reverse,
		.limit = query.limit,
		.now_ms = ask->now_ms,
		.pending = ask->pending,
		.pending_count = ask->pending_count };
	if (result == 0)
		result = table_answer_question(txn, &asking->question, &asking->answer, err);
	else
		asking->err = *err;
	buf_clear(&hash);
	buf_clear(&from);
	buf_clear(&to);
	return result;
}

static void
asking_clear(struct asking *asking)
{
	table_answer_clear(&asking->answer);
	buf_clear(&asking->lower);
	buf_clear(&asking->upper);
}

/* The items of an answer, a line each. */
static void
append_items(const struct table_answer *answer, struct buf *out)
{
	struct cursor cursor = cursor_of(buf_bytes(&answer->items));

	for (size_t i = 0; i < answer->count; i++) {
		buf_append_bytes(out, cursor_bytes(&cursor));
		buf_append_u8(out, '\n');
	}
	assert_true(cursor_end(&cursor));
}

/* All pages of it. */
static char *
answer_of(struct place *place, struct table *table, const struct ask *ask)
{
	struct buf out = { 0 }, after = { 0 };
	char *result;
	bool more;

	do {
		struct asking asking = { .table = table, .ask = ask, .after = buf_bytes(&after) };

		assert_int_equal(place_call(place, run_ask, &asking), 0);
		if (ask->limit > 0)
			assert_true(asking.answer.count <= ask->limit);
		append_items(&asking.answer, &out);
		more = asking.answer.next.len > 0;
		buf_reset(&after);
		buf_append_bytes(&after, buf_bytes(&asking.answer.next));
		asking_clear(&asking);
	} while (more);
	result = xstrdup(buf_string(&out));
	buf_clear(&out);
	buf_clear(&after);
	return result;
}

static void
expect(struct place *place, struct table *table, const struct ask *ask, const char *expected)
{
	char *seen = answer_of(place, table, ask);

	assert_string_equal(seen, expected);
	free(seen);
}

#define READINGS                                                                  \
	"{\"name\":\"readings\",\"key\":\"id\",\"sort\":\"ts\",\"ttl\":\"ends\"," \
	"\"indexes\":[{\"name\":\"by_place\",\"key\":\"place\",\"sort\":\"ts\"}]}"

/* --- tests --- */

static void
a_query_gives_a_range_in_order(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	static const char *const items[] = { "{\"id\":\"a\",\"ts\":10}", "{\"id\":\"a\",\"ts\":9}",
		"{\"id\":\"a\",\"ts\":9.5}", "{\"id\":\"b\",\"ts\":1}",
		"{\"id\":\"a\",\"ts\":\"x\"}", "{\"id\":\"a\",\"ts\":\"xy\"}",
		"{\"id\":\"a\",\"ts\":-3}" };

	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++)
		put(place, table, items[i]);
	expect(place, table, &(struct ask){ .hash = "\"a\"" },
	    "{\"id\":\"a\",\"ts\":-3}\n{\"id\":\"a\",\"ts\":9}\n{\"id\":\"a\",\"ts\":9.5}\n"
	    "{\"id\":\"a\",\"ts\":10}\n{\"id\":\"a\",\"ts\":\"x\"}\n{\"id\":\"a\",\"ts\":\"xy\"}"
	    "\n");
	expect(place, table, &(struct ask){ .hash = "\"a\"", .from = "9", .to = "10" },
	    "{\"id\":\"a\",\"ts\":9}\n{\"id\":\"a\",\"ts\":9.5}\n{\"id\":\"a\",\"ts\":10}\n");
	expect(place, table,
	    &(struct ask){ .hash = "\"a\"", .from = "9", .to = "10", .reverse = true, .limit = 1 },
	    "{\"id\":\"a\",\"ts\":10}\n{\"id\":\"a\",\"ts\":9.5}\n{\"id\":\"a\",\"ts\":9}\n");
	expect(place, table, &(struct ask){ .hash = "\"a\"", .prefix = "x" },
	    "{\"id\":\"a\",\"ts\":\"x\"}\n{\"id\":\"a\",\"ts\":\"xy\"}\n");
	expect(place, table, &(struct ask){ .hash = "\"a\"", .from = "10", .to = "9" }, "");
	expect(place, table, &(struct ask){ .hash = "\"c\"" }, "");
	expect(place, table, &(struct ask){ .hash = "\"b\"" }, "{\"id\":\"b\",\"ts\":1}\n");
	table_drop(table);
}

static void
an_index_holds_the_items_that_have_its_key(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	const struct ask x = { .index = "by_place", .hash = "\"x\"" };

	put(place, table, "{\"id\":\"a\",\"ts\":2,\"place\":\"x\"}");
	put(place, table, "{\"id\":\"b\",\"ts\":1,\"place\":\"x\"}");
	put(place, table, "{\"id\":\"c\",\"ts\":1}");
	expect(place, table, &x,
	    "{\"id\":\"b\",\"ts\":1,\"place\":\"x\"}\n{\"id\":\"a\",\"ts\":2,\"place\":\"x\"}\n");
	put(place, table, "{\"id\":\"b\",\"ts\":1,\"place\":\"y\"}");
	expect(place, table, &x, "{\"id\":\"a\",\"ts\":2,\"place\":\"x\"}\n");
	expect(place, table, &(struct ask){ .index = "by_place", .limit = 1 },
	    "{\"id\":\"a\",\"ts\":2,\"place\":\"x\"}\n{\"id\":\"b\",\"ts\":1,\"place\":\"y\"}\n");
	table_drop(table);
}

static void
expired_items_are_not_read(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);

	put(place, table, "{\"id\":\"a\",\"ts\":1,\"ends\":100}");
	put(place, table, "{\"id\":\"a\",\"ts\":2,\"ends\":200}");
	put(place, table, "{\"id\":\"a\",\"ts\":3,\"ends\":\"never\"}");
	expect(place, table, &(struct ask){ .hash = "\"a\"", .now_ms = 100000, .limit = 1 },
	    "{\"id\":\"a\",\"ts\":2,\"ends\":200}\n{\"id\":\"a\",\"ts\":3,\"ends\":\"never\"}\n");
	table_drop(table);
}

static void
what_the_asker_has_written_is_in_the_answer(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	static const char *const items[] = { "{\"id\":\"a\",\"ts\":1,\"place\":\"y\"}",
		"{\"id\":\"a\",\"ts\":2}", "{\"id\":\"a\",\"ts\":3,\"place\":\"x\"}" };
	struct table_pending pending[3] = { 0 };
	struct buf keys[3] = { 0 };

	put(place, table, "{\"id\":\"a\",\"ts\":1,\"place\":\"x\"}");
	put(place, table, "{\"id\":\"a\",\"ts\":2,\"place\":\"x\"}");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(table_item_key(&table->def, text(items[i]), &keys[i]), ITEM_OK);
		pending[i].key = buf_bytes(&keys[i]);
		if (i != 1)
			pending[i].item = text(items[i]);
	}
	expect(place, table,
	    &(struct ask){ .hash = "\"a\"", .pending = pending, .pending_count = 3 },
	    "{\"id\":\"a\",\"ts\":1,\"place\":\"y\"}\n{\"id\":\"a\",\"ts\":3,\"place\":\"x\"}\n");
	expect(place, table,
	    &(struct ask){ .index = "by_place",
		.hash = "\"x\"",
		.pending = pending,
		.pending_count = 3,
		.limit = 1,
		.reverse = true },
	    "{\"id\":\"a\",\"ts\":3,\"place\":\"x\"}\n");
	expect(place, table,
	    &(struct ask){ .index = "by_place", .pending = pending, .pending_count = 3 },
	    "{\"id\":\"a\",\"ts\":3,\"place\":\"x\"}\n{\"id\":\"a\",\"ts\":1,\"place\":\"y\"}\n");
	for (size_t i = 0; i < 3; i++)
		buf_clear(&keys[i]);
	table_drop(table);
}

/* Asks, then changes something, then expects what was seen. */
static int
expect_after(struct place *place, struct table *table, const struct ask *ask, const char *change)
{
	struct asking asking = { .table = table, .ask = ask };
	struct table_ops ops;

	assert_int_equal(place_call(place, run_ask, &asking), 0);
	if (change != NULL)
		put(place, table, change);
	table_ops_init(&ops, 1000);
	table_ops_expect(&ops, &(struct table_seen){ .table = table,
				   .index = asking.question.index,
				   .lower = buf_bytes(&asking.answer.lower),
				   .upper = buf_bytes(&asking.answer.upper),
				   .reverse = ask->reverse,
				   .rows = asking.answer.rows,
				   .digest = asking.answer.digest });
	asking_clear(&asking);
	return apply(place, &ops);
}

static void
rows_that_come_or_change_in_what_was_read_are_a_conflict(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	const struct ask all = { .hash = "\"a\"" }, two = { .hash = "\"a\"", .limit = 2 },
			 last = { .hash = "\"a\"", .limit = 1, .reverse = true },
			 index = { .index = "by_place", .hash = "\"x\"" };

	put(place, table, "{\"id\":\"a\",\"ts\":1,\"place\":\"x\"}");
	put(place, table, "{\"id\":\"a\",\"ts\":3}");
	put(place, table, "{\"id\":\"a\",\"ts\":5}");
	assert_int_equal(expect_after(place, table, &all, NULL), 0);
	assert_int_equal(expect_after(place, table, &two, NULL), 0);
	assert_int_equal(expect_after(place, table, &last, NULL), 0);
	assert_int_equal(expect_after(place, table, &index, NULL), 0);
	/* beside what was read */
	assert_int_equal(expect_after(place, table, &two, "{\"id\":\"a\",\"ts\":4}"), 0);
	assert_int_equal(expect_after(place, table, &last, "{\"id\":\"a\",\"ts\":2}"), 0);
	assert_int_equal(expect_after(place, table, &all, "{\"id\":\"b\",\"ts\":2}"), 0);
	/* inside */
	assert_int_equal(expect_after(place, table, &all, "{\"id\":\"a\",\"ts\":6}"), -1);
	assert_int_equal(expect_after(place, table, &last, "{\"id\":\"a\",\"ts\":7}"), -1);
	assert_int_equal(expect_after(place, table, &two, "{\"id\":\"a\",\"ts\":1.5}"), -1);
	assert_int_equal(
	    expect_after(place, table, &index, "{\"id\":\"a\",\"ts\":1,\"place\":\"x\",\"v\":1}"),
	    -1);
	assert_int_equal(
	    expect_after(place, table, &index, "{\"id\":\"z\",\"ts\":9,\"place\":\"x\"}"), -1);
	table_drop(table);
}

static void
a_question_that_does_not_fit_the_table_is_refused(void **state)
{
	static const struct {
		struct ask ask;
		const char *error;
	} rows[] = {
		{ { .index = "nope" }, "no index \"nope\"" },
		{ { .from = "1" }, "need a key" },
		{ { .hash = "1", .prefix = "x", .to = "1" }, "stands alone" },
		{ { .hash = "1", .limit = 100000 }, "\"limit\"" },
	};
	struct place *place = *state;
	struct table *table = define(place, READINGS);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct asking asking = { .table = table, .ask = &rows[i].ask };

		assert_int_equal(place_call(place, run_ask, &asking), -1);
		if (strstr(asking.err.text, rows[i].error) == NULL)
			fail_msg("%s", asking.err.text);
		asking_clear(&asking);
	}
	table_drop(table);
}

/* --- definitions --- */

static int
run_work(struct txn *txn, void *arg, struct err *err)
{
	struct table_work_done *done = arg;

	return table_work_step(txn, text("readings"), done, err) < 0 ? -1 : 0;
}

/* All steps; returns how many. */
static int
work_off(struct place *place, struct table *table)
{
	struct table_work_done done;
	int steps = 0;

	do {
		assert_int_equal(place_call(place, run_work, &done), 0);
		if (done.defined && table != NULL) {
			table_def_clear(&table->def);
			table->def = done.def;
		} else {
			table_def_clear(&done.def);
		}
		if (steps++ == 1)
			place_reopen(place);
	} while (done.left);
	return steps;
}

static int
run_version(struct txn *txn, void *arg, struct err *err)
{
	struct table *table = arg;

	return txn_get(txn, SPACE_TABLE, text(table->def.name), NULL, &table->version, err) < 0;
}

struct counting {
	enum space space;
	size_t count;
};

static bool
count_row(void *arg, const struct txn_row *row)
{
	(void)row;
	((struct counting *)arg)->count++;
	return true;
}

static int
run_count(struct txn *txn, void *arg, struct err *err)
{
	struct counting *counting = arg;
	const struct txn_range all = { .space = counting->space };

	counting->count = 0;
	return txn_scan(txn, &all, count_row, counting, err);
}

static size_t
rows_in(struct place *place, enum space space)
{
	struct counting counting = { .space = space };

	assert_int_equal(place_call(place, run_count, &counting), 0);
	return counting.count;
}

static void
put_many(struct place *place, struct table *table, int count)
{
	char item[128];

	for (int i = 0; i < count; i++) {
		(void)snprintf(item, sizeof(item),
		    "{\"id\":\"a\",\"ts\":%d,\"place\":\"x\",\"ends\":%d}", i, 5000 + i);
		put(place, table, item);
	}
}

static int
run_define_only(struct txn *txn, void *arg, struct err *err)
{
	struct table_defined defined;

	return table_define(txn, arg, &defined, err);
}

static void
a_new_index_is_filled_in_steps(void **state)
{
	struct place *place = *state;
	struct table *plain =
	    define(place, "{\"name\":\"readings\",\"key\":\"id\",\"sort\":\"ts\"}");
	struct table *table;
	struct asking asking = { .ask = &(struct ask){ .index = "by_place", .hash = "\"x\"" } };

	put_many(place, plain, 1100);
	assert_int_equal(rows_in(place, SPACE_ITEM_EXPIRY), 0);
	table = define(place, READINGS);
	asking.table = table;
	assert_int_equal(place_call(place, run_ask, &asking), -1);
	assert_non_null(strstr(asking.err.text, "still being filled"));
	asking_clear(&asking);
	/* what is written meanwhile is in it too */
	put(place, table, "{\"id\":\"b\",\"ts\":1,\"place\":\"x\",\"ends\":1}");
	put(place, table, "{\"id\":\"a\",\"ts\":1099,\"place\":\"y\",\"ends\":1}");
	assert_int_equal(place_call(place, run_define_only, &plain->def), -1);
	assert_true(work_off(place, table) >= 3);
	assert_int_equal(rows_in(place, SPACE_ITEM_INDEX), 1101);
	assert_int_equal(rows_in(place, SPACE_ITEM_EXPIRY), 1101);
	expect(place, table, &(struct ask){ .index = "by_place", .hash = "\"x\"", .from = "1098" },
	    "{\"id\":\"a\",\"ts\":1098,\"place\":\"x\",\"ends\":6098}\n");
	/* and it goes again, with the time to live */
	assert_int_equal(place_call(place, run_define_only, &plain->def), 0);
	(void)work_off(place, NULL);
	assert_int_equal(rows_in(place, SPACE_ITEM_INDEX), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM_EXPIRY), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM), 1101);
	table_drop(plain);
	table_drop(table);
}

static int
run_undefine(struct txn *txn, void *arg, struct err *err)
{
	return table_undefine(txn, text(arg), err) == 1 ? 0 : -1;
}

static void
a_dropped_table_leaves_nothing(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	struct table *other = define(place, "{\"name\":\"readings2\",\"key\":\"id\"}");
	char name[] = "readings";

	put_many(place, table, 700);
	put(place, other, "{\"id\":1}");
	assert_int_equal(place_call(place, run_undefine, name), 0);
	assert_int_equal(place_call(place, run_undefine, name), -1);
	assert_int_equal(place_call(place, run_define_only, &table->def), -1);
	(void)work_off(place, NULL);
	assert_int_equal(rows_in(place, SPACE_ITEM), 1);
	assert_int_equal(rows_in(place, SPACE_ITEM_INDEX), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM_EXPIRY), 0);
	assert_int_equal(rows_in(place, SPACE_TABLE), 1);
	assert_int_equal(place_call(place, run_define_only, &table->def), 0);
	table_drop(table);
	table_drop(other);
}

static void
a_definition_keeps_its_key(void **state)
{
	static const char *const others[] = {
		"{\"name\":\"readings\",\"key\":\"name\",\"sort\":\"ts\"}",
		"{\"name\":\"readings\",\"key\":\"id\"}",
		"{\"name\":\"readings\",\"key\":\"id\",\"sort\":\"ts\",\"indexes\":[{\"name\":"
		"\"by_place\",\"key\":\"town\"}]}",
	};
	struct place *place = *state;
	struct table *table = define(place, READINGS), *same;
	uint64_t version = table->version;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct table *other = table_of(others[i]);

		assert_int_equal(place_call(place, run_define_only, &other->def), -1);
		table_drop(other);
	}
	same = define(place, READINGS);
	assert_int_equal(same->version, version);
	assert_int_equal(place_call(place, run_version, table), 0);
	assert_int_equal(table->version, version);
	table_drop(table);
	table_drop(same);
}

static void
odd_names_of_attributes_make_no_trouble(void **state)
{
	static const char *const names[] = { "it's", "a \\\"quoted\\\" one", "back\\\\slash",
		"item", "VERSION", "select", "\\u00e4", "a.b[0]", "$.x", "; DROP TABLE item" };
	struct place *place = *state;
	char text_of[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct table *table;

		(void)snprintf(text_of, sizeof(text_of),
		    "{\"name\":\"odd%zu\",\"key\":\"%s\",\"sort\":\"x\",\"indexes\":[{\"name\":"
		    "\"i\","
		    "\"key\":\"%s\"}]}",
		    i, names[i], names[i]);
		table = define(place, text_of);
		(void)snprintf(text_of, sizeof(text_of), "{\"%s\":1,\"x\":2}", names[i]);
		put(place, table, text_of);
		(void)strcat(text_of, "\n");
		expect(place, table, &(struct ask){ .index = "i", .hash = "1" }, text_of);
		table_drop(table);
	}
}

/* --- time to live --- */

struct changes {
	struct buf text;
};

static bool
note_change(void *arg, const struct txn_row *row)
{
	struct changes *changes = arg;
	struct bytes kind = json_text_member(row->value, text("kind"));
	struct bytes expired = json_text_member(row->value, text("expired"));

	buf_append_bytes(&changes->text, kind);
	buf_append_string(&changes->text, expired.len > 0 ? " expired" : "");
	buf_append_string(
	    &changes->text, json_text_member(row->value, text("old")).len > 0 ? " old\n" : "\n");
	return true;
}

static int
run_changes(struct txn *txn, void *arg, struct err *err)
{
	const struct txn_range all = { .space = SPACE_CHANGE };

	return txn_scan(txn, &all, note_change, arg, err);
}

static void
only_what_has_expired_is_deleted_so(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	struct changes changes = { 0 };
	struct buf key = { 0 };
	struct table_ops ops;

	put(place, table, "{\"id\":\"a\",\"ts\":1,\"ends\":100}");
	assert_int_equal(
	    table_item_key(&table->def, text("{\"id\":\"a\",\"ts\":1}"), &key), ITEM_OK);
	table_ops_init(&ops, 99999);
	table_ops_expire(&ops, table, buf_bytes(&key));
	assert_int_equal(apply(place, &ops), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM), 1);
	table_ops_init(&ops, 100000);
	add_put(&ops, table, "{\"id\":\"a\",\"ts\":1,\"ends\":101}");
	assert_int_equal(apply(place, &ops), 0);
	table_ops_init(&ops, 101000);
	table_ops_expire(&ops, table, buf_bytes(&key));
	assert_int_equal(apply(place, &ops), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM), 0);
	assert_int_equal(rows_in(place, SPACE_ITEM_EXPIRY), 0);
	assert_int_equal(place_call(place, run_changes, &changes), 0);
	assert_string_equal(
	    buf_string(&changes.text), "\"insert\"\n\"insert\"\n\"delete\" expired old\n");
	buf_clear(&changes.text);
	buf_clear(&key);
	table_drop(table);
}

/* --- random operations against a model --- */

struct model {
	char *items[MODEL_ITEMS_MAX]; /* by number of the key; NULL: none */
	uint64_t random;
};

static unsigned
draw(struct model *model, unsigned below)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(model->random >> 33) % below;
}

/* Numbers that are hard to order, then strings. */
static const char *const sorts[SORTS] = { "-9223372036854775808", "-9007199254740993",
	"-9007199254740992", "-1.5", "-1", "0", "1e-300", "0.5", "1", "1.5", "2", "10",
	"9007199254740992", "9007199254740993", "9223372036854775807", "1e300", "\"\\u0001\"",
	"\"a\"", "\"a\\u0000b\"", "\"ab\"" };
static const char *const hashes[KEYS] = { "-1", "0", "7", "7.5", "\"a\"", "\"a b\"", "\"b\"",
	"\"x\"", "\"xx\"", "\"y\"", "\"z\"", "\"\\u00e4\"" };
static const char *const places[] = { "", ",\"place\":\"p\"", ",\"place\":3", ",\"place\":\"q\"",
	",\"place\":true" };

static char *
model_item(struct model *model, unsigned key)
{
	struct buf item = { 0 };
	char *result;

	buf_printf(&item, "{\"id\":%s,\"ts\":%s%s,\"v\":%u}", hashes[key / SORTS],
	    sorts[key % SORTS], places[draw(model, 5)], draw(model, 3));
	result = xstrdup(buf_string(&item));
	buf_clear(&item);
	return result;
}

/* One transaction of one to four changes. */
static void
model_change(struct model *model, struct place *place, struct table *table)
{
	struct table_ops ops;

	table_ops_init(&ops, 1000);
	for (unsigned i = draw(model, 4) + 1; i > 0; i--) {
		unsigned key = draw(model, KEYS * SORTS);
		char *item = model_item(model, key);

		free(model->items[key]);
		model->items[key] = NULL;
		if (draw(model, 3) > 0) {
			add_put(&ops, table, item);
			model->items[key] = item;
		} else {
			add_delete(&ops, table, item);
			free(item);
		}
	}
	assert_int_equal(apply(place, &ops), 0);
}

static void
model_append(const struct model *model, struct buf *out, unsigned key)
{
	if (model->items[key] == NULL)
		return;
	buf_append_string(out, model->items[key]);
	buf_append_u8(out, '\n');
}

static void
check_range(struct model *model, struct place *place, struct table *table)
{
	unsigned hash = draw(model, KEYS), from = draw(model, SORTS), to = draw(model, SORTS);
	const struct ask ask = { .hash = hashes[hash],
		.from = sorts[from],
		.to = sorts[to],
		.limit = draw(model, 4),
		.reverse = draw(model, 2) };
	struct buf expected = { 0 };

	for (unsigned i = from; from <= to && i <= to; i++)
		model_append(model, &expected, hash * SORTS + (ask.reverse ? to - (i - from) : i));
	expect(place, table, &ask, buf_string(&expected));
	buf_clear(&expected);
}

static void
check_scan(struct model *model, struct place *place, struct table *table)
{
	const struct ask ask = { .limit = draw(model, 50) };
	struct buf expected = { 0 };

	for (unsigned i = 0; i < KEYS * SORTS; i++)
		model_append(model, &expected, i);
	expect(place, table, &ask, buf_string(&expected));
	buf_clear(&expected);
}

/* By place: those with it, in the order of the sort key, then of the hash key. */
static void
check_index(struct model *model, struct place *place, struct table *table)
{
	unsigned which = 1 + draw(model, 3);
	const struct ask ask = { .index = "by_place",
		.hash = which == 1   ? "\"p\""
			: which == 2 ? "3"
				     : "\"q\"",
		.limit = draw(model, 5) };
	struct buf expected = { 0 };

	for (unsigned i = 0; i < KEYS * SORTS; i++) {
		unsigned key = i % KEYS * SORTS + i / KEYS;

		if (model->items[key] != NULL && strstr(model->items[key], places[which]) != NULL)
			model_append(model, &expected, key);
	}
	expect(place, table, &ask, buf_string(&expected));
	buf_clear(&expected);
}

static void
a_table_is_like_its_model_also_after_a_reopen(void **state)
{
	struct place *place = *state;
	struct table *table = define(place, READINGS);
	struct model *model = xcalloc(1, sizeof(*model));

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		model->random = seed;
		for (unsigned step = 0; step < STEPS; step++) {
			model_change(model, place, table);
			if (step % 8 == 0)
				check_range(model, place, table);
			if (step % 40 == 0)
				check_index(model, place, table);
			if (step % 100 == 99)
				place_reopen(place);
			if (step % 100 == 0)
				check_scan(model, place, table);
		}
	}
	for (size_t i = 0; i < MODEL_ITEMS_MAX; i++)
		free(model->items[i]);
	free(model);
	table_drop(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_query_gives_a_range_in_order),
		ON_BOTH(an_index_holds_the_items_that_have_its_key),
		ON_BOTH(expired_items_are_not_read),
		ON_BOTH(what_the_asker_has_written_is_in_the_answer),
		ON_BOTH(rows_that_come_or_change_in_what_was_read_are_a_conflict),
		ON_BOTH(a_question_that_does_not_fit_the_table_is_refused),
		ON_BOTH(a_new_index_is_filled_in_steps),
		ON_BOTH(a_dropped_table_leaves_nothing),
		ON_BOTH(a_definition_keeps_its_key),
		ON_BOTH(odd_names_of_attributes_make_no_trouble),
		ON_BOTH(only_what_has_expired_is_deleted_so),
		ON_BOTH(a_table_is_like_its_model_also_after_a_reopen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

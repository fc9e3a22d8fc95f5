/* SPDX-License-Identifier: MIT
 * Databases of older and newer schemas, over both engines.
 */
#include "tests/store_unit.h"

#include "store/schema.h"

/* Two schemas of the future: from 2 on names in SPACE_THING are in capitals, from 3 on each has a
 * mark behind it. */
static bool
note_key(void *arg, const struct txn_row *row)
{
	struct buf *keys = arg;

	buf_append_bytes(keys, row->key);
	buf_append_u8(keys, 0);
	return true;
}

static int
rename_all(struct txn *txn, void (*rename)(struct buf *name), struct err *err)
{
	const struct txn_range all = { .space = SPACE_THING };
	struct buf keys = { 0 }, value = { 0 };
	int result = txn_scan(txn, &all, note_key, &keys, err);

	for (size_t at = 0; result == 0 && at < keys.len;
	     at += strlen((char *)keys.data + at) + 1) {
		struct bytes key = bytes_of_string((char *)keys.data + at);
		struct buf name = { 0 };

		buf_append_bytes(&name, key);
		rename(&name);
		if (txn_get(txn, SPACE_THING, key, &value, NULL, err) != 1 ||
		    txn_delete(txn, SPACE_THING, key, err) != 1 ||
		    txn_put(txn, SPACE_THING, buf_bytes(&name), buf_bytes(&value), err) < 0)
			result = -1;
		buf_clear(&name);
	}
	buf_clear(&keys);
	buf_clear(&value);
	return result;
}

static void
capitals(struct buf *name)
{
	for (size_t i = 0; i < name->len; i++)
		name->data[i] = (uint8_t)(name->data[i] >= 'a' && name->data[i] <= 'z'
					      ? name->data[i] - 'a' + 'A'
					      : name->data[i]);
}

static void
marked(struct buf *name)
{
	buf_append_u8(name, '!');
}

static int
to_capitals(struct txn *txn, struct err *err)
{
	return rename_all(txn, capitals, err);
}

static int
to_marks(struct txn *txn, struct err *err)
{
	return rename_all(txn, marked, err);
}

static int
fail_halfway(struct txn *txn, struct err *err)
{
	if (to_marks(txn, err) < 0)
		return -1;
	return err_set(err, "thing a: has no b");
}

static int
nothing(struct txn *txn, struct err *err)
{
	(void)txn;
	(void)err;
	return 0;
}

static const struct schema_step good_steps[] = { { 1, "numbers", nothing },
	{ 2, "capitals", to_capitals }, { 3, "marks", to_marks } };
static const struct schema_step bad_steps[] = { { 1, "numbers", nothing },
	{ 2, "capitals", to_capitals }, { 3, "half of the marks", fail_halfway } };
static const struct schema two = { good_steps, 2 }, three = { good_steps, 3 },
			   bad = { bad_steps, 3 };

static int
put_things(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_THING, text("car"), text("{\"a\":1}"), err) < 0 ||
		       txn_put(txn, SPACE_THING, text("pump"), text("{\"a\":2}"), err) < 0
		   ? -1
		   : 0;
}

static int
put_number(struct txn *txn, void *arg, struct err *err)
{
	return txn_put(txn, SPACE_META, text("schema"), text(arg), err);
}

static int
drop_number(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_delete(txn, SPACE_META, text("schema"), err) < 0 ? -1 : 0;
}

struct look {
	struct buf names;
	char schema[24];
};

static int
look(struct txn *txn, void *arg, struct err *err)
{
	const struct txn_range all = { .space = SPACE_THING };
	struct look *look = arg;
	struct buf value = { 0 };
	int found;

	buf_reset(&look->names);
	if (txn_scan(txn, &all, note_key, &look->names, err) < 0)
		return -1;
	for (size_t i = 0; i < look->names.len; i++)
		look->names.data[i] = look->names.data[i] == 0 ? ' ' : look->names.data[i];
	found = txn_get(txn, SPACE_META, text("schema"), &value, NULL, err);
	(void)snprintf(
	    look->schema, sizeof(look->schema), "%s", found == 1 ? buf_string(&value) : "");
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
assert_holds(struct place *place, const char *names, const char *schema)
{
	struct look found = { .schema = "" };

	assert_int_equal(place_call(place, look, &found), 0);
	assert_string_equal(buf_string(&found.names), names);
	assert_string_equal(found.schema, schema);
	buf_clear(&found.names);
}

static void
reopen_as(struct place *place, const struct schema *schema)
{
	place->config.schema = schema;
	place_reopen(place);
}

static void
assert_refused(struct place *place, const struct schema *schema, const char *says)
{
	struct err err;

	store_close(place->store);
	place->config.schema = schema;
	place->store = store_open(&place->config, &err);
	assert_null(place->store);
	if (strstr(err.text, says) == NULL)
		fail_msg("%s", err.text);
}

static void
new_database_has_the_present_number(void **state)
{
	char number[24];

	(void)snprintf(
	    number, sizeof(number), "%u", schema_present.steps[schema_present.count - 1].to);
	assert_holds(*state, "", number);
	for (size_t i = 0; i < schema_present.count; i++)
		assert_int_equal(schema_present.steps[i].to, i + 1);
}

static void
older_database_is_brought_to_the_present_by_all_steps_between(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, put_things, NULL), 0);
	reopen_as(place, &two);
	assert_holds(place, "CAR PUMP ", "2");
	reopen_as(place, &three);
	assert_holds(place, "CAR! PUMP! ", "3");
	reopen_as(place, &three);
	assert_holds(place, "CAR! PUMP! ", "3");
}

static void
two_steps_are_taken_at_once(void **state)
{
	struct place *place = *state;
	uint64_t version;

	assert_int_equal(place_call(place, put_things, NULL), 0);
	version = store_version(place->store);
	reopen_as(place, &three);
	assert_holds(place, "CAR! PUMP! ", "3");
	assert_true(store_version(place->store) > version); /* what steps wrote has a version too */
}

/* As one from before there were numbers, whose rows are those of the first. */
static void
database_without_a_number_is_brought_to_the_present(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, put_things, NULL), 0);
	assert_int_equal(place_call(place, drop_number, NULL), 0);
	reopen_as(place, NULL);
	assert_holds(place, "car pump ", "1");
	assert_int_equal(place_call(place, put_number, (void *)(uintptr_t) "0"), 0);
	reopen_as(place, &two);
	assert_holds(place, "CAR PUMP ", "2");
}

static void
step_that_fails_leaves_all_as_it_was(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, put_things, NULL), 0);
	assert_refused(place, &bad,
	    "from schema 2 to 3 (half of the marks) failed, and nothing was "
	    "changed: thing a: has no b; run the Moonlet that wrote it");
	place->config.schema = NULL;
	place_open(place);
	assert_holds(place, "car pump ", "1");
	reopen_as(place, &three);
	assert_holds(place, "CAR! PUMP! ", "3");
}

static void
newer_database_is_refused_and_stays_as_it_was(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, put_things, NULL), 0);
	reopen_as(place, &three);
	assert_refused(place, &two,
	    "was written by a newer Moonlet (schema 3, this one knows 2); run that one");
	place->config.schema = &three;
	place_open(place);
	assert_holds(place, "CAR! PUMP! ", "3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(new_database_has_the_present_number),
		ON_BOTH(older_database_is_brought_to_the_present_by_all_steps_between),
		ON_BOTH(two_steps_are_taken_at_once),
		ON_BOTH(database_without_a_number_is_brought_to_the_present),
		ON_BOTH(step_that_fails_leaves_all_as_it_was),
		ON_BOTH(newer_database_is_refused_and_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

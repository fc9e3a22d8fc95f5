/* SPDX-License-Identifier: MIT
 * Definitions and their work.
 */
#include "store/table_define.h"

#include <stdlib.h>

#define WORK "work/"

enum { STEP_ROWS = 500, STEP_BYTES = 4 * 1024 * 1024, EXPIRY_DUE_BYTES = 16 };

/* --- the list of what is to do --- */

static void
work_key(struct buf *key, struct bytes name)
{
	buf_append_string(key, WORK);
	buf_append_bytes(key, name);
}

static void
append_hex(struct buf *out, struct bytes bytes)
{
	buf_append_string(out, bytes.len == 0 ? "-" : "");
	for (size_t i = 0; i < bytes.len; i++)
		buf_printf(out, "%02x", bytes.data[i]);
}

static int
digit(uint8_t byte)
{
	return byte >= 'a' ? byte - 'a' + 10 : byte - '0';
}

static void
read_hex(struct bytes text, struct buf *out)
{
	for (size_t i = 0; i + 1 < text.len; i += 2)
		buf_append_u8(out, (uint8_t)(digit(text.data[i]) << 4 | digit(text.data[i + 1])));
}

/* Takes a word off the front of the text, up to `end`. */
static struct bytes
take_word(struct bytes *text, uint8_t end)
{
	const uint8_t *at = text->len > 0 ? memchr(text->data, end, text->len) : NULL;
	struct bytes word =
	    bytes_of(text->data, at != NULL ? (size_t)(at - text->data) : text->len);
	size_t used = at != NULL ? word.len + 1 : word.len;

	*text = bytes_of(text->data + used, text->len - used);
	return word;
}

static void
add_removal(struct buf *work, const char *space, struct bytes table, const char *index)
{
	struct buf prefix = { 0 };

	buf_append_bytes(&prefix, table);
	buf_append_u8(&prefix, 0);
	if (index != NULL) {
		buf_append_string(&prefix, index);
		buf_append_u8(&prefix, 0);
	}
	buf_printf(work, "remove %s ", space);
	append_hex(work, buf_bytes(&prefix));
	buf_append_u8(work, '\n');
	buf_clear(&prefix);
}

static int
save_work(struct txn *txn, struct bytes name, struct bytes work, struct err *err)
{
	struct buf key = { 0 };
	int result;

	work_key(&key, name);
	if (work.len > 0)
		result = txn_put(txn, SPACE_META, buf_bytes(&key), work, err);
	else
		result = txn_delete(txn, SPACE_META, buf_bytes(&key), err);
	buf_clear(&key);
	return result < 0 ? -1 : 0;
}

/* 1, 0: there is none, -1. */
static int
load_work(struct txn *txn, struct bytes name, struct buf *work, struct err *err)
{
	struct buf key = { 0 };
	int found;

	work_key(&key, name);
	found = txn_get(txn, SPACE_META, buf_bytes(&key), work, NULL, err);
	buf_clear(&key);
	return found;
}

static bool
list_one(void *arg, const struct txn_row *row)
{
	struct buf *names = arg;

	frame_bytes(names, bytes_of(row->key.data + strlen(WORK), row->key.len - strlen(WORK)));
	return true;
}

int
table_work_list(
    struct txn *txn, void (*each)(void *arg, struct bytes name), void *arg, struct err *err)
{
	struct txn_range range = { .space = SPACE_META, .from = bytes_of_string(WORK) };
	struct buf end = { 0 }, names = { 0 };
	struct cursor cursor;
	int result;

	range.to = txn_prefix_end(range.from, &end);
	result = txn_scan(txn, &range, list_one, &names, err);
	cursor = cursor_of(buf_bytes(&names));
	while (result == 0 && !cursor_end(&cursor))
		each(arg, cursor_bytes(&cursor));
	buf_clear(&end);
	buf_clear(&names);
	return result;
}

/* --- definitions --- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* 1, 0: there is no such table, -1. */
static int
load_definition(
    struct txn *txn, struct bytes name, struct table_def *def, uint64_t *version, struct err *err)
{
	struct buf json = { 0 };
	int found = txn_get(txn, SPACE_TABLE, name, &json, version, err);

	*def = (struct table_def){ 0 };
	if (found == 1 && table_def_read(buf_bytes(&json), def, err) < 0)
		found = -1;
	buf_clear(&json);
	return found;
}

static int
save_definition(struct txn *txn, const struct table_def *def, struct err *err)
{
	struct buf json = { 0 };
	int result;

	table_def_write(def, &json);
	result = txn_put(txn, SPACE_TABLE, bytes_of_string(def->name), buf_bytes(&json), err);
	if (result == 0)
		result = txn_show_table(txn, def, err);
	buf_clear(&json);
	return result;
}

static bool
note_item(void *arg, const struct txn_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

static int
has_items(struct txn *txn, const char *name, bool *has, struct err *err)
{
	struct buf from = { 0 }, end = { 0 };
	struct txn_range range = { .space = SPACE_ITEM, .limit = 1 };
	int result;

	buf_append_string(&from, name);
	buf_append_u8(&from, 0);
	range.from = buf_bytes(&from);
	range.to = txn_prefix_end(range.from, &end);
	*has = false;
	result = txn_scan(txn, &range, note_item, has, err);
	buf_clear(&from);
	buf_clear(&end);
	return result;
}

/* Marks the indexes that are new. -1: one has changed. */
static int
compare_indexes(
    const struct table_def *old, struct table_def *def, struct buf *work, struct err *err)
{
	bool fill = false;

	for (size_t i = 0; i < def->index_count; i++) {
		struct table_index *index = &def->indexes[i];
		const struct table_index *before =
		    table_def_index(old, bytes_of_string(index->name));

		index->building = before == NULL;
		fill = fill || before == NULL;
		if (before != NULL &&
		    !(same(before->hash, index->hash) && same(before->sort, index->sort)))
			return err_set(err,
			    "table %s: index %s is there already, with another key; give the new "
			    "one another name",
			    def->name, index->name);
	}
	for (size_t i = 0; i < old->index_count; i++) {
		const char *name = old->indexes[i].name;

		if (table_def_index(def, bytes_of_string(name)) == NULL)
			add_removal(work, space_rows[SPACE_ITEM_INDEX].name,
			    bytes_of_string(def->name), name);
	}
	if (!same(old->ttl, def->ttl) && old->ttl != NULL)
		buf_append_string(work, "expiry -\n");
	if (fill || (!same(old->ttl, def->ttl) && def->ttl != NULL))
		buf_append_string(work, "fill -\n");
	return 0;
}

static int
check_no_work(struct txn *txn, struct bytes name, struct err *err)
{
	struct buf work = { 0 };
	int found = load_work(txn, name, &work, err);

	buf_clear(&work);
	if (found == 1)
		return err_set(err,
		    "table %.*s: an earlier change of it is still being worked on; try again later",
		    (int)name.len, name.data);
	return found;
}

static int
redefine(struct txn *txn, const struct table_def *old, struct table_def *def,
    struct table_defined *defined, struct err *err)
{
	struct buf work = { 0 };
	bool has = false;
	int result = -1;

	if (!same(old->hash, def->hash) || !same(old->sort, def->sort))
		return err_set(err, "table %s is there already, with another key", def->name);
	if (compare_indexes(old, def, &work, err) < 0 || has_items(txn, def->name, &has, err) < 0)
		goto out;
	if (!has) {
		buf_reset(&work);
		for (size_t i = 0; i < def->index_count; i++)
			def->indexes[i].building = false;
	}
	defined->work = work.len > 0;
	defined->version = txn_version(txn);
	if (save_definition(txn, def, err) == 0 &&
	    (work.len == 0 ||
		save_work(txn, bytes_of_string(def->name), buf_bytes(&work), err) == 0))
		result = 0;
out:
	buf_clear(&work);
	return result;
}

/* It is the same definition: what is being filled is so still. */
static void
take_state(struct table_def *def, const struct table_def *old)
{
	for (size_t i = 0; i < def->index_count; i++)
		def->indexes[i].building = old->indexes[i].building;
}

int
table_define(struct txn *txn, struct table_def *def, struct table_defined *defined, struct err *err)
{
	struct bytes name = bytes_of_string(def->name);
	struct table_def old;
	int found;

	*defined = (struct table_defined){ 0 };
	found = load_definition(txn, name, &old, &defined->version, err);
	if (found == 1) {
		int result = 0;

		if (table_def_equal(&old, def))
			take_state(def, &old);
		else if (check_no_work(txn, name, err) < 0)
			result = -1;
		else
			result = redefine(txn, &old, def, defined, err);
		table_def_clear(&old);
		return result;
	}
	if (found < 0 || check_no_work(txn, name, err) < 0)
		return -1;
	for (size_t i = 0; i < def->index_count; i++)
		def->indexes[i].building = false;
	defined->version = txn_version(txn);
	return save_definition(txn, def, err);
}

int
table_undefine(struct txn *txn, struct bytes name, struct err *err)
{
	struct buf work = { 0 };
	int found = txn_delete(txn, SPACE_TABLE, name, err);

	if (found == 1) {
		add_removal(&work, space_rows[SPACE_ITEM].name, name, NULL);
		add_removal(&work, space_rows[SPACE_ITEM_INDEX].name, name, NULL);
		buf_append_string(&work, "expiry -\n");
		if (txn_hide_table(txn, name, err) < 0 ||
		    save_work(txn, name, buf_bytes(&work), err) < 0)
			found = -1;
	}
	buf_clear(&work);
	return found;
}

/* --- steps --- */

struct gathered {
	struct buf rows; /* frame_bytes key, frame_bytes value */
	size_t count;
	bool with_values;
};

static bool
gather(void *arg, const struct txn_row *row)
{
	struct gathered *gathered = arg;

	frame_bytes(&gathered->rows, row->key);
	frame_bytes(&gathered->rows, gathered->with_values ? row->value : bytes_of(NULL, 0));
	gathered->count++;
	return gathered->rows.len < STEP_BYTES;
}

/* What is to be done now: the first line. */
struct step {
	struct txn *txn;
	struct bytes name;
	const struct table_def *def; /* NULL: the table is gone */
	struct buf place;	     /* prefix, or after */
	bool ended;
};

static int
gather_rows(struct step *step, enum space space, struct bytes from, struct bytes to,
    struct gathered *gathered, struct err *err)
{
	const struct txn_range range = {
		.space = space, .from = from, .to = to, .limit = STEP_ROWS
	};

	if (txn_scan(step->txn, &range, gather, gathered, err) < 0)
		return -1;
	step->ended = gathered->count < STEP_ROWS && gathered->rows.len < STEP_BYTES;
	return 0;
}

static int
remove_rows(struct step *step, enum space space, struct err *err)
{
	struct gathered gathered = { 0 };
	struct buf end = { 0 };
	struct cursor cursor;
	int result = gather_rows(step, space, buf_bytes(&step->place),
	    txn_prefix_end(buf_bytes(&step->place), &end), &gathered, err);

	cursor = cursor_of(buf_bytes(&gathered.rows));
	while (result >= 0 && !cursor_end(&cursor)) {
		result = txn_delete(step->txn, space, cursor_bytes(&cursor), err);
		(void)cursor_bytes(&cursor);
	}
	buf_clear(&end);
	buf_clear(&gathered.rows);
	return result < 0 ? -1 : 0;
}

/* Goes on behind this key. */
static void
move_on(struct step *step, struct bytes key)
{
	buf_reset(&step->place);
	buf_append_bytes(&step->place, key);
	buf_append_u8(&step->place, 0);
}

/* A row of item_expiry that its item does not call for goes. */
static int
check_expiry(struct step *step, struct bytes row, struct err *err)
{
	struct buf item = { 0 }, expected = { 0 };
	struct bytes key, name;
	int found;

	key = bytes_of(row.data + EXPIRY_DUE_BYTES, row.len - EXPIRY_DUE_BYTES);
	name = take_word(&key, 0);
	if (!bytes_equal(name, step->name))
		return 0;
	found = txn_get(step->txn, SPACE_ITEM,
	    bytes_of(row.data + EXPIRY_DUE_BYTES, row.len - EXPIRY_DUE_BYTES), &item, NULL, err);
	if (found >= 0 && !(found == 1 && step->def != NULL &&
			      table_expiry_row(step->def, key, buf_bytes(&item), &expected) &&
			      bytes_equal(buf_bytes(&expected), row)))
		found = txn_delete(step->txn, SPACE_ITEM_EXPIRY, row, err);
	buf_clear(&item);
	buf_clear(&expected);
	return found < 0 ? -1 : 0;
}

static int
check_expiries(struct step *step, struct err *err)
{
	struct gathered gathered = { 0 };
	struct cursor cursor;
	int result = gather_rows(
	    step, SPACE_ITEM_EXPIRY, buf_bytes(&step->place), bytes_of(NULL, 0), &gathered, err);

	cursor = cursor_of(buf_bytes(&gathered.rows));
	while (result == 0 && !cursor_end(&cursor)) {
		struct bytes row = cursor_bytes(&cursor);

		(void)cursor_bytes(&cursor);
		if (row.len > EXPIRY_DUE_BYTES)
			result = check_expiry(step, row, err);
		move_on(step, row);
	}
	buf_clear(&gathered.rows);
	return result;
}

static int
fill_item(struct step *step, struct bytes key, struct bytes item, struct err *err)
{
	struct buf row = { 0 };
	int result = 0;

	for (size_t i = 0; result == 0 && i < step->def->index_count; i++) {
		const struct table_index *index = &step->def->indexes[i];

		buf_reset(&row);
		if (index->building && table_index_row(step->def, index, key, item, &row))
			result = txn_put(
			    step->txn, SPACE_ITEM_INDEX, buf_bytes(&row), bytes_of(NULL, 0), err);
	}
	buf_reset(&row);
	if (result == 0 && table_expiry_row(step->def, key, item, &row))
		result =
		    txn_put(step->txn, SPACE_ITEM_EXPIRY, buf_bytes(&row), bytes_of(NULL, 0), err);
	buf_clear(&row);
	return result;
}

static int
fill_items(struct step *step, struct err *err)
{
	struct gathered gathered = { .with_values = true };
	struct buf prefix = { 0 }, end = { 0 };
	struct cursor cursor;
	int result;

	buf_append_bytes(&prefix, step->name);
	buf_append_u8(&prefix, 0);
	result = gather_rows(step, SPACE_ITEM,
	    step->place.len > 0 ? buf_bytes(&step->place) : buf_bytes(&prefix),
	    txn_prefix_end(buf_bytes(&prefix), &end), &gathered, err);
	cursor = cursor_of(buf_bytes(&gathered.rows));
	while (result == 0 && !cursor_end(&cursor)) {
		struct bytes key = cursor_bytes(&cursor), item = cursor_bytes(&cursor);

		result = fill_item(
		    step, bytes_of(key.data + prefix.len, key.len - prefix.len), item, err);
		move_on(step, key);
	}
	buf_clear(&prefix);
	buf_clear(&end);
	buf_clear(&gathered.rows);
	return result;
}

/* A line that is not known comes of a newer program: it is left as it is. */
static int
run_line(struct step *step, struct bytes line, struct buf *rest, struct err *err)
{
	struct bytes word = take_word(&line, ' ');
	struct bytes space = { 0 };
	int result;

	if (bytes_equal_string(word, "remove"))
		space = take_word(&line, ' ');
	read_hex(line, &step->place);
	if (bytes_equal_string(space, space_rows[SPACE_ITEM].name))
		result = remove_rows(step, SPACE_ITEM, err);
	else if (bytes_equal_string(space, space_rows[SPACE_ITEM_INDEX].name))
		result = remove_rows(step, SPACE_ITEM_INDEX, err);
	else if (bytes_equal_string(word, "expiry"))
		result = check_expiries(step, err);
	else if (bytes_equal_string(word, "fill") && step->def != NULL)
		result = fill_items(step, err);
	else
		return err_set(err, "meta: the work of table %.*s cannot be read",
		    (int)step->name.len, step->name.data);
	if (result < 0 || step->ended)
		return result;
	buf_append_bytes(rest, word);
	if (space.len > 0) {
		buf_append_u8(rest, ' ');
		buf_append_bytes(rest, space);
	}
	buf_append_u8(rest, ' ');
	append_hex(rest, buf_bytes(&step->place));
	buf_append_u8(rest, '\n');
	return 0;
}

/* All is done: indexes that were filled can be used. */
static int
finish(struct txn *txn, struct table_def *def, struct table_work_done *done, struct err *err)
{
	bool changed = false;

	for (size_t i = 0; i < def->index_count; i++) {
		changed = changed || def->indexes[i].building;
		def->indexes[i].building = false;
	}
	if (!changed)
		return 0;
	if (save_definition(txn, def, err) < 0)
		return -1;
	done->defined = true;
	done->def = *def;
	*def = (struct table_def){ 0 };
	return 0;
}

static int
step_on(struct step *step, struct table_def *def, struct bytes work, struct table_work_done *done,
    struct err *err)
{
	struct bytes line = take_word(&work, '\n');
	struct buf rest = { 0 };
	int result = run_line(step, line, &rest, err);

	buf_append_bytes(&rest, work);
	done->left = rest.len > 0;
	if (result == 0)
		result = save_work(step->txn, step->name, buf_bytes(&rest), err);
	if (result == 0 && !done->left)
		result = finish(step->txn, def, done, err);
	buf_clear(&rest);
	return result;
}

int
table_work_step(struct txn *txn, struct bytes name, struct table_work_done *done, struct err *err)
{
	struct step step = { .txn = txn, .name = name };
	struct table_def def = { 0 };
	struct buf work = { 0 };
	int found = load_work(txn, name, &work, err), result = found;

	*done = (struct table_work_done){ 0 };
	if (found == 1) {
		found = load_definition(txn, name, &def, NULL, err);
		step.def = found == 1 ? &def : NULL;
		result = found < 0 ? -1 : step_on(&step, &def, buf_bytes(&work), done, err);
	}
	table_def_clear(&def);
	buf_clear(&work);
	buf_clear(&step.place);
	return result;
}

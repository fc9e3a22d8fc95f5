/* SPDX-License-Identifier: MIT
 * Table definitions, and the keys of items by them.
 */
#include "lib/table_def.h"

#include <math.h>
#include <stdlib.h>

#include "lib/item_key.h"
#include "lib/json_text.h"
#include "lib/utf8.h"

bool
table_name_is_valid(struct bytes name)
{
	if (name.len == 0 || name.len > TABLE_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t byte = name.data[i];
		bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';

		if (!letter && (i == 0 || (byte != '_' && (byte < '0' || byte > '9'))))
			return false;
	}
	return true;
}

static int
check_name(const char *name, const char *what, struct err *err)
{
	if (name != NULL && table_name_is_valid(bytes_of_string(name)))
		return 0;
	return err_set(err,
	    "%s \"%.100s\": 1 to %d letters, digits or \"_\", the first one a letter", what,
	    name != NULL ? name : "", TABLE_NAME_BYTES_MAX);
}

static int
check_attribute(const char *attribute, const char *what, struct err *err)
{
	size_t len = attribute != NULL ? strlen(attribute) : 0;

	if (len > 0 && len <= TABLE_ATTRIBUTE_BYTES_MAX && utf8_is_valid(bytes_of(attribute, len)))
		return 0;
	return err_set(err, "%s is the name of an attribute: 1 to %d bytes of UTF-8", what,
	    TABLE_ATTRIBUTE_BYTES_MAX);
}

static int
check_index(const struct table_def *def, size_t at, struct err *err)
{
	const struct table_index *index = &def->indexes[at];

	if (check_name(index->name, "index", err) < 0 ||
	    check_attribute(index->hash, "the key of an index", err) < 0 ||
	    (index->sort != NULL &&
		check_attribute(index->sort, "the sort key of an index", err) < 0))
		return -1;
	for (size_t i = 0; i < at; i++) {
		if (strcmp(def->indexes[i].name, index->name) == 0)
			return err_set(err, "index \"%s\" is there twice", index->name);
	}
	return 0;
}

int
table_def_check(const struct table_def *def, struct err *err)
{
	if (check_name(def->name, "table", err) < 0 || check_attribute(def->hash, "key", err) < 0 ||
	    (def->sort != NULL && check_attribute(def->sort, "sort", err) < 0) ||
	    (def->ttl != NULL && check_attribute(def->ttl, "ttl", err) < 0))
		return -1;
	if (def->sort != NULL && strcmp(def->hash, def->sort) == 0)
		return err_set(err, "key and sort are the same attribute \"%s\"", def->hash);
	for (size_t i = 0; i < def->index_count; i++) {
		if (check_index(def, i, err) < 0)
			return -1;
	}
	return 0;
}

void
table_def_clear(struct table_def *def)
{
	for (size_t i = 0; i < def->index_count; i++) {
		free(def->indexes[i].name);
		free(def->indexes[i].hash);
		free(def->indexes[i].sort);
	}
	free(def->name);
	free(def->hash);
	free(def->sort);
	free(def->ttl);
	*def = (struct table_def){ 0 };
}

static char *
copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void
table_def_copy(struct table_def *def, const struct table_def *from)
{
	*def = (struct table_def){ .name = copy(from->name),
		.hash = copy(from->hash),
		.sort = copy(from->sort),
		.ttl = copy(from->ttl),
		.index_count = from->index_count };
	for (size_t i = 0; i < from->index_count; i++) {
		const struct table_index *index = &from->indexes[i];

		def->indexes[i] = (struct table_index){ copy(index->name), copy(index->hash),
			copy(index->sort), index->building };
	}
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
table_def_equal(const struct table_def *a, const struct table_def *b)
{
	if (!same(a->name, b->name) || !same(a->hash, b->hash) || !same(a->sort, b->sort) ||
	    !same(a->ttl, b->ttl) || a->index_count != b->index_count)
		return false;
	for (size_t i = 0; i < a->index_count; i++) {
		const struct table_index *one = &a->indexes[i], *other = &b->indexes[i];

		if (!same(one->name, other->name) || !same(one->hash, other->hash) ||
		    !same(one->sort, other->sort))
			return false;
	}
	return true;
}

const struct table_index *
table_def_index(const struct table_def *def, struct bytes name)
{
	for (size_t i = 0; i < def->index_count; i++) {
		if (bytes_equal_string(name, def->indexes[i].name))
			return &def->indexes[i];
	}
	return NULL;
}

void
table_def_encode(const struct table_def *def, struct buf *out)
{
	frame_string(out, def->name);
	frame_string(out, def->hash);
	frame_string(out, def->sort != NULL ? def->sort : "");
	frame_string(out, def->ttl != NULL ? def->ttl : "");
	frame_u16(out, (uint16_t)def->index_count);
	for (size_t i = 0; i < def->index_count; i++) {
		const struct table_index *index = &def->indexes[i];

		frame_string(out, index->name);
		frame_string(out, index->hash);
		frame_string(out, index->sort != NULL ? index->sort : "");
	}
}

static char *
take_string(struct cursor *cursor, bool may_be_absent)
{
	struct bytes text = cursor_bytes(cursor);

	return text.len > 0 || !may_be_absent ? bytes_to_string(text) : NULL;
}

bool
table_def_decode(struct cursor *cursor, struct table_def *def)
{
	size_t count;
	struct err err;

	*def = (struct table_def){ .name = take_string(cursor, false) };
	def->hash = take_string(cursor, false);
	def->sort = take_string(cursor, true);
	def->ttl = take_string(cursor, true);
	count = cursor_u16(cursor);
	for (; def->index_count < count && def->index_count < TABLE_INDEXES_MAX;
	     def->index_count++) {
		struct table_index *index = &def->indexes[def->index_count];

		index->name = take_string(cursor, false);
		index->hash = take_string(cursor, false);
		index->sort = take_string(cursor, true);
	}
	if (!cursor->bad && count <= TABLE_INDEXES_MAX && table_def_check(def, &err) == 0)
		return true;
	table_def_clear(def);
	return false;
}

static void
write_member(struct buf *json, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buf_printf(json, "%s\"%s\":", json->data[json->len - 1] == '{' ? "" : ",", name);
	json_text_quote(bytes_of_string(text), json);
}

void
table_def_write(const struct table_def *def, struct buf *json)
{
	buf_append_string(json, "{");
	write_member(json, "name", def->name);
	write_member(json, "key", def->hash);
	write_member(json, "sort", def->sort);
	write_member(json, "ttl", def->ttl);
	buf_append_string(json, ",\"indexes\":[");
	for (size_t i = 0; i < def->index_count; i++) {
		buf_append_string(json, i > 0 ? ",{" : "{");
		write_member(json, "name", def->indexes[i].name);
		write_member(json, "key", def->indexes[i].hash);
		write_member(json, "sort", def->indexes[i].sort);
		buf_append_string(json, def->indexes[i].building ? ",\"building\":true}" : "}");
	}
	buf_append_string(json, "]}");
}

/* --- reading JSON --- */

struct field {
	const char *name;
	char **text;
};

struct fields {
	const struct field *rows;
	size_t count;
	struct bytes indexes; /* the raw list; empty: none */
	bool *building;	      /* NULL: has none */
	struct err err;
	bool failed;
};

static bool
refuse(struct fields *fields, struct bytes name, const char *why)
{
	(void)err_set(
	    &fields->err, "\"%.*s\" %s", (int)(name.len < 100 ? name.len : 100), name.data, why);
	fields->failed = true;
	return false;
}

static bool
read_field(void *arg, struct bytes name, struct bytes value)
{
	struct fields *fields = arg;
	struct buf plain = { 0 };

	if (bytes_equal_string(name, "indexes") && json_text_kind(value) == JSON_TEXT_ARRAY) {
		fields->indexes = value;
		return true;
	}
	if (fields->building != NULL && bytes_equal_string(name, "building")) {
		*fields->building = json_text_kind(value) == JSON_TEXT_TRUE;
		return true;
	}
	for (size_t i = 0; i < fields->count; i++) {
		if (!bytes_equal_string(name, fields->rows[i].name))
			continue;
		if (json_text_kind(value) != JSON_TEXT_STRING)
			return refuse(fields, name, "must be a string");
		json_text_unescape(value, &plain);
		free(*fields->rows[i].text);
		*fields->rows[i].text = bytes_to_string(buf_bytes(&plain));
		buf_clear(&plain);
		return true;
	}
	return refuse(fields, name, "is unknown; a table has name, key, sort, ttl and indexes");
}

static int
read_fields(struct bytes json, struct fields *fields, struct err *err)
{
	size_t at;

	if (!json_text_members(json, read_field, fields, &at))
		return err_set(err, "not a JSON object (at byte %zu)", at);
	if (!fields->failed)
		return 0;
	*err = fields->err;
	return -1;
}

struct index_reading {
	struct table_def *def;
	struct err *err;
	int result;
};

static bool
read_index(void *arg, struct bytes json)
{
	struct index_reading *reading = arg;
	struct table_def *def = reading->def;
	struct table_index *index = &def->indexes[def->index_count];
	const struct field rows[] = { { "name", &index->name }, { "key", &index->hash },
		{ "sort", &index->sort } };
	struct fields fields = {
		.rows = rows, .count = sizeof(rows) / sizeof(*rows), .building = &index->building
	};

	if (def->index_count == TABLE_INDEXES_MAX) {
		reading->result = err_set(reading->err, "more than %d indexes", TABLE_INDEXES_MAX);
		return false;
	}
	def->index_count++;
	reading->result = read_fields(json, &fields, reading->err);
	return reading->result == 0;
}

static int
read_indexes(struct table_def *def, struct bytes list, struct err *err)
{
	struct index_reading reading = { .def = def, .err = err };
	size_t at;

	if (list.len > 0)
		(void)json_text_elements(list, read_index, &reading, &at);
	return reading.result;
}

int
table_def_read(struct bytes json, struct table_def *def, struct err *err)
{
	const struct field rows[] = { { "name", &def->name }, { "key", &def->hash },
		{ "sort", &def->sort }, { "ttl", &def->ttl } };
	struct fields fields = { .rows = rows, .count = sizeof(rows) / sizeof(*rows) };

	*def = (struct table_def){ 0 };
	if (read_fields(json, &fields, err) == 0 && read_indexes(def, fields.indexes, err) == 0 &&
	    table_def_check(def, err) == 0)
		return 0;
	table_def_clear(def);
	return -1;
}

/* --- keys --- */

/* Of the encoded string that begins at `begun` and ends with the key: without its marks, and those
 * of the zeros in it. */
static size_t
string_bytes(const struct buf *key, size_t begun)
{
	size_t len = key->len - begun - 3;

	for (size_t i = begun + 1; i + 2 < key->len; i++)
		len -= key->data[i] == 0;
	return len;
}

/* 1: appended, 0: the item has no such attribute, -1: it cannot be a key. */
static int
append_key(struct bytes item, const char *attribute, size_t bytes_max, struct buf *key)
{
	struct bytes value = json_text_member(item, bytes_of_string(attribute));
	size_t before = key->len;

	if (value.len == 0)
		return 0;
	if (!item_key_json(key, value))
		return -1;
	if (json_text_kind(value) == JSON_TEXT_STRING &&
	    (value.len == 2 || string_bytes(key, before) > bytes_max)) {
		key->len = before;
		return -1;
	}
	return 1;
}

enum item_defect
table_item_key(const struct table_def *def, struct bytes item, struct buf *key)
{
	size_t before = key->len, at;
	int found;

	if (item.len > ITEM_BYTES_MAX)
		return ITEM_TOO_LARGE;
	if (!json_text_members(item, NULL, NULL, &at))
		return ITEM_NOT_OBJECT;
	if (!json_text_is_within(item, ITEM_DEPTH_MAX))
		return ITEM_TOO_DEEP;
	found = append_key(item, def->hash, ITEM_KEY_STRING_BYTES_MAX, key);
	if (found <= 0)
		return found == 0 ? ITEM_NO_HASH : ITEM_BAD_HASH;
	if (def->sort == NULL)
		return ITEM_OK;
	found = append_key(item, def->sort, ITEM_SORT_STRING_BYTES_MAX, key);
	if (found > 0)
		return ITEM_OK;
	key->len = before;
	return found == 0 ? ITEM_NO_SORT : ITEM_BAD_SORT;
}

void
item_defect_text(const struct table_def *def, enum item_defect defect, struct err *err)
{
	switch (defect) {
	case ITEM_OK:
		return;
	case ITEM_NOT_OBJECT:
		(void)err_set(err, "%s: an item is a table with names as keys", def->name);
		return;
	case ITEM_TOO_LARGE:
		(void)err_set(err, "%s: an item has at most %d KiB as JSON", def->name,
		    ITEM_BYTES_MAX / 1024);
		return;
	case ITEM_TOO_DEEP:
		(void)err_set(err, "%s: an item has at most %d levels", def->name, ITEM_DEPTH_MAX);
		return;
	case ITEM_NO_HASH:
	case ITEM_NO_SORT:
		(void)err_set(err, "%s: \"%s\" is missing, which is the table's %s", def->name,
		    defect == ITEM_NO_HASH ? def->hash : def->sort,
		    defect == ITEM_NO_HASH ? "key" : "sort key");
		return;
	case ITEM_BAD_HASH:
	case ITEM_BAD_SORT:
		(void)err_set(err,
		    "%s: \"%s\", the table's %s, must be a number or a string of 1 to %d bytes",
		    def->name, defect == ITEM_BAD_HASH ? def->hash : def->sort,
		    defect == ITEM_BAD_HASH ? "key" : "sort key",
		    defect == ITEM_BAD_HASH ? ITEM_KEY_STRING_BYTES_MAX
					    : ITEM_SORT_STRING_BYTES_MAX);
		return;
	}
}

bool
table_key_is_valid(const struct table_def *def, struct bytes key)
{
	if (key.len > ITEM_KEY_BYTES_MAX || !item_key_next(&key, NULL))
		return false;
	if (def->sort != NULL && !item_key_next(&key, NULL))
		return false;
	return key.len == 0;
}

void
table_key_write(const struct table_def *def, struct bytes key, struct buf *json)
{
	buf_append_u8(json, '{');
	json_text_quote(bytes_of_string(def->hash), json);
	buf_append_u8(json, ':');
	(void)item_key_next(&key, json);
	if (def->sort != NULL) {
		buf_append_u8(json, ',');
		json_text_quote(bytes_of_string(def->sort), json);
		buf_append_u8(json, ':');
		(void)item_key_next(&key, json);
	}
	buf_append_u8(json, '}');
}

bool
table_item_ends(const struct table_def *def, struct bytes item, int64_t *end_s)
{
	struct bytes value;
	char text[64];
	double number;

	if (def->ttl == NULL || item.len == 0)
		return false;
	value = json_text_member(item, bytes_of_string(def->ttl));
	if (value.len == 0 || json_text_kind(value) != JSON_TEXT_NUMBER ||
	    value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	number = strtod(text, NULL);
	if (!isfinite(number) || number < 0 || number > 1e15)
		return false;
	*end_s = (int64_t)number;
	return true;
}

bool
table_item_is_expired(const struct table_def *def, struct bytes item, int64_t now_ms)
{
	int64_t end_s;

	return table_item_ends(def, item, &end_s) && end_s <= now_ms / 1000;
}

bool
table_index_key(const struct table_index *index, struct bytes item, struct buf *key)
{
	size_t before = key->len;

	if (append_key(item, index->hash, ITEM_KEY_STRING_BYTES_MAX, key) > 0 &&
	    (index->sort == NULL ||
		append_key(item, index->sort, ITEM_SORT_STRING_BYTES_MAX, key) > 0))
		return true;
	key->len = before;
	return false;
}

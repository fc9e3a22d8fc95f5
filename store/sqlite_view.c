/* SPDX-License-Identifier: MIT
 * Views over the rows of the space item.
 */
#include "store/sqlite_view.h"

#include <strings.h>

enum { COLUMNS_MAX = 3 + 2 * TABLE_INDEXES_MAX };

struct columns {
	const char *names[COLUMNS_MAX];
	size_t count;
};

/* Each once; not those that a path of SQLite's cannot name, or that have a column's own name. */
static void
add_column(struct columns *columns, const char *name)
{
	if (name == NULL || strpbrk(name, "\"\\") != NULL || strcasecmp(name, "version") == 0 ||
	    strcasecmp(name, "item") == 0)
		return;
	for (size_t i = 0; i < columns->count; i++) {
		if (strcasecmp(columns->names[i], name) == 0)
			return;
	}
	columns->names[columns->count++] = name;
}

/* As the text between single quotes. */
static void
append_quoted(struct buf *sql, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buf_append_u8(sql, '\'');
		buf_append_u8(sql, (uint8_t)*text);
	}
}

/* A bound of the table's rows: its name, and a zero or what comes behind that. */
static void
append_bound(struct buf *sql, const char *name, int last)
{
	buf_append_string(sql, "CAST(x'");
	for (; *name != '\0'; name++)
		buf_printf(sql, "%02x", (unsigned char)*name);
	buf_printf(sql, "%02x' AS TEXT)", last);
}

void
sqlite_view_create(const struct table_def *def, struct buf *sql)
{
	struct columns columns = { 0 };

	add_column(&columns, def->hash);
	add_column(&columns, def->sort);
	for (size_t i = 0; i < def->index_count; i++) {
		add_column(&columns, def->indexes[i].hash);
		add_column(&columns, def->indexes[i].sort);
	}
	add_column(&columns, def->ttl);
	buf_printf(sql, "CREATE VIEW \"db_%s\" AS SELECT ", def->name);
	for (size_t i = 0; i < columns.count; i++) {
		buf_append_string(sql, "json_extract(value, '$.\"");
		append_quoted(sql, columns.names[i]);
		buf_printf(sql, "\"') AS \"%s\", ", columns.names[i]);
	}
	buf_append_string(sql, "version, value AS item FROM item WHERE key >= ");
	append_bound(sql, def->name, 0);
	buf_append_string(sql, " AND key < ");
	append_bound(sql, def->name, 1);
}

/* A key up to its first byte 0, to its second, and behind. */
#define KEYED_VIEW(view, space, columns)                                                      \
	"CREATE VIEW IF NOT EXISTS " view " AS SELECT"                                        \
	" CAST(substr(k, 1, i - 1) AS TEXT) AS function,"                                     \
	" CAST(substr(k, i + 1, j - 1) AS TEXT) AS ordering_key,"                             \
	" CAST(substr(k, i + j + 1) AS TEXT) AS name, " columns " FROM"                       \
	" (SELECT *, instr(substr(k, i + 1), x'00') AS j FROM"                                \
	" (SELECT *, instr(k, x'00') AS i FROM"                                               \
	" (SELECT CAST(key AS BLOB) AS k, version, value FROM " space ")));"

const char sqlite_views_keyed[] = KEYED_VIEW("states", "state", "version, value")
    KEYED_VIEW("timers", "timer",
	"json_extract(value, '$.due') AS due, json_extract(value, '$.payload') AS payload,"
	" json_extract(value, '$.topic') AS topic, version");

void
sqlite_view_drop(struct bytes name, struct buf *sql)
{
	buf_printf(sql, "DROP VIEW IF EXISTS \"db_%.*s\"", (int)name.len, name.data);
}

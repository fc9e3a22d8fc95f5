/* SPDX-License-Identifier: MIT
 * moonlet db: tables and their items, from the command line.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "net/http_local.h"
#include "runtime/commands/command.h"
#include "runtime/config_tables.h"

enum { ITEM_FILE_BYTES_MAX = 1048576, PAGE = 1000 };

struct db_word {
	const char *word;
	size_t arguments_min, arguments_max; /* after the word */
	int (*run)(const struct command_call *call, struct err *err);
};

static bool
has(const struct command_call *call, const char *name)
{
	return command_value(call, name) != NULL;
}

/* POST /v1/tables/<table>/<verb> */
static int
ask(const struct command_call *call, const char *verb, struct bytes body, struct buf *reply,
    struct err *err)
{
	struct buf target = { 0 };
	int status;

	buf_append_string(&target, "/v1/tables/");
	http_local_encode(&target, call->arguments[1]);
	buf_printf(&target, "/%s", verb);
	status = command_ask(
	    call, &(struct command_request){ "POST", buf_string(&target), body }, reply, err);
	buf_clear(&target);
	return status;
}

/* --- definitions --- */

/* "by_place=place,ts; by_fleet=fleet" */
static int
read_indexes(const char *text, struct table_def *def, struct err *err)
{
	char *copy = xstrdup(text), *rest = copy, *one;
	int status = 0;

	while (status == 0 && (one = strsep(&rest, "; ")) != NULL) {
		char *equals = strchr(one, '=');

		if (*one == '\0')
			continue;
		if (equals == NULL) {
			status = err_set(err, "--index %s: it is NAME=KEY or NAME=KEY,SORT", one);
			break;
		}
		*equals = '\0';
		status = table_setting_index(def, one, equals + 1, err);
	}
	free(copy);
	return status;
}

static char *
copy_value(const struct command_call *call, const char *name)
{
	return has(call, name) ? xstrdup(command_value(call, name)) : NULL;
}

static int
send_definition(const struct command_call *call, const struct table_def *def, struct err *err)
{
	struct buf target = { 0 }, json = { 0 }, reply = { 0 };
	int status;

	table_def_write(def, &json);
	buf_append_string(&target, "/v1/tables/");
	http_local_encode(&target, def->name);
	status = command_ask(call,
	    &(struct command_request){ "PUT", buf_string(&target), buf_bytes(&json) }, &reply, err);
	buf_clear(&target);
	buf_clear(&json);
	buf_clear(&reply);
	return status;
}

static int
create(const struct command_call *call, struct err *err)
{
	struct table_def def = { .name = xstrdup(call->arguments[1]),
		.hash = copy_value(call, "key"),
		.sort = copy_value(call, "sort"),
		.ttl = copy_value(call, "ttl") };
	int status = 0;

	if (def.hash == NULL)
		status = err_set(err, "create needs --key ATTRIBUTE");
	if (status == 0 && has(call, "index"))
		status = read_indexes(command_value(call, "index"), &def, err);
	if (status == 0)
		status = table_def_check(&def, err);
	if (status == 0)
		status = send_definition(call, &def, err);
	table_def_clear(&def);
	return status;
}

static int
drop(const struct command_call *call, struct err *err)
{
	struct buf target = { 0 }, reply = { 0 };
	int status;

	buf_append_string(&target, "/v1/tables/");
	http_local_encode(&target, call->arguments[1]);
	status = command_ask(call,
	    &(struct command_request){ .method = "DELETE", .target = buf_string(&target) }, &reply,
	    err);
	buf_clear(&target);
	buf_clear(&reply);
	return status;
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text != NULL ? text : "";
}

/* "id", or "place,ts" */
static void
print_key(const cJSON *object)
{
	printf("%s%s%s", text_of(object, "key"), *text_of(object, "sort") != '\0' ? "," : "",
	    text_of(object, "sort"));
}

static void
print_table(const cJSON *table)
{
	const struct command_colours *colours = command_colours();
	const cJSON *index;

	printf("%s%-20s%s key ", colours->bold, text_of(table, "name"), colours->plain);
	print_key(table);
	if (*text_of(table, "ttl") != '\0')
		printf("  ttl %s", text_of(table, "ttl"));
	cJSON_ArrayForEach(index, cJSON_GetObjectItemCaseSensitive(table, "indexes"))
	{
		printf("  index %s ", text_of(index, "name"));
		print_key(index);
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(index, "building")))
			printf(" (being filled)");
	}
	printf("\n");
}

static int
list(const struct command_call *call, struct err *err)
{
	struct buf reply = { 0 };
	int status = command_ask(call,
	    &(struct command_request){ .method = "GET", .target = "/v1/tables" }, &reply, err);
	const cJSON *table;
	cJSON *json;

	if (status == 0 && has(call, "json")) {
		puts(buf_string(&reply));
	} else if (status == 0) {
		json = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		cJSON_ArrayForEach(table, json)
		{
			print_table(table);
		}
		cJSON_Delete(json);
	}
	buf_clear(&reply);
	return status;
}

/* --- items --- */

/* JSON where it is, else a string. */
static void
append_value(struct buf *json, const char *text)
{
	size_t at;

	if (json_text_is_valid(bytes_of_string(text), &at))
		buf_append_string(json, text);
	else
		json_text_quote(bytes_of_string(text), json);
}

static const cJSON *
table_named(const cJSON *tables, const char *name)
{
	const cJSON *table;

	cJSON_ArrayForEach(table, tables)
	{
		if (strcmp(text_of(table, "name"), name) == 0)
			return table;
	}
	return NULL;
}

static int
append_both(const cJSON *table, const struct command_call *call, struct buf *json, struct err *err)
{
	if (table == NULL)
		return err_set(err, "there is no table \"%s\"; moonlet db create makes one",
		    call->arguments[1]);
	if (*text_of(table, "sort") == '\0')
		return err_set(err, "table %s has no sort key: its key is \"%s\" alone",
		    call->arguments[1], text_of(table, "key"));
	buf_append_u8(json, '{');
	json_text_quote(bytes_of_string(text_of(table, "key")), json);
	buf_append_u8(json, ':');
	append_value(json, call->arguments[2]);
	buf_append_u8(json, ',');
	json_text_quote(bytes_of_string(text_of(table, "sort")), json);
	buf_append_u8(json, ':');
	append_value(json, call->arguments[3]);
	buf_append_u8(json, '}');
	return 0;
}

/* {"key": ...}: '{"id":"audi22"}', or a value; with a sort key both values: audi22 5. */
static int
append_key(const struct command_call *call, struct buf *json, struct err *err)
{
	struct buf reply = { 0 };
	const char *key = call->arguments[2];
	cJSON *tables;
	int status;

	buf_append_string(json, "{\"key\":");
	if (call->count <= 3) {
		append_value(json, key);
		buf_append_u8(json, '}');
		return 0;
	}
	status = command_ask(call,
	    &(struct command_request){ .method = "GET", .target = "/v1/tables" }, &reply, err);
	tables = cJSON_ParseWithLength((const char *)reply.data, reply.len);
	if (status == 0)
		status = append_both(table_named(tables, call->arguments[1]), call, json, err);
	buf_append_u8(json, '}');
	cJSON_Delete(tables);
	buf_clear(&reply);
	return status;
}

static void
print_raw(struct bytes text)
{
	(void)fwrite(text.data, 1, text.len, stdout);
	(void)putchar('\n');
}

static int
get(const struct command_call *call, struct err *err)
{
	struct buf body = { 0 }, reply = { 0 };
	int status = append_key(call, &body, err);

	if (status == 0)
		status = ask(call, "get", buf_bytes(&body), &reply, err);
	if (status == 0 && has(call, "json"))
		print_raw(buf_bytes(&reply));
	else if (status == 0)
		print_raw(json_text_member(buf_bytes(&reply), bytes_of_string("item")));
	buf_clear(&body);
	buf_clear(&reply);
	return status;
}

/* "put?if_absent=1&if_version=7" */
static void
append_verb(const struct command_call *call, const char *verb, struct buf *out)
{
	buf_append_string(out, verb);
	buf_append_u8(out, '?');
	if (has(call, "if-absent"))
		buf_append_string(out, "if_absent=1&");
	if (has(call, "if-version")) {
		buf_append_string(out, "if_version=");
		http_local_encode(out, command_value(call, "if-version"));
	}
}

static int
put_one(const struct command_call *call, struct bytes item, struct err *err)
{
	struct buf verb = { 0 }, reply = { 0 };
	int status;

	append_verb(call, "put", &verb);
	status = ask(call, buf_string(&verb), item, &reply, err);
	if (status == 0 && has(call, "json"))
		print_raw(buf_bytes(&reply));
	buf_clear(&verb);
	buf_clear(&reply);
	return status;
}

/* The item itself, or the name of its file. */
static int
put(const struct command_call *call, struct err *err)
{
	const char *argument = call->arguments[2];
	struct buf text = { 0 };
	int status = 0;

	if (argument[0] == '{')
		buf_append_string(&text, argument);
	else
		status = command_read(argument, ITEM_FILE_BYTES_MAX, &text, err);
	if (status == 0)
		status = put_one(call, buf_bytes(&text), err);
	buf_clear(&text);
	return status;
}

static int delete (const struct command_call *call, struct err *err)
{
	struct buf body = { 0 }, verb = { 0 }, reply = { 0 };
	int status = append_key(call, &body, err);

	append_verb(call, "delete", &verb);
	if (status == 0)
		status = ask(call, buf_string(&verb), buf_bytes(&body), &reply, err);
	if (status == 0 && has(call, "json"))
		print_raw(buf_bytes(&reply));
	buf_clear(&body);
	buf_clear(&verb);
	buf_clear(&reply);
	return status;
}

/* --- queries --- */

static void
append_option(const struct command_call *call, const char *name, bool raw, struct buf *json)
{
	const char *value = command_value(call, name);

	if (value == NULL)
		return;
	buf_printf(json, ",\"%s\":", name);
	if (raw)
		append_value(json, value);
	else
		json_text_quote(bytes_of_string(value), json);
}

/* The query of one page, of at most `limit` items behind `after`. */
static void
append_query(
    const struct command_call *call, unsigned long limit, const char *after, struct buf *json)
{
	buf_printf(json, "{\"limit\":%lu", limit < PAGE ? limit : PAGE);
	if (call->count > 2) {
		buf_append_string(json, ",\"key\":");
		append_value(json, call->arguments[2]);
	}
	append_option(call, "index", false, json);
	append_option(call, "from", true, json);
	append_option(call, "to", true, json);
	append_option(call, "prefix", false, json);
	if (has(call, "reverse"))
		buf_append_string(json, ",\"reverse\":true");
	if (after != NULL)
		buf_printf(json, ",\"after\":\"%s\"", after);
	buf_append_u8(json, '}');
}

static bool
print_item(void *arg, struct bytes item)
{
	++*(unsigned long *)arg;
	print_raw(item);
	return true;
}

/* Prints a page and returns how many items it had; `*after` becomes where it ended. */
static unsigned long
print_page(struct bytes reply, char **after)
{
	struct bytes next = json_text_member(reply, bytes_of_string("after"));
	unsigned long count = 0;
	size_t at;

	(void)json_text_elements(
	    json_text_member(reply, bytes_of_string("items")), print_item, &count, &at);
	free(*after);
	*after = next.len > 2 ? bytes_to_string(bytes_of(next.data + 1, next.len - 2)) : NULL;
	return count;
}

/* An item a line, page after page; with --json one page as the host gives it. */
static int
query(const struct command_call *call, struct err *err)
{
	unsigned long limit = has(call, "limit") ? strtoul(command_value(call, "limit"), NULL, 10)
						 : (unsigned long)-1;
	char *after = copy_value(call, "after");
	struct buf body = { 0 }, reply = { 0 };
	int status;

	if (has(call, "limit") && limit == 0)
		return err_set(err, "--limit is a number from 1");
	do {
		buf_reset(&body);
		buf_reset(&reply);
		append_query(call, limit, after, &body);
		status = ask(call, "query", buf_bytes(&body), &reply, err);
		if (status < 0 || has(call, "json")) {
			if (status == 0)
				print_raw(buf_bytes(&reply));
			break;
		}
		limit -= print_page(buf_bytes(&reply), &after);
	} while (after != NULL && limit > 0);
	free(after);
	buf_clear(&body);
	buf_clear(&reply);
	return status;
}

static const struct db_word words[] = {
	{ "create", 1, 1, create },
	{ "drop", 1, 1, drop },
	{ "ls", 0, 0, list },
	{ "get", 2, 3, get },
	{ "put", 2, 2, put },
	{ "delete", 2, 3, delete },
	{ "query", 2, 2, query },
	{ "scan", 1, 1, query },
};

static void
refuse_count(size_t at, struct err *err)
{
	size_t min = words[at].arguments_min, max = words[at].arguments_max;

	if (min == max)
		err_set(err, "%s has %zu argument%s (moonlet db --help)", words[at].word, min,
		    min == 1 ? "" : "s");
	else
		err_set(err, "%s has %zu to %zu arguments (moonlet db --help)", words[at].word, min,
		    max);
}

int
cmd_db(struct command_call *call)
{
	size_t count = sizeof(words) / sizeof(words[0]), at = 0;
	struct err err;
	int status;

	if (strcmp(call->arguments[0], "verify") == 0) {
		call->arguments[0] = call->arguments[1];
		call->count--;
		return cmd_verify(call);
	}
	while (at < count && strcmp(words[at].word, call->arguments[0]) != 0)
		at++;
	if (at == count || call->count - 1 < words[at].arguments_min ||
	    call->count - 1 > words[at].arguments_max) {
		if (at == count)
			err_set(&err,
			    "there is no '%s': create, drop, ls, get, put, delete, "
			    "query, scan and verify",
			    call->arguments[0]);
		else
			refuse_count(at, &err);
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = words[at].run(call, &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

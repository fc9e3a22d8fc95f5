/* SPDX-License-Identifier: MIT
 * Tables: /v1/tables and /v1/tables/<table>.
 */
#include <stdlib.h>

#include "runtime/api_parts.h"
#include "runtime/host.h"
#include "runtime/tables.h"

static void
get_tables(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	const struct tables *tables = api->parts.host->tables;
	cJSON *list = api_array();
	struct buf json = { 0 };

	for (size_t i = 0; tables_at(tables, i) != NULL; i++) {
		buf_reset(&json);
		table_def_write(&tables_at(tables, i)->def, &json);
		if (!cJSON_AddItemToArray(list, cJSON_CreateRaw(buf_string(&json))))
			abort();
	}
	buf_clear(&json);
	api_send(exchange, 200, list);
}

static void
on_defined(void *arg, const struct err *err)
{
	struct http_exchange *exchange = arg;

	if (err == NULL)
		api_send_ok(exchange);
	else
		http_exchange_error(exchange, 409, "%s", err->text);
}

static void
put_table(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct bytes name = http_match_param(http_exchange_match(exchange), "table");
	struct table_def def;
	struct err err;

	if (table_def_read(http_exchange_body(exchange), &def, &err) < 0) {
		http_exchange_error(exchange, 400, "%s", err.text);
		return;
	}
	if (!bytes_equal_string(name, def.name)) {
		table_def_clear(&def);
		http_exchange_error(exchange, 400, "\"name\" is not the name in the path");
		return;
	}
	tables_define(api->parts.host->tables, &def, on_defined, exchange);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/tables", get_tables, "the definitions of all tables" },
	{ HTTP_PUT, "/v1/tables/{table}", put_table,
	    "{name, key, sort, ttl, indexes}: makes a table, or changes its indexes" },
};

const struct api_table api_tables_table = { routes, sizeof(routes) / sizeof(routes[0]) };

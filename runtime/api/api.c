/* SPDX-License-Identifier: MIT
 * The socket of the control API, and what its handlers share.
 */
#include "runtime/api/api.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/utf8.h"
#include "runtime/api/api_parts.h"

static const struct api_table *const tables[] = {
	&api_credentials_table,
	&api_failed_table,
	&api_functions_table,
	&api_host_table,
	&api_leftovers_table,
	&api_logs_table,
	&api_messages_table,
	&api_shadow_table,
	&api_top_table,
	&api_traces_table,
	&api_tables_table,
	&api_policies_table,
	&api_registry_table,
	&api_export_table,
	&api_things_table,
};

static int
open_server(struct api *api, const char *path, struct err *err)
{
	struct http_server_config config = http_server_defaults;

	config.limits.body_bytes_max = 16777216;
	config.connections_max = 100;
	api->server = http_server_new(api->parts.loop, api->parts.group, &config);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (http_server_add_table(
			api->server, tables[i]->routes, tables[i]->count, api, err) < 0)
			return -1;
	}
	return http_server_listen_unix(api->server, path, err);
}

struct api *
api_open(const struct api_parts *parts, const char *path, struct err *err)
{
	struct api *api = xcalloc(1, sizeof(*api));

	api->parts = *parts;
	api->started_us = loop_now_us(parts->loop);
	if (open_server(api, path, err) < 0) {
		(void)err_prefix(err, "open the control socket");
		api_close(api);
		return NULL;
	}
	return api;
}

void
api_close(struct api *api)
{
	if (api == NULL)
		return;
	http_server_free(api->server);
	loop_free_later(api->parts.loop, api);
}

static cJSON *
checked(cJSON *item)
{
	if (item == NULL)
		abort();
	return item;
}

void
api_send(struct http_exchange *exchange, int status, cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);

	if (text == NULL)
		abort();
	http_exchange_json(exchange, status, text);
	cJSON_free(text);
	cJSON_Delete(json);
}

void
api_send_ok(struct http_exchange *exchange)
{
	http_exchange_json(exchange, 200, "{}");
}

cJSON *
api_body(struct http_exchange *exchange)
{
	struct bytes text = http_exchange_body(exchange);
	cJSON *body =
	    text.len > 0 ? cJSON_ParseWithLength((const char *)text.data, text.len) : NULL;

	if (cJSON_IsObject(body))
		return body;
	cJSON_Delete(body);
	http_exchange_error(exchange, 400, "the request's body is not a JSON object");
	return NULL;
}

bool
api_string(struct http_exchange *exchange, const cJSON *body, const char *name, const char **value)
{
	const cJSON *field = cJSON_GetObjectItemCaseSensitive(body, name);

	if (field == NULL)
		return true;
	*value = cJSON_GetStringValue(field);
	if (*value != NULL)
		return true;
	http_exchange_error(exchange, 400, "%s is not a string", name);
	return false;
}

char *
api_query_string(const struct http_exchange *exchange, const char *name)
{
	struct buf value = { 0 };
	char *text = NULL;

	if (http_exchange_query(exchange, name, &value))
		text = xstrdup(buf_string(&value));
	buf_clear(&value);
	return text;
}

unsigned
api_query_number(
    const struct http_exchange *exchange, const char *name, unsigned fallback, unsigned max)
{
	char *text = api_query_string(exchange, name);
	char *end = NULL;
	unsigned long value;

	if (text == NULL)
		return fallback;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0')
		value = fallback;
	free(text);
	return value > max ? max : (unsigned)value;
}

cJSON *
api_object(void)
{
	return checked(cJSON_CreateObject());
}

cJSON *
api_array(void)
{
	return checked(cJSON_CreateArray());
}

void
api_add(cJSON *object, const char *name, cJSON *value)
{
	if (!cJSON_AddItemToObject(object, name, checked(value)))
		abort();
}

void
api_add_string(cJSON *object, const char *name, const char *value)
{
	api_add(object, name, value != NULL ? cJSON_CreateString(value) : cJSON_CreateNull());
}

void
api_add_number(cJSON *object, const char *name, double value)
{
	api_add(object, name, cJSON_CreateNumber(value));
}

void
api_add_bool(cJSON *object, const char *name, bool value)
{
	api_add(object, name, cJSON_CreateBool(value));
}

void
api_add_bytes(cJSON *object, const char *name, struct bytes value)
{
	struct buf text = { 0 }, key = { 0 };
	bool plain =
	    utf8_is_valid(value) && (value.len == 0 || memchr(value.data, 0, value.len) == NULL);

	buf_printf(&key, "%s%s", name, plain ? "" : "_base64");
	if (plain)
		buf_append_bytes(&text, value);
	else
		base64_encode(value, &text);
	api_add_string(object, buf_string(&key), buf_string(&text));
	buf_clear(&key);
	buf_clear(&text);
}

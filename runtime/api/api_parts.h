/* SPDX-License-Identifier: MIT
 * Inside of the control API: what its files share.
 */
#ifndef RUNTIME_API_API_PARTS_H
#define RUNTIME_API_API_PARTS_H

#include <cjson/cJSON.h>

#include "runtime/api/api.h"

struct api {
	struct api_parts parts;
	struct http_server *server;
	int64_t started_us;
};

/* A table of routes; each is added with the api as its argument. */
struct api_table {
	const struct http_route *routes;
	size_t count;
};

extern const struct api_table api_credentials_table;
extern const struct api_table api_failed_table;
extern const struct api_table api_functions_table;
extern const struct api_table api_host_table;
extern const struct api_table api_leftovers_table;
extern const struct api_table api_logs_table;
extern const struct api_table api_messages_table;
extern const struct api_table api_shadow_table;
extern const struct api_table api_top_table;
extern const struct api_table api_traces_table;
extern const struct api_table api_tables_table;
extern const struct api_table api_export_table;
extern const struct api_table api_policies_table;
extern const struct api_table api_registry_table;
extern const struct api_table api_things_table;

/* Answers with the value and frees it. */
void api_send(struct http_exchange *exchange, int status, cJSON *json);
/* {} */
void api_send_ok(struct http_exchange *exchange);
/* The body as a JSON object; free with cJSON_Delete. NULL: it was none and that has been answered.
 */
cJSON *api_body(struct http_exchange *exchange);
/* A field of the body that must be a string where it is there; `fallback` where it is not. False:
 * it is something else; that has been answered. */
bool api_string(
    struct http_exchange *exchange, const cJSON *body, const char *name, const char **value);
/* A whole number of the query between 0 and `max`; `fallback` where it is not there or wrong. */
unsigned api_query_number(
    const struct http_exchange *exchange, const char *name, unsigned fallback, unsigned max);
/* A value of the query as an owned string; NULL where it is not there. */
char *api_query_string(const struct http_exchange *exchange, const char *name);

/* As cJSON's, but they end the process where memory ends. */
cJSON *api_object(void);
cJSON *api_array(void);
void api_add(cJSON *object, const char *name, cJSON *value);
void api_add_string(cJSON *object, const char *name, const char *value);
void api_add_number(cJSON *object, const char *name, double value);
void api_add_bool(cJSON *object, const char *name, bool value);
/* Bytes: as a string under `name` where they are UTF-8 without zeros, else in base64 under
 * `name`_base64. */
void api_add_bytes(cJSON *object, const char *name, struct bytes value);

struct host;
/* Puts the event of a dead letter (its row's JSON) in readable form in the place of its bytes: trigger,
 * subject, payload, ...; of a webhook method, URL and payload. What does not decode stays. */
void api_failed_event(struct host *host, struct buf *letter);

#endif

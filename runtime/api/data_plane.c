/* SPDX-License-Identifier: MIT
 * The data plane's routes. Who sends a request is found out first, and then asked with AWS' names
 * whether it may: the action "iot:Publish", the resource "topic/a/b".
 */
#include "runtime/api/data_plane.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/http_parse.h"
#include "lib/topic.h"
#include "runtime/api/api_parts.h"
#include "runtime/api/cross_origin.h"
#include "runtime/api/data_plane_parts.h"
#include "runtime/api/publish_headers.h"

enum { TRACE_BYTES = 37, PAGE_MAX = 200, EXPIRY_S_MAX = INT32_MAX };

static void
make_trace(const struct host *host, char out[TRACE_BYTES])
{
	uint8_t random[16];
	char *at = out;

	loop_sys(host->loop)->random(random, sizeof(random));
	random[6] = (random[6] & 0x0f) | 0x40; /* RFC 9562 §5.4 */
	random[8] = (random[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(random); i++)
		at += sprintf(
		    at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", random[i]);
}

static const struct {
	int status;
	const char *type;
} error_types[] = {
	{ 400, "InvalidRequestException" },
	{ 401, "UnauthorizedException" },
	{ 403, "ForbiddenException" },
	{ 404, "ResourceNotFoundException" },
	{ 409, "ConflictException" },
	{ 413, "RequestEntityTooLargeException" },
	{ 415, "UnsupportedDocumentEncodingException" },
	{ 429, "ThrottlingException" },
	{ 500, "InternalFailureException" },
	{ 503, "ServiceUnavailableException" },
};

static const char *
error_type(int status)
{
	for (size_t i = 0; i < sizeof(error_types) / sizeof(error_types[0]); i++) {
		if (error_types[i].status == status)
			return error_types[i].type;
	}
	return NULL;
}

void
data_plane_say(
    const struct host *host, struct http_exchange *exchange, int status, const char *message)
{
	const char *type = error_type(status);
	char trace[TRACE_BYTES];
	struct http_header headers[] = { { bytes_of_string("x-amzn-RequestId"),
					     bytes_of(trace, TRACE_BYTES - 1) },
		{ bytes_of_string("x-amzn-ErrorType"), bytes_of_string(type) } };
	cJSON *json = api_object();
	char *text;

	make_trace(host, trace);
	api_add_string(json, "message", message);
	api_add_string(json, "traceId", trace);
	text = cJSON_PrintUnformatted(json);
	if (text == NULL)
		abort();
	http_exchange_respond(exchange, &(struct http_answer){
					    .status = status,
					    .content_type = "application/json",
					    .headers = headers,
					    .header_count = type != NULL ? 2 : 1,
					    .body = bytes_of_string(text),
					});
	cJSON_free(text);
	cJSON_Delete(json);
}

bool
data_plane_permits(
    const struct data_plane_call *call, const char *action, const char *kind, struct bytes name)
{
	struct buf text = { 0 };

	if (access_may(call->host, call->identity, action, kind, name))
		return true;
	buf_printf(&text, "%s on %s%.*s is not allowed", action, kind, (int)name.len,
	    (const char *)name.data);
	data_plane_say(call->host, call->exchange, 403, buf_string(&text));
	buf_clear(&text);
	return false;
}

/* --- publish --- */

struct publication {
	struct ack ack;
	struct host *host;
	struct http_exchange *exchange;
};

static void
on_settled(struct ack *ack)
{
	struct publication *publication =
	    (struct publication *)(void *)((char *)ack - offsetof(struct publication, ack));

	if (ack->code == 0)
		data_plane_say(publication->host, publication->exchange, 200, "OK");
	else if (ack->code == MQTT_QUOTA_EXCEEDED)
		data_plane_say(
		    publication->host, publication->exchange, 429, mqtt_reason_text(ack->code));
	else
		data_plane_say(
		    publication->host, publication->exchange, 503, mqtt_reason_text(ack->code));
	free(publication);
}

static void
publish(struct host *host, struct http_exchange *exchange, const struct message *message)
{
	struct publication *publication;

	if (message->qos == 0) {
		(void)broker_publish(host->broker, message, NULL);
		data_plane_say(host, exchange, 200, "OK");
		return;
	}
	publication = xcalloc(1, sizeof(*publication));
	publication->host = host;
	publication->exchange = exchange;
	ack_init(&publication->ack, on_settled);
	(void)broker_publish(host->broker, message, &publication->ack);
	ack_release(&publication->ack, 0);
}

int64_t
data_plane_number(const struct http_exchange *exchange, const char *name, int64_t max)
{
	char *text = api_query_string(exchange, name), *end;
	int64_t number = 0;

	if (text != NULL && text[0] != '\0') {
		number = strtoll(text, &end, 10);
		if (*end != '\0' || number < 0 || number > max)
			number = -1;
	}
	free(text);
	return number;
}

/* 1 or 0, also where it is not there. -1: it is neither "true" nor "false". */
static int
query_flag(const struct http_exchange *exchange, const char *name)
{
	char *text = api_query_string(exchange, name);
	int flag = text == NULL || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? 0
		   : strcmp(text, "true") == 0 || strcmp(text, "1") == 0		? 1
											: -1;

	free(text);
	return flag;
}

static const char *
defect_of(const struct host *host, const struct message *message, int64_t qos, int64_t expiry_s,
    int retain)
{
	enum topic_defect defect = topic_name_check(message->topic);

	if (defect != TOPIC_OK)
		return topic_defect_text(defect);
	if (qos < 0)
		return "qos must be 0 or 1";
	if (expiry_s < 0)
		return "messageExpiry must be a number of seconds";
	if (retain < 0)
		return "retain must be true or false";
	return broker_topic_excess(host->broker, message->topic);
}

/* False: it has been answered. */
static bool
is_taken(struct host *host, struct http_exchange *exchange, const struct message *message)
{
	uint8_t reason = broker_takes(host->broker, message);

	if (reason == MQTT_QUOTA_EXCEEDED)
		data_plane_say(host, exchange, 429, "too many messages are retained");
	else if (reason != MQTT_SUCCESS)
		data_plane_say(host, exchange, 403, "nobody but the host publishes on this topic");
	return reason == MQTT_SUCCESS;
}

static void
post_topic(const struct data_plane_call *call)
{
	struct host *host = call->host;
	struct http_exchange *exchange = call->exchange;
	int64_t qos = data_plane_number(exchange, "qos", 1);
	int64_t expiry_s = data_plane_number(exchange, "messageExpiry", EXPIRY_S_MAX);
	int retain = query_flag(exchange, "retain");
	struct message message = {
		.topic = http_match_param(http_exchange_match(exchange), "topic"),
		.payload = http_exchange_body(exchange),
		.qos = qos > 0 ? 1 : 0,
		.retain = retain > 0,
		.has_expiry = expiry_s > 0,
		.expiry_s = expiry_s > 0 ? (uint32_t)expiry_s : 0,
	};
	const char *defect = defect_of(host, &message, qos, expiry_s, retain);
	struct buf properties = { 0 };
	struct err err;

	if (defect != NULL) {
		data_plane_say(host, exchange, 400, defect);
		return;
	}
	if (message.payload.len > (size_t)options_number(host->options, OPTION_PAYLOAD_BYTES_MAX)) {
		data_plane_say(host, exchange, 413, "the payload is larger than payload_bytes_max");
		return;
	}
	if (!data_plane_permits(call, "iot:Publish", "topic/", message.topic) ||
	    (message.retain &&
		!data_plane_permits(call, "iot:RetainPublish", "topic/", message.topic)))
		return;
	if (publish_headers_read(exchange, &properties, &err) < 0) {
		data_plane_say(host, exchange, 400, err.text);
	} else if (is_taken(host, exchange, &message)) {
		message.properties = buf_bytes(&properties);
		publish(host, exchange, &message);
	}
	buf_clear(&properties);
}

/* --- connections --- */

static void
delete_connection(const struct data_plane_call *call)
{
	struct host *host = call->host;
	struct http_exchange *exchange = call->exchange;
	struct bytes client = http_match_param(http_exchange_match(exchange), "client");
	int forget = query_flag(exchange, "cleanSession");
	int quietly = query_flag(exchange, "preventWillMessage");

	if (!data_plane_permits(call, "iot:DeleteConnection", "client/", client))
		return;
	if (forget < 0 || quietly < 0)
		data_plane_say(
		    host, exchange, 400, "cleanSession and preventWillMessage are true or false");
	else if (broker_cut(host->broker, client, forget > 0, quietly > 0))
		data_plane_say(host, exchange, 200, "OK");
	else
		data_plane_say(host, exchange, 404, "no client of this identifier is connected");
}

/* --- retained messages --- */

static cJSON *
describe(const struct retained_view *view)
{
	cJSON *json = api_object();
	char *topic = bytes_to_string(view->message.topic);

	api_add_string(json, "topic", topic);
	api_add_number(json, "qos", view->message.qos);
	if (view->changed_ms != 0)
		api_add_number(json, "lastModifiedTime", (double)view->changed_ms);
	free(topic);
	return json;
}

static void
get_retained(const struct data_plane_call *call)
{
	struct host *host = call->host;
	struct http_exchange *exchange = call->exchange;
	struct bytes topic = http_match_param(http_exchange_match(exchange), "topic");
	struct retained_view view;
	struct buf payload = { 0 };
	cJSON *json;

	if (!data_plane_permits(call, "iot:GetRetainedMessage", "topic/", topic))
		return;
	if (topic_name_check(topic) != TOPIC_OK ||
	    !broker_retained_find(host->broker, topic, &view)) {
		data_plane_say(host, exchange, 404, "no message is retained for this topic");
		return;
	}
	json = describe(&view);
	base64_encode(view.message.payload, &payload);
	api_add_string(json, "payload", buf_string(&payload));
	buf_reset(&payload);
	publish_headers_user(view.message.properties, &payload);
	if (payload.len > 0)
		api_add_string(json, "userProperties", buf_string(&payload));
	buf_clear(&payload);
	api_send(exchange, 200, json);
}

bool
data_plane_token(const struct http_exchange *exchange, struct buf *topic)
{
	struct buf token = { 0 };
	bool good = !http_exchange_query(exchange, "nextToken", &token) ||
		    base64_decode(buf_bytes(&token), topic) == 0;

	buf_clear(&token);
	return good;
}

void
data_plane_add_token(cJSON *json, struct bytes last)
{
	struct buf token = { 0 };

	base64_encode(last, &token);
	api_add_string(json, "nextToken", buf_string(&token));
	buf_clear(&token);
}

static void
list_retained(const struct data_plane_call *call)
{
	struct host *host = call->host;
	struct http_exchange *exchange = call->exchange;
	int64_t most = data_plane_number(exchange, "maxResults", PAGE_MAX);
	struct buf after = { 0 };
	struct retained_view view;
	cJSON *json, *topics;
	int64_t count = 0;

	if (most < 0 || !data_plane_token(exchange, &after)) {
		data_plane_say(
		    host, exchange, 400, "maxResults is 1 to 200, nextToken one of an answer");
		buf_clear(&after);
		return;
	}
	if (!data_plane_permits(call, "iot:ListRetainedMessages", "", bytes_of_string("*"))) {
		buf_clear(&after);
		return;
	}
	json = api_object();
	topics = api_array();
	while (count < (most > 0 ? most : PAGE_MAX) &&
	       broker_retained_next(host->broker, buf_bytes(&after), &view)) {
		cJSON *entry = describe(&view);

		api_add_number(entry, "payloadSize", (double)view.message.payload.len);
		if (!cJSON_AddItemToArray(topics, entry))
			abort();
		buf_reset(&after);
		buf_append_bytes(&after, view.message.topic);
		count++;
	}
	api_add(json, "retainedTopics", topics);
	if (count > 0 && broker_retained_next(host->broker, buf_bytes(&after), &view))
		data_plane_add_token(json, buf_bytes(&after));
	buf_clear(&after);
	api_send(exchange, 200, json);
}

static const struct data_plane_route routes[] = {
	{ HTTP_POST, "/topics/{topic...}", post_topic,
	    "qos=0|1, retain=true, contentType=, responseTopic=, messageExpiry=: publishes" },
	{ HTTP_DELETE, "/connections/{client...}", delete_connection,
	    "cleanSession=true, preventWillMessage=true: ends a client's connection" },
	{ HTTP_GET, "/retainedMessage/{topic...}", get_retained, "a retained message" },
	{ HTTP_GET, "/retainedMessage", list_retained,
	    "maxResults=, nextToken=: topics of retained messages" },
};

/* --- who is it? --- */

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) + DATA_PLANE_SHADOW_ROUTES };

struct entrance {
	struct host *host;
	const struct data_plane_route *route;
};

struct data_plane {
	struct entrance entrances[ROUTES];
};

struct visit {
	struct access_request request;
	const struct data_plane_route *route;
};

static int
status_of(uint8_t reason)
{
	if (reason == MQTT_BAD_CREDENTIALS)
		return 401;
	if (reason == MQTT_SERVER_BUSY || reason == MQTT_SERVER_UNAVAILABLE)
		return 503;
	return 403;
}

static void
let_in(struct access_request *request, const struct login_answer *answer)
{
	struct visit *visit = (struct visit *)(void *)request;
	const struct data_plane_call call = { request->host, request->exchange, answer->identity };

	if (answer->reason == MQTT_SUCCESS)
		visit->route->handle(&call);
	else
		data_plane_say(request->host, request->exchange, status_of(answer->reason),
		    mqtt_reason_text(answer->reason));
	identity_unref(answer->identity);
	free(visit);
}

/* A parameter that cannot be read must not count as one that is missing: `name` decides which
 * shadow is deleted. */
static bool
query_is_readable(const struct http_exchange *exchange)
{
	struct bytes query = http_exchange_head(exchange)->query, name, value;
	struct buf decoded = { 0 };
	bool readable = true;

	while (readable && http_query_next(&query, &name, &value)) {
		buf_reset(&decoded);
		readable = http_decode(name, true, &decoded) == 0 &&
			   http_decode(value, true, &decoded) == 0;
	}
	buf_clear(&decoded);
	return readable;
}

/* False: it has been answered. */
static bool
is_welcome(struct host *host, struct http_exchange *exchange)
{
	const struct peer *peer = http_exchange_peer_of(exchange);

	if (peer == NULL || (!peer->is_tls && !peer->is_loopback)) {
		data_plane_say(host, exchange, 403, "this is served by HTTPS only");
		return false;
	}
	if (!cross_origin_permits(host, exchange)) {
		data_plane_say(host, exchange, 403,
		    "pages of this origin may not do this: the option ws_origins names those "
		    "that may");
		return false;
	}
	if (!query_is_readable(exchange)) {
		data_plane_say(host, exchange, 400, "the query has a wrong %XX");
		return false;
	}
	return true;
}

static void
show_options(void *arg, struct http_exchange *exchange)
{
	const struct entrance *entrance = arg;

	if (is_welcome(entrance->host, exchange))
		cross_origin_preflight(entrance->host, exchange, entrance->route->pattern);
}

static void
enter(void *arg, struct http_exchange *exchange)
{
	const struct entrance *entrance = arg;
	struct visit *visit;

	if (!is_welcome(entrance->host, exchange))
		return;
	visit = xcalloc(1, sizeof(*visit));
	visit->request = (struct access_request){ entrance->host, exchange, let_in };
	visit->route = entrance->route;
	access_request(&visit->request);
}

/* Once for each path. */
static int
add_options(struct entrance *entrance, struct err *err)
{
	struct http_server *server = entrance->host->http_server;
	const struct http_route route = { HTTP_OPTIONS, entrance->route->pattern, show_options,
		"what is taken here" };

	if (http_server_find(server, route.method, route.pattern) != NULL)
		return 0;
	return http_server_add(server, &route, entrance, err);
}

struct data_plane *
data_plane_open(struct host *host, struct err *err)
{
	struct data_plane *plane = xcalloc(1, sizeof(*plane));
	size_t own = sizeof(routes) / sizeof(routes[0]);

	for (size_t i = 0; i < ROUTES; i++) {
		const struct data_plane_route *row =
		    i < own ? &routes[i] : &data_plane_shadow_routes[i - own];
		const struct http_route route = { row->method, row->pattern, enter, row->help };

		plane->entrances[i] = (struct entrance){ host, row };
		if (http_server_add(host->http_server, &route, &plane->entrances[i], err) < 0 ||
		    add_options(&plane->entrances[i], err) < 0) {
			free(plane);
			return NULL;
		}
	}
	return plane;
}

void
data_plane_close(struct data_plane *plane)
{
	free(plane);
}

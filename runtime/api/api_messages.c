/* SPDX-License-Identifier: MIT
 * POST /v1/publish and GET /v1/subscribe: messages through the gateway.
 */
#include <stddef.h>
#include <stdlib.h>

#include "lib/base64.h"
#include "lib/topic.h"
#include "net/broker.h"
#include "runtime/api/api_parts.h"

/* A QoS 1 message is answered when it is acknowledged: all that it triggered is committed or
 * stands in the queue. */
struct publication {
	struct ack ack;
	struct http_exchange *exchange;
};

static void
on_settled(struct ack *ack)
{
	struct publication *publication =
	    (struct publication *)(void *)((char *)ack - offsetof(struct publication, ack));

	if (ack->code == 0)
		api_send_ok(publication->exchange);
	else
		http_exchange_error(publication->exchange, 503,
		    "the message was not accepted (MQTT reason 0x%02x)", ack->code);
	free(publication);
}

static void
publish(struct api *api, struct http_exchange *exchange, const struct message *message)
{
	struct publication *publication;

	if (message->qos == 0) {
		(void)broker_publish(api->parts.broker, message, NULL);
		api_send_ok(exchange);
		return;
	}
	publication = xcalloc(1, sizeof(*publication));
	publication->exchange = exchange;
	ack_init(&publication->ack, on_settled);
	(void)broker_publish(api->parts.broker, message, &publication->ack);
	ack_release(&publication->ack, 0);
}

/* The payload: a string as it is, base64 decoded, or any other value as JSON. False: answered. */
static bool
read_payload(struct http_exchange *exchange, const cJSON *body, struct buf *out)
{
	const cJSON *payload = cJSON_GetObjectItemCaseSensitive(body, "payload");
	const char *encoded = NULL;
	char *text;

	if (!api_string(exchange, body, "payload_base64", &encoded))
		return false;
	if (encoded != NULL && base64_decode(bytes_of_string(encoded), out) < 0) {
		http_exchange_error(exchange, 400, "payload_base64 is not base64");
		return false;
	}
	if (encoded != NULL || payload == NULL)
		return true;
	if (cJSON_IsString(payload)) {
		buf_append_string(out, payload->valuestring);
		return true;
	}
	text = cJSON_PrintUnformatted(payload);
	if (text == NULL)
		abort();
	buf_append_string(out, text);
	cJSON_free(text);
	return true;
}

static bool
read_message(
    struct http_exchange *exchange, const cJSON *body, struct buf *payload, struct message *message)
{
	const cJSON *qos = cJSON_GetObjectItemCaseSensitive(body, "qos");
	const char *topic = NULL;
	enum topic_defect defect;

	if (!api_string(exchange, body, "topic", &topic) || !read_payload(exchange, body, payload))
		return false;
	defect = topic_name_check(bytes_of_string(topic));
	if (defect != TOPIC_OK) {
		http_exchange_error(exchange, 400, "topic: %s", topic_defect_text(defect));
		return false;
	}
	if (qos != NULL && (!cJSON_IsNumber(qos) ||
			       (qos->valueint != 0 && qos->valueint != 1 && qos->valueint != 2))) {
		http_exchange_error(exchange, 400, "qos is not 0, 1 or 2");
		return false;
	}
	message->topic = bytes_of_string(topic);
	message->payload = buf_bytes(payload);
	message->qos = qos != NULL ? (uint8_t)qos->valueint : 0;
	message->retain = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "retain"));
	return true;
}

static void
post_publish(void *arg, struct http_exchange *exchange)
{
	cJSON *body = api_body(exchange);
	struct message message = { .qos = 0 };
	struct buf payload = { 0 };

	if (body == NULL)
		return;
	if (read_message(exchange, body, &payload, &message))
		publish(arg, exchange, &message);
	buf_clear(&payload);
	cJSON_Delete(body);
}

/* One who listens. */
struct listening {
	struct api *api;
	struct tap *tap;
	struct http_exchange *exchange;
};

static void
on_message(void *arg, const struct message *message)
{
	struct listening *listening = arg;
	struct loop *loop = listening->api->parts.loop;
	cJSON *line = api_object();
	char *text;

	api_add_bytes(line, "topic", message->topic);
	api_add_bytes(line, "payload", message->payload);
	api_add_number(line, "qos", message->qos);
	api_add_bool(line, "retain", message->retain);
	api_add_number(line, "time_ms", (double)loop_wall_ms(loop));
	text = cJSON_PrintUnformatted(line);
	if (text == NULL)
		abort();
	http_exchange_send(listening->exchange, bytes_of_string(text));
	http_exchange_send(listening->exchange, bytes_of_string("\n"));
	cJSON_free(text);
	cJSON_Delete(line);
}

static void
on_gone(void *arg)
{
	struct listening *listening = arg;

	broker_untap(listening->api->parts.broker, listening->tap);
	free(listening);
}

static void
get_subscribe(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	char *filter = api_query_string(exchange, "filter");
	enum topic_defect defect = topic_filter_check(bytes_of_string(filter));
	struct listening *listening;

	if (defect != TOPIC_OK) {
		http_exchange_error(exchange, 400, "filter: %s", topic_defect_text(defect));
		free(filter);
		return;
	}
	listening = xcalloc(1, sizeof(*listening));
	listening->api = api;
	listening->exchange = exchange;
	listening->tap =
	    broker_tap(api->parts.broker, bytes_of_string(filter), on_message, listening);
	free(filter);
	if (http_exchange_stream(exchange,
		&(struct http_answer){ .status = 200, .content_type = "application/x-ndjson" },
		on_gone, listening) < 0)
		on_gone(listening);
}

static const struct http_route routes[] = {
	{ HTTP_POST, "/v1/publish", post_publish,
	    "{topic, payload or payload_base64, qos, retain}: {} when it is acknowledged" },
	{ HTTP_GET, "/v1/subscribe", get_subscribe, "filter=FILTER: messages as JSON lines" },
};

const struct api_table api_messages_table = { routes, sizeof(routes) / sizeof(routes[0]) };

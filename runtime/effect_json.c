/* SPDX-License-Identifier: MIT
 * Results and effects of handlers, for people and programs.
 */
#include "runtime/effect_json.h"

#include <stdlib.h>

#include "lib/item_key.h"
#include "lib/mqtt_packet.h"
#include "runtime/api/api_parts.h"

void
result_json(cJSON *json, enum result_kind kind, struct bytes result)
{
	char *text;

	switch (kind) {
	case RESULT_NONE:
		break;
	case RESULT_RAW:
		api_add_bytes(json, "result", result);
		break;
	case RESULT_JSON:
		text = bytes_to_string(result);
		api_add(json, "result", cJSON_CreateRaw(text));
		free(text);
		break;
	}
}

static const char *const shadow_words[] = {
	[SHADOW_UPDATE] = "update",
	[SHADOW_DELETE] = "delete",
};

void
key_text(struct bytes key, struct buf *out)
{
	buf_append_u8(out, '[');
	for (bool first = true; key.len > 0; first = false) {
		if (!first)
			buf_append_u8(out, ',');
		if (!item_key_next(&key, out))
			break;
	}
	buf_append_u8(out, ']');
}

void
key_json(cJSON *json, struct bytes key)
{
	struct buf text = { 0 };

	key_text(key, &text);
	api_add(json, "key", cJSON_CreateRaw(buf_string(&text)));
	buf_clear(&text);
}

/* As mqtt.publish was given them. */
static void
properties_json(cJSON *json, const struct mqtt_props *props)
{
	cJSON *list = cJSON_AddObjectToObject(json, "properties");
	struct bytes name, value;
	size_t at = 0;

	if (mqtt_props_has(props, MQTT_CONTENT_TYPE))
		api_add_bytes(list, "content_type", props->content_type);
	if (mqtt_props_has(props, MQTT_RESPONSE_TOPIC))
		api_add_bytes(list, "response_topic", props->response_topic);
	if (mqtt_props_has(props, MQTT_CORRELATION_DATA))
		api_add_bytes(list, "correlation_data", props->correlation_data);
	while (mqtt_user_property_next(props->raw, &at, &name, &value)) {
		char *key = bytes_to_string(name);

		api_add_bytes(list, key, value);
		free(key);
	}
}

static void
publish_json(cJSON *json, const struct effect *effect)
{
	struct mqtt_defect defect;
	struct mqtt_props props;

	api_add_bytes(json, "publish", effect->first);
	api_add_bytes(json, "payload", effect->second);
	api_add_number(json, "qos", effect->qos);
	api_add_bool(json, "retain", effect->retain != 0);
	if (effect->expiry_s > 0)
		api_add_number(json, "expiry", effect->expiry_s);
	if (effect->third.len > 0 &&
	    mqtt_props_decode(effect->third, MQTT_PUBLISH, &props, &defect))
		properties_json(json, &props);
}

/* Its method, headers and body, of the fields of CALL_HTTP. */
static void
webhook_json(cJSON *json, struct bytes request)
{
	struct cursor cursor = cursor_of(request);
	struct bytes method = cursor_bytes(&cursor);
	cJSON *list = NULL;
	uint16_t headers;

	(void)cursor_bytes(&cursor);
	(void)cursor_u32(&cursor);
	(void)cursor_u8(&cursor);
	headers = cursor_u16(&cursor);
	api_add_bytes(json, "method", method);
	if (headers > 0)
		list = cJSON_AddObjectToObject(json, "headers");
	for (uint16_t i = 0; i < headers && !cursor.bad; i++) {
		char *name = bytes_to_string(cursor_bytes(&cursor));

		api_add_bytes(list, name, cursor_bytes(&cursor));
		free(name);
	}
	api_add_bytes(json, "payload", cursor_bytes(&cursor));
}

static void
timer_json(cJSON *json, const struct effect *effect)
{
	api_add_bytes(json, "timer", effect->first);
	if (effect->operation == TIMER_SET)
		api_add_number(json, "delay_ms", (double)effect->value);
	if (effect->second.len > 0)
		api_add_bytes(json, "payload", effect->second);
}

cJSON *
effect_json(const struct effect *effect)
{
	cJSON *json = api_object();

	switch (effect->kind) {
	case EFFECT_PUBLISH:
		publish_json(json, effect);
		break;
	case EFFECT_SHADOW:
		api_add_bytes(json, "shadow", effect->first);
		if (effect->second.len > 0)
			api_add_bytes(json, "name", effect->second);
		api_add_string(json, "operation", shadow_words[effect->operation]);
		if (effect->third.len > 0)
			api_add_bytes(json, "document", effect->third);
		break;
	case EFFECT_INVOKE:
		api_add_bytes(json, "invoke", effect->first);
		api_add_bytes(json, "payload", effect->second);
		break;
	case EFFECT_METRIC:
		api_add_bytes(json, "metric", effect->first);
		api_add_number(json, "value", (double)effect->value / 1000);
		break;
	case EFFECT_DB_PUT:
		api_add_bytes(json, "put", effect->first);
		api_add_bytes(json, "item", effect->second);
		break;
	case EFFECT_DB_DELETE:
		api_add_bytes(json, "delete", effect->first);
		key_json(json, effect->second);
		break;
	case EFFECT_READ:
		api_add_bytes(json, "read", effect->first);
		if (effect->operation == READ_ITEM)
			key_json(json, effect->second);
		else if (effect->operation == READ_SHADOW && effect->second.len > 0)
			api_add_bytes(json, "name", effect->second);
		break;
	case EFFECT_STATE:
		api_add_bytes(json, "state", effect->first);
		if (effect->second.len > 0)
			api_add_bytes(json, "value", effect->second);
		break;
	case EFFECT_TIMER:
		timer_json(json, effect);
		break;
	case EFFECT_WEBHOOK:
		api_add_bytes(json, "webhook", effect->first);
		webhook_json(json, effect->second);
		break;
	case EFFECT_READ_ROWS:
		api_add_bytes(json, "query", effect->first);
		api_add_number(json, "rows", effect->rows);
		break;
	}
	return json;
}

cJSON *
effects_json(struct bytes effects, uint16_t count)
{
	struct cursor cursor = cursor_of(effects);
	cJSON *list = api_array();
	struct effect effect;

	for (uint16_t i = 0; i < count && effect_read(&cursor, &effect); i++) {
		if (!cJSON_AddItemToArray(list, effect_json(&effect)))
			abort();
	}
	return list;
}

/* SPDX-License-Identifier: MIT
 * MQTT 5 properties as JSON.
 */
#include "runtime/message_context.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "lib/base64.h"

static void
add_text(cJSON *object, const char *name, struct bytes value)
{
	char *text = bytes_to_string(value);

	(void)cJSON_AddStringToObject(object, name, text);
	free(text);
}

static void
add_user_properties(cJSON *object, struct bytes raw)
{
	cJSON *properties = NULL;
	struct bytes name, value;
	size_t at = 0;

	while (mqtt_user_property_next(raw, &at, &name, &value)) {
		char *key = bytes_to_string(name);

		if (properties == NULL)
			properties = cJSON_AddObjectToObject(object, "properties");
		add_text(properties, key, value);
		free(key);
	}
}

void
message_context(const struct mqtt_props *props, struct buf *out)
{
	cJSON *object = cJSON_CreateObject();
	struct buf base64 = { 0 };
	char *text;

	if (mqtt_props_has(props, MQTT_CONTENT_TYPE))
		add_text(object, "content_type", props->content_type);
	if (mqtt_props_has(props, MQTT_RESPONSE_TOPIC))
		add_text(object, "response_topic", props->response_topic);
	if (mqtt_props_has(props, MQTT_CORRELATION_DATA)) {
		base64_encode(props->correlation_data, &base64);
		add_text(object, "correlation_data", buf_bytes(&base64));
	}
	add_user_properties(object, props->raw);
	text = cJSON_PrintUnformatted(object);
	if (text == NULL)
		abort();
	buf_append_string(out, text);
	cJSON_free(text);
	cJSON_Delete(object);
	buf_clear(&base64);
}

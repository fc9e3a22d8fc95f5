/* SPDX-License-Identifier: MIT
 * From query and headers to properties, and back.
 */
#include "runtime/api/publish_headers.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "lib/base64.h"
#include "lib/mqtt_packet.h"
#include "lib/topic.h"
#include "lib/utf8.h"
#include "net/http_server.h"
#include "runtime/api/api_parts.h"

enum { TEXT_MAX = 1024, USER_MAX = 100, USER_BYTES_MAX = 8192 };

/* What the views of the properties point to. */
struct reading {
	const struct http_exchange *exchange;
	struct mqtt_props props;
	struct buf content_type;
	struct buf response_topic;
	struct buf correlation;
	struct buf user;
	struct err *err;
};

static void
has(struct reading *reading, enum mqtt_property property)
{
	reading->props.present |= (uint64_t)1 << property;
}

static int
read_query(struct reading *reading)
{
	struct buf *type = &reading->content_type, *topic = &reading->response_topic;

	if (http_exchange_query(reading->exchange, "contentType", type)) {
		if (type->len > TEXT_MAX || !utf8_is_mqtt_string(buf_bytes(type)))
			return err_set(reading->err,
			    "contentType is UTF-8 text of at most %d bytes", TEXT_MAX);
		has(reading, MQTT_CONTENT_TYPE);
		reading->props.content_type = buf_bytes(type);
	}
	if (http_exchange_query(reading->exchange, "responseTopic", topic)) {
		enum topic_defect defect = topic_name_check(buf_bytes(topic));

		if (defect != TOPIC_OK)
			return err_set(
			    reading->err, "responseTopic: %s", topic_defect_text(defect));
		has(reading, MQTT_RESPONSE_TOPIC);
		reading->props.response_topic = buf_bytes(topic);
	}
	return 0;
}

/* An empty value where there is none. */
static struct bytes
header(const struct reading *reading, const char *name)
{
	return http_header_find(http_exchange_head(reading->exchange), name);
}

static int
read_format(struct reading *reading)
{
	struct bytes value = header(reading, "x-amz-mqtt5-payload-format-indicator");

	if (value.len == 0)
		return 0;
	has(reading, MQTT_PAYLOAD_FORMAT);
	reading->props.payload_format = bytes_equal_string(value, "UTF8_DATA");
	if (reading->props.payload_format == 0 && !bytes_equal_string(value, "UNSPECIFIED_BYTES"))
		return err_set(reading->err,
		    "x-amz-mqtt5-payload-format-indicator is UNSPECIFIED_BYTES or UTF8_DATA");
	if (reading->props.payload_format != 0 &&
	    !utf8_is_valid(http_exchange_body(reading->exchange)))
		return err_set(reading->err,
		    "x-amz-mqtt5-payload-format-indicator is UTF8_DATA, the payload is not UTF-8");
	return 0;
}

static int
read_correlation(struct reading *reading)
{
	struct bytes value = header(reading, "x-amz-mqtt5-correlation-data");

	if (value.len == 0)
		return 0;
	if (base64_decode(value, &reading->correlation) < 0)
		return err_set(reading->err, "x-amz-mqtt5-correlation-data is not base64");
	has(reading, MQTT_CORRELATION_DATA);
	reading->props.correlation_data = buf_bytes(&reading->correlation);
	return 0;
}

static bool
add_user(struct buf *out, const cJSON *object)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		return false;
	cJSON_ArrayForEach(member, object)
	{
		if (!cJSON_IsString(member))
			return false;
		mqtt_user_property_encode(
		    out, bytes_of_string(member->string), bytes_of_string(member->valuestring));
	}
	return true;
}

static int
read_user(struct reading *reading)
{
	struct bytes value = header(reading, "x-amz-mqtt5-user-properties");
	struct buf text = { 0 };
	cJSON *list = NULL;
	const cJSON *object;
	bool good;

	if (value.len == 0)
		return 0;
	good = base64_decode(value, &text) == 0 && utf8_is_valid(buf_bytes(&text));
	if (good)
		list = cJSON_ParseWithLength((const char *)text.data, text.len);
	good = cJSON_IsArray(list) && cJSON_GetArraySize(list) <= USER_MAX;
	cJSON_ArrayForEach(object, list) good = good && add_user(&reading->user, object);
	good = good && reading->user.len <= USER_BYTES_MAX;
	cJSON_Delete(list);
	buf_clear(&text);
	if (!good)
		return err_set(reading->err,
		    "x-amz-mqtt5-user-properties is base64 of a JSON array of at most %d objects "
		    "whose members are text, %d bytes together",
		    USER_MAX, USER_BYTES_MAX);
	has(reading, MQTT_USER_PROPERTY);
	reading->props.user = buf_bytes(&reading->user);
	return 0;
}

/* What mqtt_props_encode writes, without the length in front. */
static void
encode(const struct mqtt_props *props, struct buf *out)
{
	struct buf whole = { 0 };
	size_t skip = 0;

	if (props->present == 0)
		return;
	mqtt_props_encode(&whole, props);
	while ((whole.data[skip] & 0x80) != 0)
		skip++;
	buf_append(out, whole.data + skip + 1, whole.len - skip - 1);
	buf_clear(&whole);
}

int
publish_headers_read(const struct http_exchange *exchange, struct buf *out, struct err *err)
{
	struct reading reading = { .exchange = exchange, .err = err };
	int result = -1;

	if (read_query(&reading) == 0 && read_format(&reading) == 0 &&
	    read_correlation(&reading) == 0)
		result = read_user(&reading);
	if (result == 0)
		encode(&reading.props, out);
	buf_clear(&reading.content_type);
	buf_clear(&reading.response_topic);
	buf_clear(&reading.correlation);
	buf_clear(&reading.user);
	return result;
}

void
publish_headers_user(struct bytes properties, struct buf *out)
{
	struct bytes name, value;
	size_t at = 0;
	cJSON *list = NULL;
	char *text;

	while (mqtt_user_property_next(properties, &at, &name, &value)) {
		cJSON *object = api_object();
		char *key = bytes_to_string(name), *content = bytes_to_string(value);

		api_add_string(object, key, content);
		free(key);
		free(content);
		if (list == NULL)
			list = api_array();
		if (!cJSON_AddItemToArray(list, object))
			abort();
	}
	if (list == NULL)
		return;
	text = cJSON_PrintUnformatted(list);
	if (text == NULL)
		abort();
	base64_encode(bytes_of_string(text), out);
	cJSON_free(text);
	cJSON_Delete(list);
}

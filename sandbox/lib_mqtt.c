/* SPDX-License-Identifier: MIT
 * mqtt.publish(topic, payload[, {qos, retain, expiry, properties}]): an effect.
 */
#include <lauxlib.h>
#include <string.h>

#include "lib/mqtt_packet.h"
#include "lib/topic.h"
#include "lib/utf8.h"
#include "sandbox/world.h"

enum { PROPERTIES_BYTES_MAX = 16384 };

struct publish_options {
	uint8_t qos;
	uint8_t retain;
	uint32_t expiry_s;
};

static const char *const option_names[] = { "qos", "retain", "expiry", "properties", NULL };

static void
check_topic(lua_State *lua, struct bytes topic)
{
	enum topic_defect defect = topic_name_check(topic);

	if (defect != TOPIC_OK)
		(void)luaL_error(lua, "mqtt.publish: %s", topic_defect_text(defect));
}

static void
read_options(lua_State *lua, int index, struct publish_options *options)
{
	static const struct option_range qos = { "mqtt.publish", "qos", 0, 2, 0 };
	static const struct option_range expiry = { "mqtt.publish", "expiry", 1, UINT32_MAX, 0 };

	*options = (struct publish_options){ 0 };
	if (lua_isnoneornil(lua, index))
		return;
	world_check_options(lua, index, option_names, "mqtt.publish");
	options->qos = (uint8_t)world_option_integer(lua, index, &qos);
	options->expiry_s = (uint32_t)world_option_integer(lua, index, &expiry);
	(void)world_option(lua, index, "retain");
	options->retain = (uint8_t)lua_toboolean(lua, -1);
	lua_settop(lua, index);
}

static void
put_u16_text(lua_State *lua, struct sink *out, struct bytes text)
{
	if (text.len > UINT16_MAX || out->cap - out->len < text.len + 2)
		(void)luaL_error(lua, "mqtt.publish: the properties are too large");
	out->data[out->len++] = (uint8_t)(text.len >> 8);
	out->data[out->len++] = (uint8_t)text.len;
	if (text.len > 0)
		memcpy(out->data + out->len, text.data, text.len);
	out->len += text.len;
}

/* What no MQTT packet could carry. */
static void
check_property(lua_State *lua, const char *name, struct bytes value)
{
	if (strcmp(name, "correlation_data") == 0)
		return;
	if (!utf8_is_mqtt_string(bytes_of_string(name)) || !utf8_is_mqtt_string(value))
		(void)luaL_error(lua, "mqtt.publish: property \"%s\" is not UTF-8", name);
	if (strcmp(name, "response_topic") == 0 && topic_name_check(value) != TOPIC_OK)
		(void)luaL_error(lua, "mqtt.publish: response_topic: %s",
		    topic_defect_text(topic_name_check(value)));
}

/* The names that MQTT knows become its own properties, all others user properties. */
static void
put_property(lua_State *lua, struct sink *out, const char *name)
{
	static const struct {
		const char *name;
		uint8_t id;
	} known[] = { { "content_type", MQTT_CONTENT_TYPE },
		{ "response_topic", MQTT_RESPONSE_TOPIC },
		{ "correlation_data", MQTT_CORRELATION_DATA } };
	size_t len;
	const char *value = lua_tolstring(lua, -1, &len);

	if (value == NULL)
		(void)luaL_error(lua, "mqtt.publish: property \"%s\" is not a string", name);
	check_property(lua, name, bytes_of(value, len));
	if (out->cap - out->len < 1)
		(void)luaL_error(lua, "mqtt.publish: the properties are too large");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) == 0) {
			out->data[out->len++] = known[i].id;
			put_u16_text(lua, out, bytes_of(value, len));
			return;
		}
	}
	out->data[out->len++] = MQTT_USER_PROPERTY;
	put_u16_text(lua, out, bytes_of_string(name));
	put_u16_text(lua, out, bytes_of(value, len));
}

static void
read_properties(lua_State *lua, int index, struct sink *out)
{
	if (world_option(lua, index, "properties") == LUA_TNIL) {
		lua_settop(lua, index);
		return;
	}
	luaL_checktype(lua, -1, LUA_TTABLE);
	lua_pushnil(lua);
	while (lua_next(lua, -2) != 0) {
		if (lua_type(lua, -2) != LUA_TSTRING)
			(void)luaL_error(lua, "mqtt.publish: the names of properties are strings");
		lua_pushvalue(lua, -1);
		put_property(lua, out, lua_tostring(lua, -3));
		lua_pop(lua, 2);
	}
	lua_settop(lua, index);
}

static int
publish(lua_State *lua)
{
	uint8_t raw[PROPERTIES_BYTES_MAX];
	struct sink properties = { raw, 0, sizeof(raw) }, *out;
	struct publish_options options;
	struct bytes topic;

	(void)world_run(lua, "mqtt.publish");
	topic = world_string(lua, 1);
	check_topic(lua, topic);
	world_permit(lua, "publish", "mqtt.publish", topic);
	lua_settop(lua, 3);
	read_options(lua, 3, &options);
	if (!lua_isnil(lua, 3))
		read_properties(lua, 3, &properties);
	out = world_effect(lua, EFFECT_PUBLISH);
	sink_u8(lua, out, options.qos);
	sink_u8(lua, out, options.retain);
	sink_u32(lua, out, options.expiry_s);
	sink_bytes(lua, out, topic);
	sink_payload(lua, out, 2, "payload");
	sink_bytes(lua, out, bytes_of(properties.data, properties.len));
	world_effect_end(lua);
	return 0;
}

int
lib_mqtt(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "publish", publish }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

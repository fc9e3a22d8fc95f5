/* SPDX-License-Identifier: MIT
 * Fields of MQTT packets (MQTT 5.0 §1.5).
 */
#include "lib/mqtt_read.h"

#include <assert.h>

#include "lib/utf8.h"

bool
mqtt_refuse(struct mqtt_defect *defect, enum mqtt_reason reason, const char *text)
{
	*defect = (struct mqtt_defect){ .reason = (uint8_t)reason, .text = text };
	return false;
}

struct bytes
mqtt_read_bytes(struct mqtt_reader *reader, size_t len)
{
	struct bytes bytes;

	if (mqtt_left(reader) < len || reader->bad) {
		reader->bad = true;
		return bytes_of(NULL, 0);
	}
	bytes = bytes_of(reader->at, len);
	reader->at += len;
	return bytes;
}

uint8_t
mqtt_read_u8(struct mqtt_reader *reader)
{
	struct bytes raw = mqtt_read_bytes(reader, 1);

	return raw.len == 1 ? raw.data[0] : 0;
}

uint16_t
mqtt_read_u16(struct mqtt_reader *reader)
{
	struct bytes raw = mqtt_read_bytes(reader, 2);

	return raw.len == 2 ? (uint16_t)(raw.data[0] << 8 | raw.data[1]) : 0;
}

uint32_t
mqtt_read_u32(struct mqtt_reader *reader)
{
	uint32_t high = mqtt_read_u16(reader);

	return high << 16 | mqtt_read_u16(reader);
}

uint32_t
mqtt_read_varint(struct mqtt_reader *reader)
{
	uint32_t value = 0;

	for (int shift = 0; shift < 28; shift += 7) {
		uint8_t digit = mqtt_read_u8(reader);

		value |= (uint32_t)(digit & 0x7f) << shift;
		if ((digit & 0x80) != 0)
			continue;
		if (digit == 0 && shift > 0)
			break;
		return reader->bad ? 0 : value;
	}
	reader->bad = true;
	return 0;
}

struct bytes
mqtt_read_binary(struct mqtt_reader *reader)
{
	uint16_t len = mqtt_read_u16(reader);

	return mqtt_read_bytes(reader, len);
}

struct bytes
mqtt_read_string(struct mqtt_reader *reader)
{
	struct bytes text = mqtt_read_binary(reader);

	if (!utf8_is_mqtt_string(text))
		reader->bad = true;
	return text;
}

bool
mqtt_read_props(struct mqtt_reader *reader, uint8_t version, int type, struct mqtt_props *props,
    struct mqtt_defect *defect)
{
	struct bytes raw;

	*props = (struct mqtt_props){ 0 };
	if (version < MQTT_VERSION_5)
		return true;
	raw = mqtt_read_bytes(reader, mqtt_read_varint(reader));
	if (reader->bad)
		return mqtt_refuse(
		    defect, MQTT_MALFORMED, "the properties are longer than the packet");
	return raw.len == 0 || mqtt_props_decode(raw, type, props, defect);
}

void
mqtt_write_u16(struct buf *out, uint16_t value)
{
	uint8_t *at = buf_reserve(out, 2);

	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	out->len += 2;
}

void
mqtt_write_u32(struct buf *out, uint32_t value)
{
	mqtt_write_u16(out, (uint16_t)(value >> 16));
	mqtt_write_u16(out, (uint16_t)value);
}

void
mqtt_write_varint(struct buf *out, uint32_t value)
{
	uint8_t *at = buf_reserve(out, 4);
	size_t i = 0;

	assert(value < 1u << 28);
	do {
		at[i] = (uint8_t)(value & 0x7f);
		value >>= 7;
		if (value > 0)
			at[i] |= 0x80;
		i++;
	} while (value > 0);
	out->len += i;
}

void
mqtt_write_binary(struct buf *out, struct bytes bytes)
{
	assert(bytes.len <= UINT16_MAX);
	mqtt_write_u16(out, (uint16_t)bytes.len);
	buf_append_bytes(out, bytes);
}

size_t
mqtt_varint_size(uint32_t value)
{
	return value < 1u << 7 ? 1 : value < 1u << 14 ? 2 : value < 1u << 21 ? 3 : 4;
}

/* SPDX-License-Identifier: MIT
 * What the parts of the codec share: big-endian fields read by a cursor, and written.
 */
#ifndef LIB_MQTT_READ_H
#define LIB_MQTT_READ_H

#include "lib/bytes.h"
#include "lib/mqtt_packet.h"

/* Reads until something does not fit; then `bad`, and everything reads as 0 or empty. */
struct mqtt_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline struct mqtt_reader
mqtt_reader_of(struct bytes bytes)
{
	return (struct mqtt_reader){ .at = bytes.data, .end = bytes.data + bytes.len };
}

static inline size_t
mqtt_left(const struct mqtt_reader *reader)
{
	return reader->bad ? 0 : (size_t)(reader->end - reader->at);
}

struct bytes mqtt_read_bytes(struct mqtt_reader *reader, size_t len);
uint8_t mqtt_read_u8(struct mqtt_reader *reader);
uint16_t mqtt_read_u16(struct mqtt_reader *reader);
uint32_t mqtt_read_u32(struct mqtt_reader *reader);
/* At most four bytes, and no more than the value needs (MQTT 5.0 §1.5.5). */
uint32_t mqtt_read_varint(struct mqtt_reader *reader);
struct bytes mqtt_read_binary(struct mqtt_reader *reader); /* u16 length and bytes */
struct bytes mqtt_read_string(struct mqtt_reader *reader); /* bad where it is no MQTT string */
/* Properties with their length in front. Empty for versions before 5. */
bool mqtt_read_props(struct mqtt_reader *reader, uint8_t version, int type,
    struct mqtt_props *props, struct mqtt_defect *defect);

void mqtt_write_u16(struct buf *out, uint16_t value);
void mqtt_write_u32(struct buf *out, uint32_t value);
void mqtt_write_varint(struct buf *out, uint32_t value);
void mqtt_write_binary(struct buf *out, struct bytes bytes);
size_t mqtt_varint_size(uint32_t value);

/* Fills the defect and returns false. */
bool mqtt_refuse(struct mqtt_defect *defect, enum mqtt_reason reason, const char *text);

#endif

/* SPDX-License-Identifier: MIT
 * The MQTT codec: packets of 3.1, 3.1.1 and 5.0 as structs of borrowed views, in both directions.
 *
 * Decoding goes by two steps: mqtt_header_decode says from the fixed header alone how long a
 * packet is or that it is refused; when it is complete, the function of its type decodes the rest
 * of it. A decoder returns true, or false with the defect: the MQTT 5 reason code that the
 * specification asks for, and what was wrong. Nothing is allocated; views last as long as the
 * input.
 *
 * Encoders append whole packets to a buffer.
 */
#ifndef LIB_MQTT_PACKET_H
#define LIB_MQTT_PACKET_H

#include "lib/bytes.h"

enum mqtt_version { MQTT_VERSION_3_1 = 3, MQTT_VERSION_3_1_1 = 4, MQTT_VERSION_5 = 5 };

enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_CONNACK,
	MQTT_PUBLISH,
	MQTT_PUBACK,
	MQTT_PUBREC,
	MQTT_PUBREL,
	MQTT_PUBCOMP,
	MQTT_SUBSCRIBE,
	MQTT_SUBACK,
	MQTT_UNSUBSCRIBE,
	MQTT_UNSUBACK,
	MQTT_PINGREQ,
	MQTT_PINGRESP,
	MQTT_DISCONNECT,
	MQTT_AUTH,
};

/* MQTT 5.0 §2.4. */
enum mqtt_reason {
	MQTT_SUCCESS = 0x00,
	MQTT_GRANTED_QOS_1 = 0x01,
	MQTT_GRANTED_QOS_2 = 0x02,
	MQTT_DISCONNECT_WITH_WILL = 0x04,
	MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
	MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
	MQTT_UNSPECIFIED = 0x80,
	MQTT_MALFORMED = 0x81,
	MQTT_PROTOCOL_ERROR = 0x82,
	MQTT_IMPLEMENTATION_ERROR = 0x83,
	MQTT_UNSUPPORTED_VERSION = 0x84,
	MQTT_CLIENT_ID_INVALID = 0x85,
	MQTT_BAD_CREDENTIALS = 0x86,
	MQTT_NOT_AUTHORIZED = 0x87,
	MQTT_SERVER_UNAVAILABLE = 0x88,
	MQTT_SERVER_BUSY = 0x89,
	MQTT_SERVER_SHUTTING_DOWN = 0x8b,
	MQTT_BAD_AUTH_METHOD = 0x8c,
	MQTT_KEEP_ALIVE_TIMEOUT = 0x8d,
	MQTT_SESSION_TAKEN_OVER = 0x8e,
	MQTT_FILTER_INVALID = 0x8f,
	MQTT_TOPIC_INVALID = 0x90,
	MQTT_PACKET_ID_IN_USE = 0x91,
	MQTT_PACKET_ID_NOT_FOUND = 0x92,
	MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
	MQTT_TOPIC_ALIAS_INVALID = 0x94,
	MQTT_PACKET_TOO_LARGE = 0x95,
	MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
	MQTT_QUOTA_EXCEEDED = 0x97,
	MQTT_ADMINISTRATIVE = 0x98,
	MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
	MQTT_RETAIN_NOT_SUPPORTED = 0x9a,
	MQTT_QOS_NOT_SUPPORTED = 0x9b,
	MQTT_SHARED_NOT_SUPPORTED = 0x9e,
	MQTT_CONNECTION_RATE_EXCEEDED = 0x9f,
	MQTT_SUBSCRIPTION_ID_NOT_SUPPORTED = 0xa1,
	MQTT_WILDCARD_NOT_SUPPORTED = 0xa2,
};

const char *mqtt_reason_text(uint8_t reason); /* "Session taken over"; "Reason 0xNN" is "unknown" */

enum mqtt_result { MQTT_OK, MQTT_MORE, MQTT_BAD };

struct mqtt_defect {
	uint8_t reason;
	const char *text; /* constant */
};

struct mqtt_header {
	uint8_t type;
	uint8_t flags;
	uint32_t head_bytes; /* 2 to 5 */
	uint32_t rest_bytes;
};

/* Checks type and flags too. `packet_bytes_max` bounds head and rest together. */
enum mqtt_result mqtt_header_decode(struct bytes in, uint32_t packet_bytes_max,
    struct mqtt_header *header, struct mqtt_defect *defect);

/* MQTT 5.0 §2.2.2.2; the bit of `present` is 1 << number. */
enum mqtt_property {
	MQTT_PAYLOAD_FORMAT = 1,
	MQTT_MESSAGE_EXPIRY = 2,
	MQTT_CONTENT_TYPE = 3,
	MQTT_RESPONSE_TOPIC = 8,
	MQTT_CORRELATION_DATA = 9,
	MQTT_SUBSCRIPTION_ID = 11,
	MQTT_SESSION_EXPIRY = 17,
	MQTT_ASSIGNED_CLIENT_ID = 18,
	MQTT_SERVER_KEEP_ALIVE = 19,
	MQTT_AUTH_METHOD = 21,
	MQTT_AUTH_DATA = 22,
	MQTT_REQUEST_PROBLEM_INFO = 23,
	MQTT_WILL_DELAY = 24,
	MQTT_REQUEST_RESPONSE_INFO = 25,
	MQTT_RESPONSE_INFO = 26,
	MQTT_SERVER_REFERENCE = 28,
	MQTT_REASON_STRING = 31,
	MQTT_RECEIVE_MAXIMUM = 33,
	MQTT_TOPIC_ALIAS_MAXIMUM = 34,
	MQTT_TOPIC_ALIAS = 35,
	MQTT_MAXIMUM_QOS = 36,
	MQTT_RETAIN_AVAILABLE = 37,
	MQTT_USER_PROPERTY = 38,
	MQTT_MAXIMUM_PACKET_SIZE = 39,
	MQTT_WILDCARD_AVAILABLE = 40,
	MQTT_SUBSCRIPTION_ID_AVAILABLE = 41,
	MQTT_SHARED_AVAILABLE = 42,
};

/* All zero is "none". Fields count only where their bit stands in `present`. */
struct mqtt_props {
	uint64_t present;
	struct bytes raw;  /* decoded: all properties as they came, without their length */
	struct bytes user; /* to encode: user properties, encoded one after another */
	uint32_t message_expiry_s;
	uint32_t subscription_id; /* the first, where a PUBLISH has several */
	uint32_t session_expiry_s;
	uint32_t will_delay_s;
	uint32_t maximum_packet_size;
	uint16_t server_keep_alive_s;
	uint16_t receive_maximum;
	uint16_t topic_alias_maximum;
	uint16_t topic_alias;
	uint8_t payload_format;
	uint8_t request_problem_info;
	uint8_t request_response_info;
	uint8_t maximum_qos;
	uint8_t retain_available;
	uint8_t wildcard_available;
	uint8_t subscription_id_available;
	uint8_t shared_available;
	struct bytes content_type;
	struct bytes response_topic;
	struct bytes correlation_data;
	struct bytes assigned_client_id;
	struct bytes auth_method;
	struct bytes auth_data;
	struct bytes response_info;
	struct bytes server_reference;
	struct bytes reason_string;
};

static inline bool
mqtt_props_has(const struct mqtt_props *props, enum mqtt_property property)
{
	return (props->present >> property & 1) != 0;
}

/* What `raw` may hold beside packet types: the properties of a will. */
enum { MQTT_WILL = 16 };

/* Decodes properties without their length, for a packet of `type` (enum mqtt_type or MQTT_WILL). */
bool mqtt_props_decode(
    struct bytes raw, int type, struct mqtt_props *props, struct mqtt_defect *defect);
/* Appends length and properties. */
void mqtt_props_encode(struct buf *out, const struct mqtt_props *props);
/* Appends those properties of a PUBLISH or a will that go on to subscribers unchanged (MQTT 5.0
 * §3.3.2.3): all but topic alias, subscription identifiers, message expiry and will delay. */
void mqtt_props_forward(struct buf *out, struct bytes raw);
/* Walks the user properties in `raw`; `*at` starts at 0. False at the end. */
bool mqtt_user_property_next(struct bytes raw, size_t *at, struct bytes *name, struct bytes *value);
/* The same for the subscription identifiers of a PUBLISH. */
bool mqtt_subscription_id_next(struct bytes raw, size_t *at, uint32_t *id);
void mqtt_user_property_encode(struct buf *out, struct bytes name, struct bytes value);

struct mqtt_connect {
	uint8_t version; /* enum mqtt_version */
	/* By the version's highest bit, as Mosquitto's bridges of 3.1 and 3.1.1 say it: what it
	 * sends shall not come back to it, and RETAIN shall stay as it was published. */
	bool is_bridge;
	bool clean_start;
	uint16_t keep_alive_s;
	struct bytes client_id;
	bool has_will;
	uint8_t will_qos;
	bool will_retain;
	struct bytes will_topic;
	struct bytes will_payload;
	struct mqtt_props will_props;
	bool has_user;
	bool has_password;
	struct bytes user;
	struct bytes password;
	struct mqtt_props props;
};

struct mqtt_connack {
	bool session_present;
	uint8_t reason; /* MQTT 5 code; encoded as the nearest return code for 3.1.1 */
	struct mqtt_props props;
};

struct mqtt_publish {
	bool dup;
	bool retain;
	uint8_t qos;
	uint16_t packet_id; /* 0 for QoS 0 */
	struct bytes topic; /* empty only with a topic alias */
	struct bytes payload;
	struct mqtt_props props;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
struct mqtt_ack {
	uint16_t packet_id;
	uint8_t reason;
	struct mqtt_props props;
};

/* SUBSCRIBE, UNSUBSCRIBE; the filters are checked for their framing and walked with
 * mqtt_filter_next. */
struct mqtt_subscribe {
	uint16_t packet_id;
	struct mqtt_props props;
	struct bytes filters;
	uint32_t count;
};

/* §3.8.3.1; for 3.1.1 only the QoS. */
struct mqtt_filter {
	struct bytes filter;
	uint8_t qos;
	bool no_local;
	bool retain_as_published;
	uint8_t retain_handling;
};

/* SUBACK, UNSUBACK. */
struct mqtt_suback {
	uint16_t packet_id;
	struct mqtt_props props;
	struct bytes codes;
};

/* DISCONNECT, AUTH. */
struct mqtt_disconnect {
	uint8_t reason;
	struct mqtt_props props;
};

/* Decoders take the header and the `rest_bytes` behind it. */
bool mqtt_connect_decode(
    struct bytes rest, struct mqtt_connect *connect, struct mqtt_defect *defect);
bool mqtt_connack_decode(
    struct bytes rest, uint8_t version, struct mqtt_connack *connack, struct mqtt_defect *defect);
/* The topic is not checked for wildcards and UTF-8: topic_name_check does. */
bool mqtt_publish_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_publish *publish, struct mqtt_defect *defect);
bool mqtt_ack_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_ack *ack, struct mqtt_defect *defect);
bool mqtt_subscribe_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_subscribe *subscribe, struct mqtt_defect *defect);
bool mqtt_suback_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_suback *suback, struct mqtt_defect *defect);
bool mqtt_disconnect_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_disconnect *disconnect, struct mqtt_defect *defect);

/* Walks the filters of a decoded SUBSCRIBE (`with_options`) or UNSUBSCRIBE; `*at` starts at 0. */
bool mqtt_filter_next(
    struct bytes filters, bool with_options, size_t *at, struct mqtt_filter *filter);

void mqtt_connect_encode(struct buf *out, const struct mqtt_connect *connect);
void mqtt_connack_encode(struct buf *out, uint8_t version, const struct mqtt_connack *connack);
void mqtt_ack_encode(
    struct buf *out, enum mqtt_type type, uint8_t version, const struct mqtt_ack *ack);
void mqtt_subscribe_encode(struct buf *out, uint8_t version, uint16_t packet_id,
    const struct mqtt_props *props, const struct mqtt_filter *filter);
void mqtt_unsubscribe_encode(
    struct buf *out, uint8_t version, uint16_t packet_id, struct bytes filter);
/* `codes`: one for each filter, MQTT 5 reason codes; for 3.1.1 failures become 0x80 and an
 * UNSUBACK has none. */
void mqtt_suback_encode(
    struct buf *out, enum mqtt_type type, uint8_t version, const struct mqtt_suback *suback);
void mqtt_disconnect_encode(struct buf *out, const struct mqtt_disconnect *disconnect);
void mqtt_ping_encode(struct buf *out, enum mqtt_type type); /* PINGREQ, PINGRESP */

/* A PUBLISH that goes out. For 5.0 the properties are: `expiry_s` where `has_expiry`, subscription
 * identifiers, topic alias (0: none), and `forward` (as mqtt_props_forward gives it). */
struct mqtt_outgoing {
	bool dup;
	bool retain;
	uint8_t qos;
	uint8_t version;
	uint16_t packet_id;
	uint16_t topic_alias;
	bool has_expiry;
	uint32_t expiry_s;
	const uint32_t *subscription_ids;
	size_t subscription_id_count;
	struct bytes topic;
	struct bytes forward;
	size_t payload_len;
};

/* The size of the whole packet with its payload. */
size_t mqtt_publish_size(const struct mqtt_outgoing *publish);
/* Appends everything but the payload; the caller appends `payload_len` bytes behind it. Returns
 * where the packet id stands in `out` (0 for QoS 0), so that a copy can be given another one. */
size_t mqtt_publish_encode(struct buf *out, const struct mqtt_outgoing *publish);

#endif

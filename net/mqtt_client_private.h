/* SPDX-License-Identifier: MIT
 * The client's insides, for the files net/mqtt_client*.c.
 *
 *   receipts   QoS 1 messages that came, in their order: being worked on, or done and waiting for
 *              those in front of them
 *   parcels    QoS 1 messages that go, in their order; the first `parcels_sent` are on their way
 *
 * A receipt of an earlier connection is adrift. Where the broker has kept the session, it sends
 * that message again, and the receipt is taken up instead of doing the work twice.
 */
#ifndef NET_MQTT_CLIENT_PRIVATE_H
#define NET_MQTT_CLIENT_PRIVATE_H

#include "lib/hash.h"
#include "lib/queue.h"
#include "lib/topic.h"
#include "net/lookup.h"
#include "net/mqtt_client.h"

struct receipt {
	TAILQ_ENTRY(receipt) link;
	struct ack ack;
	struct mqtt_client *client; /* NULL: nobody waits for it any more */
	uint64_t connection;	    /* on which it came */
	uint64_t mark;		    /* of what it is, to know it again */
	int64_t came_us;
	uint16_t packet_id;
	bool done;
};

struct filter {
	struct hash_node by_text;
	TAILQ_ENTRY(filter) link;
	uint32_t number;    /* the subscription identifier as well */
	uint16_t packet_id; /* of the SUBSCRIBE that has no answer; 0: none */
	bool refused;
	char text[];
};

struct parcel {
	TAILQ_ENTRY(parcel) link;
	struct ack *ack;
	struct bytes topic, payload, properties; /* in `data` */
	int64_t expires_us;			 /* INT64_MAX: never */
	uint16_t packet_id;			 /* 0: not sent yet */
	bool retain;
	bool sent_before;
	uint8_t data[];
};

TAILQ_HEAD(receipts, receipt);
TAILQ_HEAD(filters, filter);
TAILQ_HEAD(parcels, parcel);

struct mqtt_client {
	struct loop *loop;
	struct mqtt_client_config config;
	struct mqtt_client_events events;
	enum mqtt_client_state state;
	struct timer timer;    /* what it means depends on the state */
	struct timer overtake; /* receipts that wait for a slow one in front of them */
	struct lookup *lookup;
	const struct addrinfo *address; /* the one that is tried */
	struct tls_handshake *handshake; /* NULL: none under way */
	struct watch connecting;
	int fd; /* of the connection that is made; -1: none */
	struct conn_group *group;
	struct conn *conn;
	uint64_t connection;	  /* counts CONNACKs */
	uint32_t attempts;	  /* since a connection held */
	uint32_t silent_attempts; /* that ended without an answer to TCP */
	int64_t connected_us;
	int64_t last_input_us;
	int64_t next_attempt_us;
	uint16_t keep_alive_s; /* the broker may have set it */
	uint8_t version;       /* to try, or in use */
	bool version_agreed;
	bool shared;
	bool numbers; /* the broker takes subscription identifiers */
	bool paused;
	bool holding;
	bool told_why;	  /* this connection's end has its reason in `why` already */
	bool try_at_once; /* the next attempt waits for nothing */
	bool freeing;
	bool taken_over;
	struct filters filters; /* in the order in which they are asked for */
	struct hash_map filter_map;
	struct filter *suback_next; /* where the next SUBACK is looked for first */
	uint32_t filters_refused;
	uint16_t last_subscribe_id;
	struct receipts receipts;
	uint32_t window; /* receipts of this connection */
	struct parcels parcels;
	uint32_t parcel_count;
	uint32_t parcels_sent;
	uint32_t send_maximum;	   /* parcels on their way, at most */
	uint32_t packet_bytes_max; /* that the broker takes */
	uint8_t qos_max;	   /* that the broker takes */
	uint16_t last_publish_id;
	uint8_t version_seen;
	uint64_t messages_in, messages_out, duplicates_in;
	struct buf scratch;
	struct buf properties; /* of the message that is handed over */
	char why[160];
};

/* Packet identifiers of SUBSCRIBE and UNSUBSCRIBE, and of PUBLISH. */
enum { SUBSCRIBE_ID_MAX = 32767, PUBLISH_ID_MIN = 32768, PUBLISH_ID_MAX = 65535 };

/* mqtt_client.c */
/* Ends the connection; with a reason the broker is told, where it understands. */
void mqtt_client_fail(struct mqtt_client *client, uint8_t reason, const char *why);
void mqtt_client_established(struct mqtt_client *client);
void mqtt_client_update_reading(struct mqtt_client *client);
static inline bool
mqtt_client_is_live(const struct mqtt_client *client)
{
	return client->state == MQTT_CLIENT_CONNECTED && client->conn != NULL &&
	       !conn_is_ending(client->conn);
}

/* mqtt_client_session.c */
void mqtt_client_greet(struct mqtt_client *client); /* writes CONNECT */
/* False where the connection was ended. */
bool mqtt_client_packet(
    struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest);
void mqtt_client_subscribe_all(struct mqtt_client *client);
void filters_free(struct mqtt_client *client);

/* mqtt_client_receipt.c */
void receipts_connected(struct mqtt_client *client, bool session_present);
/* A QoS 1 message came. NULL: it is being worked on already. */
struct receipt *receipt_new(struct mqtt_client *client, const struct mqtt_publish *publish);
void receipts_abandon(struct mqtt_client *client);
void receipts_overtake(void *arg);

/* mqtt_client_publish.c */
void parcels_connected(struct mqtt_client *client, bool session_present);
void parcels_pump(struct mqtt_client *client);
void parcel_acknowledged(struct mqtt_client *client, const struct mqtt_ack *ack);
void parcels_abandon(struct mqtt_client *client);

#endif

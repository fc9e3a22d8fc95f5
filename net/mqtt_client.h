/* SPDX-License-Identifier: MIT
 * An MQTT client on the loop, for brokers that exist already: MQTT 5, or 3.1.1 where the broker
 * knows no better. It connects, subscribes and, when the connection ends, does so again for ever,
 * with growing pauses.
 *
 * Messages come at QoS 0 and 1. The acknowledgement of a QoS 1 message leaves when everybody has
 * released its `struct ack`; what was not acknowledged when a connection ends the broker sends
 * again on the next one (the session is kept: clean start false). The receive maximum bounds how
 * many messages are on their way.
 */
#ifndef NET_MQTT_CLIENT_H
#define NET_MQTT_CLIENT_H

#include "net/broker.h"
#include "net/tls.h"

struct mqtt_client;

enum mqtt_client_state {
	MQTT_CLIENT_STOPPED,
	MQTT_CLIENT_LOOKUP,	/* asks for the host's addresses */
	MQTT_CLIENT_CONNECTING, /* TCP, and TLS on it */
	MQTT_CLIENT_GREETING,	/* CONNECT sent, CONNACK expected */
	MQTT_CLIENT_CONNECTED,
	MQTT_CLIENT_WAITING, /* until the next attempt */
};

const char *mqtt_client_state_name(enum mqtt_client_state state); /* "connected", ... */

/* All texts are copied. */
struct mqtt_client_config {
	const char *name; /* how the log calls the broker */
	const char *host;
	uint16_t port;
	const char *client_id;
	const char *user;	     /* NULL: none */
	const char *password;	     /* NULL: none */
	const char *share;	     /* group of the shared subscriptions; NULL: not shared */
	struct tls *tls;	     /* NULL: no TLS. Must last */
	struct tls_context *context; /* of the client's side; a reference is taken */
	uint32_t session_expiry_s;
	uint32_t packet_bytes_max;
	uint32_t connect_timeout_ms; /* lookup to CONNACK */
	uint32_t pause_ms_min;	     /* between attempts: doubles from here */
	uint32_t pause_ms_max;
	uint32_t publishes_max; /* QoS 1 publishes that wait or are on their way */
	uint16_t receive_maximum;
	uint16_t keep_alive_s;
};

extern const struct mqtt_client_config mqtt_client_defaults; /* without the texts */

enum { MQTT_CLIENT_NUMBERS_MAX = 32, MQTT_CLIENT_NUMBER_MAX = 268435455 };

/* All views are borrowed for the call. */
struct mqtt_client_delivery {
	const struct message *message;
	/* The filters that it came by (mqtt_client_subscribe). A broker may send a message once
	 * for each filter that takes it. None where the broker does not say: then the topic alone
	 * tells whose it is. */
	const uint32_t *subscriptions;
	size_t subscription_count;
	bool duplicate; /* it may have come before */
};

struct mqtt_client_events {
	void *arg;
	/* A message. `ack` is NULL at QoS 0; who holds it (ack_hold) delays the acknowledgement.
	 * BROKER_PAUSE: nothing more is read until mqtt_client_resume. */
	enum broker_flow (*message)(
	    void *arg, const struct mqtt_client_delivery *delivery, struct ack *ack);
	/* The state has changed; ask mqtt_client_status. May be NULL. */
	void (*changed)(void *arg);
};

struct mqtt_client_status {
	enum mqtt_client_state state;
	uint8_t version;      /* of the last CONNACK; 0: never connected */
	bool shared;	      /* its subscriptions split the work with other hosts */
	const char *why;      /* why the last connection ended or failed; "" */
	uint64_t connections; /* that were made */
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t duplicates_in;	  /* that came with DUP */
	uint32_t unacknowledged;  /* QoS 1 messages whose work is not done */
	uint32_t publishes;	  /* QoS 1 publishes that wait or are on their way */
	uint32_t filters_refused; /* by the broker */
	int64_t next_attempt_ms;  /* MQTT_CLIENT_WAITING: from now; else 0 */
};

/* Does nothing until mqtt_client_start. `config` and `events` are copied. */
struct mqtt_client *mqtt_client_new(struct loop *loop, const struct mqtt_client_config *config,
    const struct mqtt_client_events *events);
void mqtt_client_start(struct mqtt_client *client);
/* From the next connection on. A reference is taken. */
void mqtt_client_secure(struct mqtt_client *client, struct tls_context *context);
/* Says DISCONNECT and does not come again; messages without an acknowledgement stay the broker's.
 * mqtt_client_start goes on. */
void mqtt_client_stop(struct mqtt_client *client);
/* At once. Acknowledgements that are released later go nowhere. Takes NULL. */
void mqtt_client_free(struct mqtt_client *client);

/* `filter`: valid and without $share. Asked for again on every connection until
 * mqtt_client_unsubscribe. `number` (1 to MQTT_CLIENT_NUMBER_MAX) comes back with its messages; it
 * must be the same for a filter over restarts, for the broker's session lasts longer than we do. */
void mqtt_client_subscribe(struct mqtt_client *client, struct bytes filter, uint32_t number);
void mqtt_client_unsubscribe(struct mqtt_client *client, struct bytes filter);

/* Reads nothing more; what is on its way is acknowledged as it ends. mqtt_client_stop follows. */
void mqtt_client_hold(struct mqtt_client *client);
void mqtt_client_resume(struct mqtt_client *client); /* after BROKER_PAUSE */

/* Copies the message. QoS 0 (and a message that the broker's limits refuse) is dropped where it
 * cannot leave now. QoS 1: `ack` is held until the PUBACK, over as many connections as it takes.
 * False: there is no room; nothing was held. */
bool mqtt_client_publish(
    struct mqtt_client *client, const struct message *message, struct ack *ack);

void mqtt_client_status(const struct mqtt_client *client, struct mqtt_client_status *status);

#endif

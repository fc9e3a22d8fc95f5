/* SPDX-License-Identifier: MIT
 * The broker's insides, for the files net/broker_*.c.
 *
 *   client ── session ── subscriptions ── trie ──┐
 *     │          │                               │ broker_route: which sessions, with which QoS
 *    conn        └─ outbound: delivery → delivery → ...
 *
 * A delivery is a QoS 1 or 2 message for one session, numbered by the session in the order of
 * arrival. Its packet identifier follows from the number, so that a restart gives the same one
 * again. The first `sent` deliveries are in flight, the others wait for room.
 */
#ifndef NET_BROKER_PRIVATE_H
#define NET_BROKER_PRIVATE_H

#include "lib/hash.h"
#include "lib/log_limit.h"
#include "lib/queue.h"
#include "lib/rate.h"
#include "lib/trie.h"
#include "net/broker.h"

enum { PACKET_IDS = 65535, EXPIRY_NEVER = 0x7fffffff };

/* Of an unfinished packet: so much may always be kept. */
enum { INPUT_BYTES_FREE = 4096, OUTPUT_BYTES_FREE = 65536 };

/* What is told at a bounded rate, each apart. */
enum broker_limit {
	BROKER_LIMIT_CLIENTS,
	BROKER_LIMIT_SESSIONS,
	BROKER_LIMIT_OWNER_SESSIONS,
	BROKER_LIMIT_SUBSCRIPTIONS,
	BROKER_LIMIT_TOPIC,
	BROKER_LIMIT_QUEUE,
	BROKER_LIMIT_RATE,
	BROKER_LIMIT_STUCK,
	BROKER_LIMIT_INPUT,
	BROKER_LIMIT_SILENT,
	BROKER_LIMIT_SLOW,
	BROKER_LIMIT_RETAINED,
	BROKER_LIMIT_FAULT,
	BROKER_LIMITS
};

/* A message that is kept: shared by all who wait for it. */
struct kept {
	struct broker *broker; /* whose metrics count it */
	uint32_t refs;
	bool has_expiry;
	int64_t expires_us; /* monotonic */
	int64_t expires_ms; /* wall clock, for the store */
	int64_t made_ms;    /* wall clock; 0: not known any more */
	struct bytes topic; /* all three in `data` */
	struct bytes payload;
	struct bytes properties;
	struct blob *payload_blob; /* for large payloads, NULL until somebody needs it */
	uint8_t data[];
};

enum delivery_state {
	DELIVERY_WAITS,
	DELIVERY_SENT,	   /* PUBLISH sent; PUBACK or PUBREC expected */
	DELIVERY_RECEIVED, /* PUBREC was here, PUBREL sent; PUBCOMP expected */
};

struct delivery {
	TAILQ_ENTRY(delivery) link;
	struct kept *kept;
	uint64_t number;
	enum delivery_state state;
	uint8_t qos;
	bool retain;
	bool sent_before; /* DUP, when it is sent again */
	bool durable;	  /* stands in the store */
	uint8_t id_count;
	uint32_t ids[]; /* subscription identifiers */
};

struct subscription {
	struct hash_node link; /* in the session's, by its whole filter */
	struct session *session;
	struct share *share; /* NULL: not shared */
	TAILQ_ENTRY(subscription) share_link;
	struct bytes filter; /* without $share/<group>/; a part of link.key */
	uint32_t id;	     /* subscription identifier; 0: none */
	uint8_t qos;
	bool no_local;
	bool retain_as_published;
	uint8_t retain_handling;
	char text[];
};

/* What stands in the trie: a subscription, a share group or a tap. */
enum target_kind { TARGET_SUBSCRIPTION, TARGET_SHARE, TARGET_TAP };

struct share {
	struct hash_node link; /* by "<group>/<filter>" */
	TAILQ_HEAD(, subscription) members;
	struct bytes filter;
	char text[];
};

struct tap {
	struct bytes filter;
	void (*message)(void *arg, const struct message *message);
	void *arg;
	char text[];
};

struct will {
	bool waits; /* for its delay, without a connection */
	uint8_t qos;
	bool retain;
	uint32_t delay_s;
	uint32_t expiry_s;
	int64_t due_us;
	struct kept *kept;
	struct buf
	    author; /* whose it is, by broker_hooks.describe, while it waits; empty: nobody's */
};

/* What has come with QoS 2 (MQTT 5.0 §4.3.3), by its packet identifier. */
enum packet_mark {
	MARK_RECEIVED,
	MARK_PROCESSED, /* it has been answered with PUBREC */
	MARKS
};

struct incoming {
	uint8_t marks[MARKS][PACKET_IDS / 8 + 1];
	TAILQ_HEAD(, inbound) taken; /* not answered yet */
};

/* Of an idle one there is no more than this. */
struct session {
	struct hash_node link; /* by client id */
	TAILQ_ENTRY(session) away_link;
	struct broker *broker;
	struct client *client; /* NULL: away */
	uint32_t refs;	       /* the broker's own and whoever waits with it */
	uint32_t expiry_s;     /* UINT32_MAX: never */
	int64_t expires_us;
	uint64_t connection; /* counts its connections */
	struct hash_map subscriptions;
	TAILQ_HEAD(deliveries, delivery) outbound;
	struct delivery *next_to_send; /* the first that waits; NULL: none */
	uint32_t queued;
	uint32_t inflight;
	uint64_t queued_bytes; /* of payloads and properties */
	uint64_t last_number;
	struct incoming *incoming; /* NULL: nothing with QoS 2 yet */
	struct will *will;	   /* NULL: none */
	struct owner *owner;	   /* NULL: nobody's */
	uint64_t match_serial;
	uint32_t match_slot;	 /* in the route that is being made */
	uint32_t routes_waiting; /* messages of this client that wait for the store */
	bool durable;		 /* outlives its connection, so it stands in the store */
	bool dead;		 /* removed; kept only for its references */
	bool is_away;		 /* in broker->away */
	bool has_sent_qos2;	 /* since its newest number was last stored */
	char id[];
};

/* A CONNECT that somebody decides about. */
struct broker_login {
	struct client *client; /* NULL: it has left, or the broker is gone */
	void (*identity_unref)(void *arg, void *identity);
	void *arg;
	struct mqtt_connect connect;
	struct buf packet; /* what `connect` borrows, where it must last longer than a call */
	bool asking;	   /* the hook is being called */
	bool done;	   /* it has answered in the call */
};

enum client_state { CLIENT_NEW, CLIENT_CONNECTED, CLIENT_ENDING };

struct client {
	TAILQ_ENTRY(client) link;
	TAILQ_ENTRY(client) pause_link;
	struct broker *broker;
	struct conn *conn;
	struct session *session;
	enum client_state state;
	uint8_t version;
	bool is_bridge;	    /* see struct mqtt_connect */
	bool paused;	    /* by the hook */
	bool window_closed; /* too many unacknowledged from this client: not read */
	bool problem_info;
	bool keep_will;		    /* the connection ends without a proper DISCONNECT */
	bool left;		    /* said DISCONNECT */
	bool counted;		    /* in metrics.connected */
	bool choked;		    /* not read until it has read its answers */
	uint8_t end_reason;	    /* why it is being ended */
	uint16_t alias_maximum;	    /* of ours that it takes */
	int64_t number;		    /* of the connection: struct presence */
	char *principal;	    /* NULL: its certificate's fingerprint, or nobody known */
	struct broker_login *login; /* NULL: it waits for no decision */
	void *identity;		    /* NULL: it may do everything */
	int64_t ends_us;	    /* 0: never */
	uint64_t rights_serial;	    /* of the broker, when it was asked whether it may stay */
	uint16_t keep_alive_s;
	uint16_t receive_maximum; /* what it takes of ours at a time */
	uint32_t packet_bytes_max;
	uint32_t unacknowledged; /* QoS 1 and 2 of its own that have no answer yet */
	uint32_t quota_used;	 /* the same, but QoS 2 counts until its PUBCOMP (§4.9) */
	int64_t accepted_us;
	int64_t last_input_us;
	int64_t packet_since_us; /* began to come in and is not complete; 0: none */
	struct aliases *aliases; /* broker_alias.c's; NULL: none */
	struct peer *peer;
	struct meter *meter; /* NULL: its rate is not limited */
	uint64_t arrived;    /* of what it was sent, when that was looked at */
	int64_t stuck_since_us;
};

/* Where a message goes. */
struct target {
	struct session *session;
	uint8_t qos;
	bool retain;
	uint8_t id_count;
	uint32_t ids_at;	   /* in the route's ids */
	struct delivery *delivery; /* QoS 1 and 2: made by broker_route, numbered already */
};

struct route {
	TAILQ_ENTRY(route) link; /* in broker->spare_routes */
	struct broker *broker;
	struct message message;
	struct kept *kept;
	struct target *targets;
	size_t target_count;
	size_t target_cap;
	uint32_t *ids;
	size_t id_count;
	size_t id_cap;
	struct tap **taps;
	size_t tap_count;
	size_t tap_cap;
	bool retained;	     /* the retained message changes with the delivery */
	size_t coming_bytes; /* in the broker's */
};

struct retained {
	TAILQ_ENTRY(retained) link;
	struct kept *kept;
	uint8_t qos;
};

struct broker {
	struct loop *loop;
	struct broker_config config;
	struct broker_hooks hooks;
	struct broker_metrics metrics;
	struct conn_group *group;
	TAILQ_HEAD(, client) clients; /* the longest unchecked first */
	TAILQ_HEAD(, client) paused;
	TAILQ_HEAD(, session) away;
	TAILQ_HEAD(, route) spare_routes;
	struct hash_map sessions;
	struct hash_map shares;
	struct hash_map owners;
	struct trie subscriptions; /* values: tagged pointers, see target_tag */
	struct trie retained;	   /* values: struct retained */
	TAILQ_HEAD(, retained) all_retained;
	uint64_t retained_bytes;
	uint64_t coming_bytes;	 /* of those that wait for the store */
	uint32_t coming;	 /* how many */
	uint64_t routes_waiting; /* for the store */
	struct timer sweep;
	uint64_t match_serial;
	uint64_t unique;	/* for assigned client ids */
	uint64_t rights_serial; /* grows with every change of rights */
	uint32_t recheck_left;	/* clients to be asked about them */
	struct timer recheck;
	TAILQ_HEAD(, meter) held_back; /* clients that were too quick */
	struct timer look;	       /* at those */
	struct log_limit told[BROKER_LIMITS];
	int64_t last_connection;
	bool restored; /* all records of an earlier run are here */
	bool shutting;
	bool held;
	struct buf scratch;
	struct buf image; /* an encoded PUBLISH that several subscribers share */
};

/* The client to which packets can be sent: behind its CONNACK, before its end. */
static inline struct client *
session_client(const struct session *session)
{
	struct client *client = session->client;

	return client != NULL && client->state == CLIENT_CONNECTED && !conn_is_ending(client->conn)
		   ? client
		   : NULL;
}

/* A resumed session's client may release what was not counted on this connection. */
static inline void
client_free_quota(struct client *client)
{
	if (client->quota_used > 0)
		client->quota_used--;
}

/* It has more to read than it should: it gets no more for now. */
static inline bool
client_is_slow(const struct client *client)
{
	const struct broker *broker = client->broker;
	size_t pending = conn_pending(client->conn);

	return pending > broker->config.out_bytes_max ||
	       (pending > OUTPUT_BYTES_FREE &&
		   conn_group_pending(broker->group) > broker->config.output_bytes_max);
}

/* broker.c */
void broker_client_end(struct client *client, uint8_t reason, const char *text);
/* Whether only the host may publish on it. */
bool broker_keeps_topic(const struct broker *broker, struct bytes topic);
/* Whether the hook alone gets what is published on it. */
bool broker_is_direct(const struct broker *broker, struct bytes topic);
bool broker_authorized(struct client *client, enum broker_action action, struct bytes topic);
/* Whether the client may get a message of this topic; counted where not. */
bool client_may_receive(struct client *client, struct bytes topic);
void broker_persist(struct broker *broker, const struct writes *writes,
    void (*done)(void *done_arg, int status), void *done_arg);
void client_update_reading(struct client *client);

/* broker_limits.c */
void limits_init(struct broker *broker);
/* Whether a line about this limit may be logged now; `more->text`: how many were not. */
bool broker_may_tell(struct broker *broker, enum broker_limit limit, struct log_more *more);
/* Each counts, and tells at a bounded rate: why a client is cut; that it broke the protocol; that a
 * message of QoS 0 does not go to it; that a retained message is not taken. */
void client_tell_cut(struct client *client, enum broker_limit limit, const char *text);
void client_tell_fault(struct client *client, const char *text);
void client_tell_dropped(struct client *client);
void broker_tell_retained_full(struct broker *broker, struct bytes topic);
/* A packet came that is no acknowledgement: the client may have to wait, or be ended. */
void client_spend(struct client *client, size_t bytes);
/* Does not read it while the host has too much to do. */
void client_wait_if_full(struct client *client);
/* Does not read it while it does not read what it has asked for. */
void client_choke(struct client *client);
bool client_is_held_back(const struct client *client);
void client_forget_meter(struct client *client);
/* Ends the connection where nothing that waits has left for too long. */
void client_check_progress(struct client *client, int64_t now_us);
/* False: ended, for all clients together have too much of unfinished packets. */
bool client_may_keep_input(struct client *client, size_t bytes);
/* False: ended, for the topic is more than clients may use. */
bool broker_topic_fits(struct client *client, struct bytes topic);
/* Counted and logged where not. */
bool broker_has_client_room(struct client *client, struct bytes client_id);
bool broker_has_subscription_room(struct session *session);
bool broker_has_session_room(struct broker *broker);

/* broker_owner.c: whose sessions are; names are those of decisions, empty: nobody's */
bool broker_has_owner_room(struct broker *broker, struct bytes name);
void session_own(struct session *session, struct bytes name);
struct bytes session_owner(const struct session *session); /* borrowed */
/* What the session's messages take, as they count for its owner. */
uint64_t session_queue_bytes(const struct session *session);
/* They have changed: `before` is what they took. */
void owner_recount(struct session *session, uint64_t before);
/* Whether all sessions of the owner may keep so much more. */
bool owner_has_queue_room(const struct session *session, size_t content_bytes);
bool broker_has_memory(const struct broker *broker); /* for one more message that is kept */
void client_count(struct client *client);	     /* it is let in; once */
void client_uncount(struct client *client);

/* broker_login.c */
/* Asks the hook, and goes on with the answer: broker_admit or broker_refuse. False where the
 * connection was ended. */
bool broker_login_ask(
    struct client *client, struct bytes packet, const struct mqtt_connect *connect);
void broker_login_leave(struct client *client); /* its connection is gone */
/* Ends the connection where rights that have changed, or its time, say so. */
void client_check_rights(struct client *client);
void recheck_init(struct broker *broker);

/* broker_connect.c */
void broker_refuse(struct client *client, uint8_t reason, const char *text);
void broker_admit(struct client *client, const struct mqtt_connect *connect,
    const struct broker_decision *decision);

/* broker_presence.c */
void presence_begin(struct client *client);
void presence_end(struct client *client, const char *text);
/* `filters` as in struct broker_hooks; nothing happens where there are none. */
void presence_subscribed(struct client *client, bool subscribed, struct bytes filters);

/* Packet handlers: false where the connection was ended. */
bool broker_on_connect(struct client *client, const struct mqtt_header *header, struct bytes rest);
bool broker_on_publish(struct client *client, const struct mqtt_header *header, struct bytes rest);
bool broker_on_ack(struct client *client, const struct mqtt_header *header, struct bytes rest);
bool broker_on_subscribe(
    struct client *client, const struct mqtt_header *header, struct bytes rest);
bool broker_on_unsubscribe(
    struct client *client, const struct mqtt_header *header, struct bytes rest);
bool broker_on_disconnect(
    struct client *client, const struct mqtt_header *header, struct bytes rest);

/* broker_session.c */
struct session *session_find(struct broker *broker, struct bytes client_id);
struct session *session_new(struct broker *broker, struct bytes client_id);
struct session *session_ref(struct session *session);
void session_unref(struct session *session);
void session_destroy(struct session *session, struct writes *writes); /* subscriptions and all */
void session_detach(struct session *session);			      /* its connection is gone */
void session_settle(struct session *session); /* away: its will and its end, where they are due */
void session_sweep(struct broker *broker);    /* the same for all that are away */
struct subscription *session_subscribe(
    struct session *session, const struct mqtt_filter *filter, uint32_t id, bool *is_new);
bool session_unsubscribe(struct session *session, struct bytes filter);
/* False, counted and logged: the session has as much waiting as it may have. */
bool session_has_queue_room(struct session *session, size_t content_bytes);
bool session_has_mark(const struct session *session, enum packet_mark mark, uint16_t packet_id);
void session_set_mark(struct session *session, enum packet_mark mark, uint16_t packet_id, bool on);
struct incoming *session_incoming(struct session *session); /* makes it */

/* broker_alias.c */
/* A reason code: an alias that is above the maximum, or that nobody set (§3.3.4). */
uint8_t alias_resolve(struct client *client, struct mqtt_publish *publish);
/* Before encoding: puts the topic's alias in, and takes the topic out where the client knows it. */
void alias_use(struct client *client, struct mqtt_outgoing *publish);
void alias_sent(struct client *client, const struct mqtt_outgoing *publish); /* it was queued */
void alias_clear(struct client *client);

/* broker_kept.c */
static inline size_t
kept_content_bytes(const struct kept *kept)
{
	return kept->payload.len + kept->properties.len;
}

struct kept *kept_new(struct broker *broker, const struct message *message);
struct kept *kept_ref(struct kept *kept);
void kept_unref(struct kept *kept);
bool kept_expired(const struct kept *kept, const struct broker *broker);
uint32_t kept_expiry_s(const struct kept *kept, const struct broker *broker);
void kept_message(const struct kept *kept, const struct broker *broker, struct message *message);

/* broker_deliver.c */
void session_pump(struct session *session);   /* sends what waits as far as there is room */
void session_resend(struct session *session); /* after a reconnect: all that was in flight */
void delivery_make_durable(struct delivery *delivery); /* it stands in the store */
void delivery_free(struct delivery *delivery);
uint16_t delivery_packet_id(const struct delivery *delivery);
struct delivery *delivery_new(
    struct session *session, struct kept *kept, const struct target *target, const uint32_t *ids);
void delivery_queue(struct session *session, struct delivery *delivery);
void delivery_done(struct session *session, struct delivery *delivery);

/* broker_retained.c */
void retained_set(struct broker *broker, const struct message *message, struct kept *kept);
bool retained_has_room(
    const struct broker *broker, struct bytes topic, size_t payload_bytes, size_t properties_bytes);
void retained_send(struct subscription *subscription, bool is_new);
void retained_clear(struct broker *broker);

/* broker_will.c */
/* The will of a CONNECT, or none, instead of the one that was there. */
void will_take(struct session *session, const struct mqtt_connect *connect);
void will_set(struct session *session, const struct will *will); /* takes over its message */
void will_clear(struct session *session);
/* If its author may do that still. */
void will_publish(struct session *session);
/* Of a session whose connection goes: the will remembers who left it. */
void will_sign(struct session *session);
/* Appends who leaves the session's will. */
void will_describe_author(const struct session *session, struct buf *out);
/* Of a client that leaves: its will goes with it where it may not publish that any more. */
void will_recheck(struct client *client);

/* broker_persist.c: records of the store */
void persist_session(struct writes *writes, const struct session *session);
void persist_session_gone(struct writes *writes, const struct session *session);
void persist_subscription(struct writes *writes, const struct subscription *subscription);
void persist_subscription_gone(
    struct writes *writes, const struct session *session, struct bytes filter);
void persist_delivery(
    struct writes *writes, const struct session *session, const struct delivery *delivery);
void persist_delivery_gone(
    struct writes *writes, const struct session *session, const struct delivery *delivery);
void persist_received(
    struct writes *writes, const struct session *session, uint16_t packet_id, bool on);
void persist_retained(struct writes *writes, const struct broker *broker,
    const struct message *message, const struct kept *kept);
void persist_will(struct writes *writes, const struct session *session);

/* Values of the trie are pointers with their kind in the two lowest bits. */
static inline void *
target_tag(void *pointer, enum target_kind kind)
{
	return (void *)((uintptr_t)pointer | (uintptr_t)kind);
}

static inline enum target_kind
target_kind_of(void *value)
{
	return (enum target_kind)((uintptr_t)value & 3);
}

static inline void *
target_untag(void *value)
{
	return (void *)((uintptr_t)value & ~(uintptr_t)3);
}

#endif

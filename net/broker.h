/* SPDX-License-Identifier: MIT
 * The MQTT broker: clients, sessions, subscriptions, retained messages, wills. It lives on the
 * loop and knows neither functions nor the store: it is handed tables of callbacks.
 *
 * Its memory is the authority; what must survive a restart it gives away as `struct writes`, and
 * what says "done" to a client (PUBACK, PUBREC, SUBACK) leaves after those writes are durable.
 * Sessions that end with their connection, and QoS 0, need no writes.
 */
#ifndef NET_BROKER_H
#define NET_BROKER_H

#include "lib/ack.h"
#include "lib/bytes.h"
#include "lib/mqtt_packet.h"
#include "lib/writes.h"
#include "net/conn.h"

struct broker;
struct route;

/* A message on its way. All views are borrowed for the call. */
struct message {
	struct bytes topic;
	struct bytes payload;
	struct bytes properties; /* those that go on unchanged (mqtt_props_forward) */
	struct bytes publisher;	 /* client id; empty for the host's own */
	uint8_t qos;
	bool retain;
	bool has_expiry;
	uint32_t expiry_s;
	uint8_t hops; /* how many functions stand between this message and a device */
	/* For QoS 2 from a session that survives: writes that mark the message as received, and
	 * those of its subscribers. Who makes the event durable in a transaction of its own
	 * includes them there and sets `marked`; else the broker makes them durable before PUBREC.
	 * May be NULL. */
	const struct writes *marker;
	bool *marked;
};

enum broker_flow {
	BROKER_GO_ON,
	BROKER_PAUSE /* read no more from this client until broker_resume */
};

enum broker_action {
	BROKER_ACTION_CONNECT, /* of who is connected: whether it may stay */
	BROKER_ACTION_PUBLISH,
	BROKER_ACTION_RETAIN,
	BROKER_ACTION_SUBSCRIBE, /* `topic` is a filter, without its share group */
	BROKER_ACTION_RECEIVE,
};

/* What a client wants to do. Borrowed for the call. */
struct broker_question {
	void *identity; /* of the decision that let it in */
	struct bytes client_id;
	enum broker_action action;
	struct bytes topic;
};

struct broker_login; /* a CONNECT that waits to be let in */

/* What becomes of a CONNECT. */
struct broker_decision {
	uint8_t reason;	  /* MQTT_SUCCESS, or that of the refusal */
	const char *text; /* of a refusal, for the client; NULL: the reason's own */
	/* Whose rights the client has: one reference, which the broker takes over. NULL: it may do
	 * everything, and nothing is asked. */
	void *identity;
	struct bytes principal; /* for struct presence; empty: the certificate's fingerprint, or the
				   name that it gave */
	struct bytes client_id; /* for who gives none; empty: the broker makes one */
	int64_t ends_us;	/* when the connection ends, by the loop's clock; 0: never */
};

/* What is known of a session's connection. Borrowed for the call. */
struct presence {
	struct bytes client_id;
	struct bytes
	    principal;	    /* its certificate's fingerprint, or the name that it gave, or empty */
	const char *peer;   /* "192.0.2.7:49152" */
	int64_t connection; /* its number: the same at its end, and greater than any before, also
			       over restarts where the clock does not go back */
	bool connected;
	/* Of an end. */
	bool by_client;	  /* it said DISCONNECT */
	uint8_t reason;	  /* enum mqtt_reason; MQTT_SUCCESS: the connection was lost */
	const char *text; /* the same for the log */
};

struct broker_hooks {
	void *arg;
	/* A new message, from a client or by broker_route, before subscribers get it. `ack` may be
	 * NULL; who holds it (ack_hold) delays the acknowledgement. */
	enum broker_flow (*published)(void *arg, const struct message *message, struct ack *ack);
	/* Makes writes durable and then calls `done` (NULL: nobody waits) on the loop; done calls
	 * come in the order of the persist calls, also where there are no writes and only that
	 * order counts. `status` 0, or -1 where it failed. */
	void (*persist)(void *arg, const struct writes *writes,
	    void (*done)(void *done_arg, int status), void *done_arg);
	/* Whether what clients have asked for piles up. Asked behind each of their packets: who
	 * sent it is not read until broker_resume. */
	bool (*full)(void *arg);
	/* A session got or lost its connection. Must not call the broker, but in a task. */
	void (*presence)(void *arg, const struct presence *presence);
	/* A connected client has subscribed or unsubscribed: `filters` are frames (lib/frame.h) of
	 * bytes each, those that were granted. Must not call the broker, but in a task. */
	void (*subscribed)(
	    void *arg, const struct presence *presence, bool subscribed, struct bytes filters);
	/* Whether a client is let in: answered by broker_login_done, once, in the call or later.
	 * `connect` and `peer` are borrowed for the call. */
	void (*authenticate)(void *arg, struct broker_login *login,
	    const struct mqtt_connect *connect, const struct peer *peer);
	/* Whether a client with an identity may do what it wants. */
	bool (*authorize)(void *arg, const struct broker_question *question);
	void (*identity_unref)(void *arg, void *identity);
	/* An identity as bytes, for what happens in its name when its connection has gone: appends
	 * what `recall` makes it again of, after a restart too; nothing: that cannot be. */
	void (*describe)(void *arg, const void *identity, struct buf *out);
	/* One reference, by which rights as they are now are asked; NULL: it is nobody. */
	void *(*recall)(void *arg, struct bytes described, struct bytes client_id);
};

struct broker_config {
	uint32_t packet_bytes_max;
	uint32_t clients_max;
	uint32_t queued_messages_max; /* for each session; beyond, new ones are dropped */
	uint64_t queued_bytes_max;    /* the same, of payloads and properties */
	uint32_t retained_max;	      /* retained messages; beyond, new ones are refused */
	uint64_t retained_bytes_max;  /* the same, with topics and properties */
	uint32_t out_bytes_max;	      /* of one client's output; beyond, QoS 0 is dropped */
	uint32_t session_expiry_s_max;
	uint32_t connect_timeout_ms;
	uint32_t packet_timeout_ms; /* from a packet's first byte to its last */
	uint16_t receive_maximum;   /* QoS 1 and 2 that a client may have on their way to us */
	uint16_t topic_alias_maximum;
	uint16_t inflight_maximum; /* QoS 1 and 2 on their way to a client, at most */
	uint16_t keep_alive_s_max; /* 0: no limit */
	/* Of one client; 0: no limit. Over it the client is not read for a moment, and ended where
	 * it pushes on like that for longer than patience_ms (0: never). Acknowledgements are free.
	 */
	uint32_t messages_per_s_max;
	uint64_t bytes_per_s_max;
	uint32_t patience_ms;
	uint32_t stuck_ms_max;	    /* nothing has left for so long: ended; 0: never */
	uint32_t subscriptions_max; /* of one session; beyond, new ones are refused */
	uint32_t subscriptions_total_max;
	uint32_t sessions_max;	     /* those of clients that are away too; beyond, no new ones */
	uint32_t owner_sessions_max; /* of those, of one identity; 0: no limit */
	uint32_t topic_bytes_max;    /* of topics and filters of clients; 0: as the specification */
	uint32_t topic_levels_max;   /* the same */
	uint32_t connect_bytes_max;  /* of a CONNECT */
	/* Of all clients together. */
	uint64_t kept_bytes_max;  /* messages that are kept; beyond, sessions get no new ones */
	uint64_t input_bytes_max; /* packets that are not whole yet; beyond, who sends one is cut */
	uint64_t
	    output_bytes_max;	 /* what waits to leave; beyond, QoS 0 goes to quick clients only */
	const char *host_topics; /* clients may not publish on topics that begin so; NULL: none */
	/* Messages on topics that begin so are for the `published` hook alone: no subscriber, tap
	 * or retained message sees them. NULL: none. */
	const char *direct_topics;
};

extern const struct broker_config broker_defaults;

struct broker_metrics {
	uint64_t connections_total;
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t dropped_slow;	     /* QoS 0 for a client that does not read */
	uint64_t dropped_queue_full; /* QoS 1 and 2 for a session whose queue is full */
	uint64_t dropped_expired;
	uint64_t refused_retained; /* for there are too many */
	uint64_t held_back;	   /* how often a client was too quick and not read */
	uint64_t ended_rate;	   /* clients that were too quick for too long */
	uint64_t ended_stuck;	   /* clients that took nothing of what they were sent */
	uint64_t ended_input;	   /* for unfinished packets */
	uint64_t ended_silent;	   /* no CONNECT, half a packet, or no word within the keep-alive */
	uint64_t refused_subscriptions; /* for there are too many */
	uint64_t refused_sessions;	/* the same */
	uint64_t refused_topics;	/* for their length */
	/* Of messages that are kept now, and their places in queues; in the store each session has
	 * a copy of its own, which counts. */
	uint64_t kept_bytes;
	uint64_t protocol_errors;
	uint64_t refused_connections;
	uint64_t refused_publish; /* messages that their sender may not publish */
	uint64_t refused_subscribe;
	uint64_t refused_receive; /* messages that a subscriber may not get */
	uint32_t clients;
	uint32_t connected; /* of those, who have been let in */
	uint32_t sessions;
	uint32_t subscriptions;
	uint32_t retained;
};

/* `config` and `hooks` are copied. Members of hooks may be NULL: then nothing is durable, and all
 * is allowed. */
struct broker *broker_new(
    struct loop *loop, const struct broker_config *config, const struct broker_hooks *hooks);
/* Other limits from now on; receive and topic alias maximum stay: clients have been told them. */
void broker_configure(struct broker *broker, const struct broker_config *config);
/* Ends what is left at once. Sessions are not removed from the store. */
void broker_free(struct broker *broker); /* takes NULL */

/* The answer to broker_hooks.authenticate; the login is gone. Due where the client has left as
 * well; may come behind broker_free. */
void broker_login_done(struct broker_login *login, const struct broker_decision *decision);
/* Rights have changed: asks soon for everybody with an identity whether it may stay connected, and
 * ends the connections of those who may not. What they do meanwhile is asked for as ever. */
void broker_recheck(struct broker *broker);

/* A new connection, over TCP (`peer` is its address as text) or over anything. Takes over `fd`, or
 * the stream. */
void broker_accept(struct broker *broker, int fd, const char *peer);
void broker_accept_stream(struct broker *broker, struct stream *stream);
/* Begins to end: clients are told (0x8b) and cut. `broker_client_count` is 0 when all have gone. */
void broker_shut(struct broker *broker);
/* Reads nothing more, from anybody: what is on its way finishes. */
void broker_hold(struct broker *broker);
uint32_t broker_client_count(const struct broker *broker);

/* Ends the connection of a client (0x98). `forget`: its session ends too. `quietly`: without its
 * will. False: nobody of this identifier is connected. */
bool broker_cut(struct broker *broker, struct bytes client_id, bool forget, bool quietly);
/* Clients that were paused are read again. */
void broker_resume(struct broker *broker);

/* Whether somebody outside may publish this at all, whatever rights he has: MQTT_SUCCESS, or why
 * not (the topic is the host's; there are too many retained messages). For those who publish by
 * broker_publish; packets have been asked. */
uint8_t broker_takes(struct broker *broker, const struct message *message);
/* Why a topic or filter is more than clients may use; NULL: it is not. */
const char *broker_topic_excess(const struct broker *broker, struct bytes topic);

/* Publishing by the host, by two steps with a commit between them. broker_route finds the
 * subscribers and appends to `durable` what must be durable before they get it (nothing where no
 * session that survives is among them and `retain` is not set). It calls no hook. The message's
 * views must last until deliver, or until route_keep, which copies them. */
struct route *broker_route(
    struct broker *broker, const struct message *message, struct writes *durable);
void route_keep(struct route *route);
void broker_deliver(struct route *route); /* frees the route */
void route_drop(struct route *route);	  /* the commit failed; takes NULL */

/* Both steps at once, with a persist between them where needed. `ack` may be NULL. Calls the
 * `published` hook. */
enum broker_flow broker_publish(
    struct broker *broker, const struct message *message, struct ack *ack);

/* Whether somebody who must not miss a message would get this topic. */
bool broker_has_durable_subscriber(struct broker *broker, struct bytes topic);

/* A retained message. Borrowed until the broker does anything. */
struct retained_view {
	struct message message;
	int64_t changed_ms; /* since 1970; 0: in a run of an earlier version */
};

/* False: none at this topic. */
bool broker_retained_find(struct broker *broker, struct bytes topic, struct retained_view *view);
/* The one behind that of topic `after`, in the order in which they came; the first where `after` is
 * empty. False: there is none, or none at `after`. */
bool broker_retained_next(struct broker *broker, struct bytes after, struct retained_view *view);

/* The host as a subscriber (`moonlet sub`): QoS 0, called for every message that `filter` takes. */
struct tap;
struct tap *broker_tap(struct broker *broker, struct bytes filter,
    void (*message)(void *arg, const struct message *message), void *arg);
void broker_untap(struct broker *broker, struct tap *tap);

/* At start, for every record of the spaces session, subscription, session_message, received,
 * retained and will, in this order and by key. False: the record does not decode. */
bool broker_restore(struct broker *broker, enum space space, struct bytes key, struct bytes value);
void broker_restored(struct broker *broker); /* after the last one */

/* Calls `each` for every connected client. */
void broker_each_client(
    struct broker *broker, void (*each)(void *arg, const struct presence *presence), void *arg);

const struct broker_metrics *broker_metrics(const struct broker *broker);

#endif

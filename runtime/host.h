/* SPDX-License-Identifier: MIT
 * The host: the one struct that all its parts hang from, made in main.
 */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

#include "lib/trie.h"
#include "net/broker.h"
#include "net/http_client.h"
#include "net/listener.h"
#include "net/loop.h"
#include "runtime/early.h"
#include "runtime/followers.h"
#include "runtime/ingest.h"
#include "runtime/options.h"
#include "runtime/privilege.h"
#include "runtime/trigger.h"
#include "store/store.h"

struct functions;
struct tracer;
struct pool;
struct dispatch;
struct backlog;
struct dead_letters;
struct webhooks;
struct replays;
struct external;
struct shadow_service;
struct change_followers;
struct files;
struct leftovers;
struct tickers;
struct records;
struct tables;
struct timers;
struct shadow_watches;
struct presences;
struct gateway;
struct manager;
struct doors;
struct access;
struct registry;
struct registrar;
struct thing_searches;
struct credentials;
struct passwords;
struct jwt_keys;
struct authorizers;
struct data_plane;

struct host {
	const struct options *options;
	struct privilege privilege;
	struct early early; /* until the host serves */
	struct manager *manager; /* that started the host, or nobody */
	struct loop *loop;
	struct conn_group *group;
	struct store *store;
	bool store_was_full;	   /* and somebody was held back for it */
	struct gate *gate;	   /* by which everybody comes in */
	struct broker *broker;
	struct listener *mqtt;
	struct external *external; /* brokers elsewhere; NULL: none yet */
	/* Tells sources beside the broker to go on after a pause; NULL: there are none. */
	void (*resume)(struct host *host);
	struct doors *doors; /* TLS listeners, and the certificate authority */
	struct access *access;
	struct registrar *registrar;
	struct thing_searches *thing_searches;
	struct registry *registry; /* things, certificates, policies */
	struct credentials *credentials; /* users and tokens */
	struct passwords *passwords;
	struct jwt_keys *jwt_keys;
	struct authorizers *authorizers; /* functions that decide who is let in */
	struct data_plane *data_plane;
	struct http_client *http_client;
	struct http_server *http_server; /* for the http trigger; NULL: none */
	struct shadow_service *shadow_service;
	struct records *records; /* rows that handlers read */
	struct tables *tables;
	struct timers *timers; /* of handlers */
	struct change_followers *change_followers; /* NULL: not yet */
	struct tickers *tickers;
	struct files *files;
	struct leftovers *leftovers; /* of functions that are no more */
	struct shadow_watches *shadow_watches; /* NULL: not yet */
	struct presences *presences;	       /* NULL: nobody follows clients */
	struct functions *functions;
	struct pool *pool;
	struct dispatch *dispatch;
	struct tracer *tracer; /* NULL: nothing is traced */
	struct backlog *backlog; /* the durable queue */
	struct dead_letters *dead_letters;
	struct replays *replays; /* of failed events */
	struct webhooks *webhooks; /* NULL: none are sent */
	struct followers followers; /* of the message at hand; used again for the next */
	struct ingest ingest;
	struct trie topics;	    /* topic filters -> functions, for the topic trigger */
	const struct trigger *const *triggers;
	size_t trigger_count;
	void *trigger_states[16]; /* of the triggers, by their place in the table */
	uint64_t run_id;
	uint64_t event_count;
	uint64_t secret[2]; /* seeds handlers' random numbers; the same over restarts */
	uint64_t seed[2];   /* made of it; of what workers have that depends on no event */
	bool draining;
};

/* The row's own name for a trigger's name that came out of the store; "invoke" for none. */
const char *host_trigger_name(const struct host *host, struct bytes name);

#endif

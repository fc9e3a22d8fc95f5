/* SPDX-License-Identifier: MIT
 * Who is connected, for functions (the presence trigger) and as messages on
 * $aws/events/presence/{connected,disconnected}/<client> and
 * $aws/events/subscriptions/{subscribed,unsubscribed}/<client>, as AWS IoT's lifecycle events are.
 *
 * Where a function follows a client, or a session or function that must not miss it the messages,
 * its connection stands in the store (SPACE_PRESENCE) as long as it lasts, and each event is stored
 * with the change of that row: connected and disconnected are told once each, and what a crash cut
 * off is told as disconnected by the next run.
 */
#ifndef RUNTIME_PRESENCE_H
#define RUNTIME_PRESENCE_H

#include "lib/glob_index.h"
#include "runtime/host.h"

enum presence_change { PRESENCE_CONNECTED = 1 << 0, PRESENCE_DISCONNECTED = 1 << 1 };

/* What one element of a function's `on` asks for. */
struct presence_watch {
	struct glob_entry entry; /* the client: first, for the index finds it */
	struct function *function;
	char *client;	  /* pattern (lib/glob.h) */
	unsigned changes; /* enum presence_change */
};

struct presences;

struct presences *presences_new(struct host *host);
/* Before the store is closed: who is connected still is told by the next run. Takes NULL. */
void presences_stop(struct presences *presences);
void presences_free(struct presences *presences); /* takes NULL */

/* At start, when functions are loaded and before clients can connect. */
int presences_restore(struct presences *presences, struct err *err)
    __attribute__((warn_unused_result));

void presences_watch(struct presences *presences, struct presence_watch *watch);
void presences_unwatch(struct presences *presences, struct presence_watch *watch);

/* For the broker's hooks: what follows does so at the end of the turn. */
void presences_changed(struct presences *presences, const struct presence *presence);
void presences_subscribed(struct presences *presences, const struct presence *presence,
    bool subscribed, struct bytes filters);

#endif

/* SPDX-License-Identifier: MIT
 * The device shadow service: answers requests that come as messages on
 * $aws/things/<thing>/shadow[/name/<name>]/{get,update,delete}, from the control API and from
 * handlers, and publishes accepted, rejected, delta and documents as AWS IoT does.
 */
#ifndef RUNTIME_SHADOW_SERVICE_H
#define RUNTIME_SHADOW_SERVICE_H

#include "net/broker.h"
#include "runtime/shadow_batch.h"

struct shadow_watches;

struct shadow_parts {
	struct loop *loop;
	struct store *store;
	struct broker *broker;
	/* Whether a function would run for a message on this topic; NULL: none ever. */
	bool (*has_function)(void *arg, struct bytes topic);
	/* How many shadows a thing may have; NULL: no bound. */
	size_t (*shadows_max)(void *arg);
	void *arg;
	/* Functions that follow changes (runtime/shadow_follow.h); NULL: none ever. */
	const struct shadow_watches *watches;
};

struct shadow_service *shadow_service_new(const struct shadow_parts *parts);
/* Before the store is closed: the outbox is left as it stands from here on (what was sent in these
 * last moments may be sent again at the next start). */
void shadow_service_stop(struct shadow_service *service);
/* After the store was closed and the broker freed. Takes NULL. */
void shadow_service_free(struct shadow_service *service);

/* Sends the outbox that an earlier run left. Called once at start, when the broker is restored and
 * the functions are loaded. */
int shadow_service_drain(struct shadow_service *service, struct err *err)
    __attribute__((warn_unused_result));

/* For the `published` hook: true where the message is a request to this service, which is then
 * answered; `ack` is held until that is durable. Costs a few comparisons for other topics. */
bool shadow_service_take(
    struct shadow_service *service, const struct message *message, struct ack *ack);

/* One request by the host's own (control API, shadow.get). `done` is called on the loop with the
 * reply, which is borrowed for the call; also where the store failed (500) or is full (429), or a
 * name is not valid (400). */
typedef void shadow_done_fn(void *arg, const struct shadow_reply *reply);
void shadow_service_request(struct shadow_service *service, enum shadow_request_kind kind,
    const struct shadow_request *request, shadow_done_fn *done, void *arg);

/* --- for batches --- */

const struct shadow_watches *shadow_service_watches(const struct shadow_service *service);
size_t shadow_service_shadows_max(const struct shadow_service *service); /* 0: no bound */
int64_t shadow_service_now_s(const struct shadow_service *service);
/* Whether a message on this topic has a subscriber or a function that must not miss it. */
bool shadow_service_must_keep(struct shadow_service *service, struct bytes topic);
/* Publishes one. `outbox_key`: its row, deleted when everybody has it; empty: it has none. `ack`
 * (may be NULL) is held until the message is safe. */
void shadow_service_publish(struct shadow_service *service, const struct message *message,
    struct bytes outbox_key, struct ack *ack);

#endif

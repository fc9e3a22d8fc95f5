/* SPDX-License-Identifier: MIT
 * From a message to its subscribers.
 *
 * A session gets a message once, however many of its subscriptions take it, with the highest QoS
 * of them and all their identifiers (MQTT 5.0 §3.3.4). Of a share group one member gets it.
 * Routes and their vectors are used again: a QoS 0 message allocates nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

enum { GROW = 16, IDS_MAX = 255, BY_REFERENCE_BYTES = 4096 };

static struct route *
route_get(struct broker *broker, const struct message *message)
{
	struct route *route = TAILQ_FIRST(&broker->spare_routes);

	if (route != NULL) {
		TAILQ_REMOVE(&broker->spare_routes, route, link);
	} else {
		route = xcalloc(1, sizeof(*route));
		route->broker = broker;
	}
	route->message = *message;
	route->kept = NULL;
	route->coming_bytes = 0;
	route->target_count = route->id_count = route->tap_count = 0;
	route->retained = message->retain;
	return route;
}

static void
route_put(struct route *route)
{
	for (size_t i = 0; i < route->target_count; i++) {
		session_unref(route->targets[i].session);
		delivery_free(route->targets[i].delivery);
	}
	kept_unref(route->kept);
	route->broker->coming_bytes -= route->coming_bytes;
	route->broker->coming -= route->coming_bytes > 0;
	TAILQ_INSERT_HEAD(&route->broker->spare_routes, route, link);
}

static struct kept *
route_kept(struct route *route)
{
	if (route->kept == NULL)
		route->kept = kept_new(route->broker, &route->message);
	return route->kept;
}

void
route_keep(struct route *route)
{
	struct kept *kept = route_kept(route);
	struct message message = route->message;

	kept_message(kept, route->broker, &route->message);
	route->message.qos = message.qos;
	route->message.retain = message.retain;
	route->message.hops = message.hops;
}

static struct target *
add_target(struct route *route, struct session *session)
{
	struct target *target;

	if (route->target_count == route->target_cap) {
		route->target_cap += GROW;
		route->targets =
		    xrealloc(route->targets, route->target_cap * sizeof(*route->targets));
	}
	target = &route->targets[route->target_count++];
	*target =
	    (struct target){ .session = session_ref(session), .ids_at = (uint32_t)route->id_count };
	return target;
}

/* Identifiers of one target stand together: those of an earlier one are moved to the end first. */
static void
add_id(struct route *route, struct target *target, uint32_t id)
{
	size_t need = route->id_count + target->id_count + 1;

	if (target->id_count == IDS_MAX)
		return;
	if (need > route->id_cap) {
		route->id_cap = need + GROW;
		route->ids = xrealloc(route->ids, route->id_cap * sizeof(*route->ids));
	}
	if (target->ids_at + target->id_count != route->id_count) {
		memcpy(route->ids + route->id_count, route->ids + target->ids_at,
		    target->id_count * sizeof(*route->ids));
		target->ids_at = (uint32_t)route->id_count;
		route->id_count += target->id_count;
	}
	route->ids[route->id_count++] = id;
	target->id_count++;
}

static void
apply(struct route *route, struct target *target, const struct subscription *subscription)
{
	const struct message *message = &route->message;
	uint8_t qos = subscription->qos < message->qos ? subscription->qos : message->qos;

	if (qos > target->qos)
		target->qos = qos;
	target->retain |= subscription->retain_as_published && message->retain;
	if (subscription->id != 0)
		add_id(route, target, subscription->id);
}

static void
match_subscription(struct route *route, const struct subscription *subscription)
{
	const struct message *message = &route->message;
	struct session *session = subscription->session;

	if (subscription->no_local && message->publisher.len > 0 &&
	    bytes_equal(session->link.key, message->publisher))
		return;
	if (session->match_serial == route->broker->match_serial) {
		apply(route, &route->targets[session->match_slot], subscription);
		return;
	}
	if (message->qos == 0 && session->client == NULL)
		return;
	session->match_serial = route->broker->match_serial;
	session->match_slot = (uint32_t)route->target_count;
	apply(route, add_target(route, session), subscription);
}

/* How well a member of a share group can take a message now. */
enum fitness { FIT_NOT, FIT_LATER, FIT_BUSY, FIT_NOW };

static enum fitness
member_fitness(const struct subscription *member, struct bytes topic)
{
	const struct session *session = member->session;
	struct client *client = session_client(session);

	if (client == NULL)
		return session->durable && member->qos > 0 ? FIT_LATER : FIT_NOT;
	if (!client_may_receive(client, topic))
		return FIT_NOT;
	if (client_is_slow(client) || session->inflight >= client->receive_maximum)
		return FIT_BUSY;
	return FIT_NOW;
}

/* The fittest member in turn. A session that takes the message by another subscription too gets
 * it twice (MQTT 5.0 §4.8.2). */
static void
match_share(struct route *route, struct share *share)
{
	struct subscription *member, *chosen = NULL;
	enum fitness best = FIT_NOT, fitness;

	TAILQ_FOREACH (member, &share->members, share_link) {
		fitness = member_fitness(member, route->message.topic);
		if (fitness > best) {
			best = fitness;
			chosen = member;
		}
		if (best == FIT_NOW)
			break;
	}
	if (chosen == NULL)
		return;
	TAILQ_REMOVE(&share->members, chosen, share_link);
	TAILQ_INSERT_TAIL(&share->members, chosen, share_link);
	apply(route, add_target(route, chosen->session), chosen);
}

static void
match_tap(struct route *route, struct tap *tap)
{
	if (route->tap_count == route->tap_cap) {
		route->tap_cap += GROW;
		route->taps = xrealloc(route->taps, route->tap_cap * sizeof(*route->taps));
	}
	route->taps[route->tap_count++] = tap;
}

static void
match_one(void *arg, void *value)
{
	struct route *route = arg;

	switch (target_kind_of(value)) {
	case TARGET_SUBSCRIPTION:
		match_subscription(route, target_untag(value));
		break;
	case TARGET_SHARE:
		match_share(route, target_untag(value));
		break;
	case TARGET_TAP:
		match_tap(route, target_untag(value));
		break;
	}
}

/* Numbers the delivery now, so that what the store is told and what is sent agree. */
static void
prepare(struct route *route, struct target *target, struct writes *durable)
{
	struct session *session = target->session;

	if (!session_has_queue_room(
		session, route->message.payload.len + route->message.properties.len))
		return;
	target->delivery =
	    delivery_new(session, route_kept(route), target, route->ids + target->ids_at);
	if (session->durable) {
		delivery_make_durable(target->delivery);
		persist_delivery(durable, session, target->delivery);
	}
}

struct route *
broker_route(struct broker *broker, const struct message *message, struct writes *durable)
{
	struct route *route = route_get(broker, message);

	if (broker_is_direct(broker, message->topic)) {
		route->retained = false;
		return route;
	}
	broker->match_serial++;
	trie_match(&broker->subscriptions, message->topic, match_one, route);
	for (size_t i = 0; message->qos > 0 && i < route->target_count; i++) {
		if (route->targets[i].qos > 0)
			prepare(route, &route->targets[i], durable);
	}
	if (message->retain && message->payload.len > 0) {
		route->coming_bytes =
		    message->topic.len + message->payload.len + message->properties.len;
		broker->coming_bytes += route->coming_bytes;
		broker->coming++;
	}
	if (message->retain)
		persist_retained(
		    durable, broker, message, message->payload.len > 0 ? route_kept(route) : NULL);
	return route;
}

static struct mqtt_outgoing
outgoing(const struct route *route, const struct target *target, const struct client *client)
{
	const struct message *message = &route->message;

	return (struct mqtt_outgoing){ .retain = target->retain,
		.version = client->version,
		.has_expiry = message->has_expiry,
		.expiry_s = message->expiry_s,
		.subscription_ids = route->ids + target->ids_at,
		.subscription_id_count = target->id_count,
		.topic = message->topic,
		.forward = message->properties,
		.payload_len = message->payload.len };
}

/* Subscribers that get the very same packet share one encoded image. */
struct image {
	bool made;
	bool v5;
	bool retain;
};

static bool
append_shared(
    struct route *route, const struct target *target, struct client *client, struct image *image)
{
	struct buf *shared = &route->broker->image;
	bool v5 = client->version >= MQTT_VERSION_5;

	if (!image->made || image->v5 != v5 || image->retain != target->retain) {
		struct mqtt_outgoing publish = outgoing(route, target, client);

		buf_reset(shared);
		(void)mqtt_publish_encode(shared, &publish);
		*image = (struct image){ true, v5, target->retain };
	}
	if (shared->len + route->message.payload.len > client->packet_bytes_max)
		return false;
	buf_append_bytes(conn_out(client->conn), buf_bytes(shared));
	return true;
}

static bool
append_own(struct route *route, const struct target *target, struct client *client)
{
	struct mqtt_outgoing publish = outgoing(route, target, client);

	alias_use(client, &publish);
	if (mqtt_publish_size(&publish) > client->packet_bytes_max)
		return false;
	(void)mqtt_publish_encode(conn_out(client->conn), &publish);
	alias_sent(client, &publish);
	return true;
}

static void
append_payload(struct route *route, struct client *client)
{
	struct kept *kept;

	if (route->message.payload.len < BY_REFERENCE_BYTES) {
		buf_append_bytes(conn_out(client->conn), route->message.payload);
		conn_wrote(client->conn);
		return;
	}
	kept = route_kept(route);
	if (kept->payload_blob == NULL)
		kept->payload_blob = blob_new(kept->payload);
	conn_write_blob(client->conn, kept->payload_blob);
}

static void
deliver_live(struct route *route, const struct target *target, struct image *image)
{
	struct client *client = session_client(target->session);
	struct broker *broker = route->broker;
	bool own, taken;
	size_t before;

	if (client == NULL || !client_may_receive(client, route->message.topic))
		return;
	if (client_is_slow(client)) {
		client_tell_dropped(client);
		return;
	}
	before = conn_pending(client->conn);
	own = client->version >= MQTT_VERSION_5 &&
	      (target->id_count > 0 || client->alias_maximum > 0);
	taken =
	    own ? append_own(route, target, client) : append_shared(route, target, client, image);
	if (!taken)
		return;
	append_payload(route, client);
	broker->metrics.messages_out++;
	broker->metrics.bytes_out += conn_pending(client->conn) - before;
}

/* The session ended while the message was on its way to the disk. */
static void
forget_delivery(struct session *session, const struct delivery *delivery)
{
	struct writes writes = { 0 };

	if (!delivery->durable)
		return;
	persist_delivery_gone(&writes, session, delivery);
	broker_persist(session->broker, &writes, NULL, NULL);
	writes_clear(&writes);
}

static void
deliver_queued(struct target *target)
{
	struct session *session = target->session;

	if (target->delivery == NULL)
		return;
	if (session->dead) {
		forget_delivery(session, target->delivery);
		return;
	}
	if (session->client == NULL && !session->durable)
		return;
	delivery_queue(session, target->delivery);
	target->delivery = NULL;
	session_pump(session);
}

void
broker_deliver(struct route *route)
{
	struct image image = { 0 };

	for (size_t i = 0; i < route->target_count; i++) {
		struct target *target = &route->targets[i];

		if (target->qos > 0)
			deliver_queued(target);
		else
			deliver_live(route, target, &image);
	}
	for (size_t i = 0; i < route->tap_count; i++)
		route->taps[i]->message(route->taps[i]->arg, &route->message);
	if (route->retained)
		retained_set(route->broker, &route->message, route->kept);
	route_put(route);
}

void
route_drop(struct route *route)
{
	if (route != NULL)
		route_put(route);
}

struct tap *
broker_tap(struct broker *broker, struct bytes filter,
    void (*message)(void *arg, const struct message *message), void *arg)
{
	struct tap *tap = xcalloc(1, sizeof(*tap) + filter.len);

	tap->message = message;
	tap->arg = arg;
	memcpy(tap->text, filter.data, filter.len);
	tap->filter = bytes_of(tap->text, filter.len);
	trie_add(&broker->subscriptions, tap->filter, target_tag(tap, TARGET_TAP));
	return tap;
}

void
broker_untap(struct broker *broker, struct tap *tap)
{
	(void)trie_remove(&broker->subscriptions, tap->filter, target_tag(tap, TARGET_TAP));
	loop_free_later(broker->loop, tap);
}

static void
note_durable(void *arg, void *value)
{
	bool *found = arg;
	struct subscription *subscription = target_untag(value);
	struct share *share = target_untag(value);

	if (target_kind_of(value) == TARGET_SUBSCRIPTION)
		*found |= subscription->session->durable && subscription->qos > 0;
	else if (target_kind_of(value) == TARGET_SHARE)
		*found |= !TAILQ_EMPTY(&share->members);
}

bool
broker_has_durable_subscriber(struct broker *broker, struct bytes topic)
{
	bool found = false;

	trie_match(&broker->subscriptions, topic, note_durable, &found);
	return found;
}

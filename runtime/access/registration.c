/* SPDX-License-Identifier: MIT
 * What joins the registry with the rest of the host.
 */
#include "runtime/access/registration.h"

#include <stdlib.h>

#include "lib/frame.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "runtime/access/access.h"
#include "runtime/doors.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/registry_record.h"
#include "runtime/registry/thing_search.h"
#include "runtime/shadow_service.h"

struct registrar {
	struct host *host;
	struct task reload; /* the doors trust others now */
};

/* --- the host --- */

static void
changed(void *arg)
{
	access_changed(((struct registrar *)arg)->host);
}

static void
reload_doors(void *arg)
{
	const struct registrar *registrar = arg;

	if (registrar->host->doors != NULL && !registrar->host->draining)
		doors_reload(registrar->host->doors);
}

static void
authorities_changed(void *arg)
{
	struct registrar *registrar = arg;

	task_schedule(&registrar->reload, registrar->host->loop);
}

int
registration_open(struct host *host, struct err *err)
{
	struct registrar *registrar = xcalloc(1, sizeof(*registrar));
	const struct registry_parts parts = { .loop = host->loop,
		.store = host->store,
		.changed = changed,
		.authorities_changed = authorities_changed,
		.arg = registrar };

	registrar->host = host;
	task_init(&registrar->reload, reload_doors, registrar);
	host->registrar = registrar;
	host->registry = registry_new(&parts);
	host->thing_searches = thing_searches_new(host);
	return registry_restore(host->registry, err);
}

void
registration_stop(struct host *host)
{
	thing_searches_stop(host->thing_searches);
	registry_stop(host->registry);
}

void
registration_close(struct host *host)
{
	if (host->registrar == NULL)
		return;
	thing_searches_free(host->thing_searches);
	registry_free(host->registry);
	task_cancel(&host->registrar->reload);
	free(host->registrar);
}

/* --- TLS --- */

void
registration_authorities(struct host *host, struct bytes owners, struct buf *out)
{
	struct registry_authority *at;

	registry_adopt_authorities(host->registry, owners);
	buf_append_bytes(out, owners);
	for (at = registry_authority_next(host->registry, NULL); at != NULL;
	     at = registry_authority_next(host->registry, at)) {
		if (!at->is_owners)
			buf_append_string(out, at->pem);
	}
}

static bool
is_known(const struct host *host, const struct certificate *certificate)
{
	int64_t now_s = loop_sys(host->loop)->wall_ms() / 1000;

	return certificate->not_before_s <= now_s && now_s <= certificate->not_after_s &&
	       registry_certificate(host->registry, bytes_of_string(certificate->id)) != NULL;
}

int
registration_identify(void *arg, const struct tls_claim *claim, struct err *err)
{
	const struct certificate *certificate = claim->peer->certificate;

	if (certificate == NULL || claim->verified || is_known(arg, certificate))
		return 0;
	return err_set(err, "%s", claim->problem);
}

/* --- just in time --- */

/* A certificate that is being registered. */
struct arrival {
	struct host *host;
	struct buf topic;
	struct buf payload;
	struct buf outbox_key;
	registration_done *done;
	void *arg;
};

static void
arrival_free(struct arrival *arrival)
{
	buf_clear(&arrival->topic);
	buf_clear(&arrival->payload);
	buf_clear(&arrival->outbox_key);
	free(arrival);
}

/* As AWS IoT tells it; its times are in milliseconds, as texts. */
static void
write_event(struct arrival *arrival, const struct certificate *certificate,
    const struct registry_authority *authority, enum registry_state state)
{
	int64_t now_ms = loop_sys(arrival->host->loop)->wall_ms();

	buf_printf(&arrival->topic, "$aws/events/certificates/registered/%s", authority->id);
	buf_printf(&arrival->payload,
	    "{\"certificateId\":\"%s\",\"caCertificateId\":\"%s\",\"timestamp\":%lld,"
	    "\"certificateStatus\":\"%s\",\"certificateRegistrationTimestamp\":\"%lld\"}",
	    certificate->id, authority->id, (long long)now_ms, registry_state_text(state),
	    (long long)now_ms);
}

/* The message is stored with the registration where somebody must not miss it. */
static void
keep_event(
    struct arrival *arrival, const struct certificate *certificate, struct registry_change *change)
{
	struct writes writes = { 0 };
	struct buf value = { 0 };

	if (!shadow_service_must_keep(arrival->host->shadow_service, buf_bytes(&arrival->topic)))
		return;
	buf_printf(&arrival->outbox_key, "certificate-%s", certificate->id);
	frame_u8(&value, 0);
	frame_bytes(&value, buf_bytes(&arrival->topic));
	frame_bytes(&value, buf_bytes(&arrival->payload));
	writes_put(&writes, SPACE_OUTBOX, buf_bytes(&arrival->outbox_key), buf_bytes(&value));
	registry_change_add(change, &writes);
	writes_clear(&writes);
	buf_clear(&value);
}

static void
on_registered(void *arg, int status, const struct err *err)
{
	struct arrival *arrival = arg;
	const struct message message = { .topic = buf_bytes(&arrival->topic),
		.payload = buf_bytes(&arrival->payload),
		.qos = 1 };

	if (status == 0)
		shadow_service_publish(
		    arrival->host->shadow_service, &message, buf_bytes(&arrival->outbox_key), NULL);
	arrival->done(arrival->arg, status == 0 ? MQTT_SUCCESS : MQTT_SERVER_UNAVAILABLE, err);
	arrival_free(arrival);
}

/* A thing of the common name, and the default policy. */
static int
provision(struct registry_change *change, const struct registry *registry,
    const struct certificate *certificate, struct err *err)
{
	struct thing_wish wish = { .name = certificate->common_name, .is_new = true };
	struct bytes name = bytes_of_string(certificate->common_name);
	char target[CERTIFICATE_ID_BYTES + 5] = "cert:";

	(void)strcat(target, certificate->id);
	if (registry_need_default_policy(change, err) < 0 ||
	    registry_attach_policy(change, registry_default_policy, target, err) < 0)
		return -1;
	if (!registry_name_is_valid(name)) {
		log_warn("registry",
		    "certificate %s gets no thing, for its common name \"%s\" is no thing's name",
		    certificate->id, certificate->common_name);
		return 0;
	}
	if (registry_thing(registry, name) == NULL && registry_put_thing(change, &wish, err) < 0)
		return -1;
	return registry_attach_thing(change, wish.name, target, err);
}

/* The authorities of that name register nothing: so there is no need to calculate whose signature
 * it is, each time that such a certificate comes. */
static bool
registers_none(const struct registry *registry, const char *issuer)
{
	struct registry_authority *at = registry_authority_next(registry, NULL);
	bool is_there = false;

	for (; at != NULL; at = registry_authority_next(registry, at)) {
		if (strcmp(at->subject, issuer) != 0)
			continue;
		if (at->registration != REGISTRATION_OFF)
			return false;
		is_there = true;
	}
	return is_there;
}

static int
refuse_unregistered(const struct certificate *certificate, struct err *err)
{
	return err_set(err,
	    "its certificate %s is not registered, and its authority %s registers none",
	    certificate->id, certificate->issuer);
}

static int
take_steps(struct arrival *arrival, const struct certificate *certificate,
    struct registry_change *change, struct err *err)
{
	struct registry *registry = arrival->host->registry;
	const struct registry_authority *authority;
	enum registry_state state = REGISTRY_PENDING;

	if (registers_none(registry, certificate->issuer))
		return refuse_unregistered(certificate, err);
	authority = registry_issuer(registry, certificate);
	if (authority == NULL)
		return err_set(err,
		    "no authority that is known has signed its certificate %s "
		    "itself: import it with moonlet ca add",
		    certificate->id);
	if (authority->registration == REGISTRATION_OFF)
		return refuse_unregistered(certificate, err);
	if (authority->registration == REGISTRATION_PROVISION)
		state = REGISTRY_ACTIVE;
	if (registry_register_certificate(change, certificate, authority->id, state, err) < 0)
		return -1;
	write_event(arrival, certificate, authority, state);
	if (state == REGISTRY_ACTIVE && provision(change, registry, certificate, err) < 0)
		return -1;
	keep_event(arrival, certificate, change);
	log_info("registry", "certificate %s of %s (%s) registers itself: %s", certificate->id,
	    certificate->subject, authority->subject, registry_state_text(state));
	return 0;
}

void
registration_begin(
    struct host *host, const struct certificate *certificate, registration_done *done, void *arg)
{
	enum mqtt_reason reason = MQTT_NOT_AUTHORIZED;
	struct arrival *arrival = xcalloc(1, sizeof(*arrival));
	struct registry_change *change = registry_change_new(host->registry);
	struct err err;

	arrival->host = host;
	arrival->done = done;
	arrival->arg = arg;
	if (take_steps(arrival, certificate, change, &err) == 0) {
		registry_change_commit(change, on_registered, arrival);
		return;
	}
	if (registry_change_refusal(change) == REGISTRY_BUSY)
		reason = MQTT_SERVER_UNAVAILABLE;
	registry_change_cancel(change);
	done(arg, reason, &err);
	arrival_free(arrival);
}

/* SPDX-License-Identifier: MIT
 * The registry in the host: joined with the rights of those who are connected and with the TLS
 * listeners, and just-in-time registration of certificates that a known authority has signed (AWS
 * IoT Core Developer Guide, "Just-in-time registration").
 */
#ifndef RUNTIME_ACCESS_REGISTRATION_H
#define RUNTIME_ACCESS_REGISTRATION_H

#include "lib/mqtt_packet.h"
#include "net/tls.h"
#include "runtime/host.h"

struct registrar;

/* Makes host->registry and reads it from the store. */
int registration_open(struct host *host, struct err *err) __attribute__((warn_unused_result));
void registration_stop(struct host *host);  /* before the store is closed */
void registration_close(struct host *host); /* with the registry, after the store was closed */

/* Appends what TLS clients may be signed by, PEM: the authorities of the machine's owner, which are
 * given, and those that were imported. */
void registration_authorities(struct host *host, struct bytes owners, struct buf *out);

/* For tls_door_config.identify, `arg` being the host: lets in who shows a certificate that TLS has
 * verified, or one that the registry knows and that is within its time. What it may do is decided
 * when it says more. */
int registration_identify(void *arg, const struct tls_claim *claim, struct err *err);

/* Treats a certificate that the registry does not know, and that its owner has proved to own, as
 * the authority that signed it says. `done` is called once, in the call or later: with MQTT_SUCCESS
 * where it is registered now (its state says whether it is let in), else with why it is not:
 * MQTT_NOT_AUTHORIZED, or MQTT_SERVER_UNAVAILABLE where that may be otherwise soon. */
typedef void registration_done(void *arg, enum mqtt_reason reason, const struct err *err);
void registration_begin(
    struct host *host, const struct certificate *certificate, registration_done *done, void *arg);

#endif

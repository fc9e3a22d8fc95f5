/* SPDX-License-Identifier: MIT
 * The host's TLS listeners, mqtts and https: where their certificate, key and authorities come
 * from, and where their connections go. MQTT, WebSocket and HTTP are told apart by ALPN, so that
 * each of the two listeners takes all.
 */
#ifndef RUNTIME_DOORS_H
#define RUNTIME_DOORS_H

#include "net/authority.h"
#include "net/tls.h"
#include "runtime/host.h"

struct doors;

/* Listens where the options say so, but takes nobody in until doors_pause(false). NULL where an
 * address, a certificate or a key is wrong. */
struct doors *doors_open(struct host *host, struct err *err) __attribute__((warn_unused_result));
void doors_close(struct doors *doors); /* takes NULL */
void doors_pause(struct doors *doors, bool pause);
/* Reads certificates and keys again; where one is wrong, it says so and the old ones stay. Also
 * when the files change. */
void doors_reload(struct doors *doors);
void doors_figures(const struct doors *doors, struct buf *out);

const char *doors_mqtts_address(const struct doors *doors); /* NULL: it is off */

/* Moonlet's own authority, in the folder tls/ of the data; made at the first call. NULL with the
 * error. Lives as long as the doors. */
struct authority *doors_authority(struct doors *doors, struct err *err);
/* For clients too: made at the first call. */
struct tls *doors_tls(struct doors *doors, struct err *err);

#endif

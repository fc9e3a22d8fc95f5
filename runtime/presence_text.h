/* SPDX-License-Identifier: MIT
 * What AWS IoT's lifecycle events say of a connection, as members of a JSON object behind others.
 */
#ifndef RUNTIME_PRESENCE_TEXT_H
#define RUNTIME_PRESENCE_TEXT_H

#include "runtime/host.h"

/* sessionIdentifier: the same for one connection, and never again. */
void presence_put_session(
    struct buf *out, const struct host *host, const struct presence *presence);
void presence_put_principal(struct buf *out, const struct presence *presence);
/* Both, ipAddress and versionNumber. */
void presence_put_connection(
    struct buf *out, const struct host *host, const struct presence *presence);

/* disconnectReason. */
const char *presence_reason(const struct presence *presence);

#endif

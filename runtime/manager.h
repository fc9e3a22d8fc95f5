/* SPDX-License-Identifier: MIT
 * What the service manager that started the host (systemd, or another with the same protocol) gives
 * and is told: listening sockets by their names (sd_listen_fds(3)), and how the host is
 * (sd_notify(3)). Both are a few words in the environment and datagrams on a socket; no library is
 * needed. Without a manager all of this does nothing.
 */
#ifndef RUNTIME_MANAGER_H
#define RUNTIME_MANAGER_H

#include "lib/err.h"
#include "runtime/options.h"

struct host;
struct manager;

/* Takes the sockets that were passed: each has the name of the option that it stands for (mqtt,
 * mqtts, http, https), whose value it replaces by "fd:N". -1: a socket has another name, or two
 * have the same. */
int manager_take_sockets(struct options *options, struct err *err)
    __attribute__((warn_unused_result));

/* Reads where to tell; before the host drops its rights. */
struct manager *manager_new(struct host *host);
/* When the store is closed, for the watchdog's job may wait there. Takes NULL. */
void manager_free(struct manager *manager);

/* The host serves. From here on the watchdog is fed, at twice the rate that it wants, by a job that
 * goes from the loop to the store and back: when either of them hangs or the database fails, it is
 * not, and the manager restarts the host. */
void manager_ready(struct manager *manager);
void manager_reloading(struct manager *manager);
void manager_reloaded(struct manager *manager);
/* It stops, within `most_ms`. */
void manager_stopping(struct manager *manager, int64_t most_ms);

#endif

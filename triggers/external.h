/* SPDX-License-Identifier: MIT
 * External brokers: the topic trigger's functions fed from brokers that exist already, through
 * shared subscriptions, so that several hosts split the work.
 *
 * A message is acknowledged when all its functions have committed or it stands in the durable
 * queue. The session at the broker outlives connections and this host: what is not acknowledged
 * comes again.
 */
#ifndef TRIGGERS_EXTERNAL_H
#define TRIGGERS_EXTERNAL_H

#include "runtime/api/web.h"
#include "runtime/host.h"

/* All functions but external_open take NULL: there are no brokers. */
struct external;

/* Reads the brokers out of the options; connects nowhere yet. */
struct external *external_open(struct host *host, struct err *err)
    __attribute__((warn_unused_result));
/* When the functions are loaded: what waits in a session comes at once, and must find them. */
void external_start(struct external *external);
void external_resume(struct external *external); /* after a message that said BROKER_PAUSE */
void external_hold(struct external *external);	 /* takes nothing more; acknowledges what ends */
/* Reads the files of TLS again, for connections from now on. */
void external_reload(struct external *external);
/* Leaves the brokers. What was not acknowledged stays theirs. */
void external_free(struct external *external);

/* From the topic trigger. */
void external_bind(struct external *external, struct bytes filter, struct function *function);
void external_unbind(struct external *external, struct bytes filter, struct function *function);

void external_health(struct external *external, struct health *health);
void external_figures(const struct external *external, struct buf *out); /* Prometheus' text */

#endif

/* SPDX-License-Identifier: MIT
 * Who may do what: joins the doors (MQTT, the HTTP data plane) with logins, identities and their
 * policies. What is refused is counted, and logged at a bounded rate with the statement that
 * decided.
 */
#ifndef RUNTIME_ACCESS_H
#define RUNTIME_ACCESS_H

#include "lib/log_limit.h"
#include "net/broker.h"
#include "net/http_server.h"
#include "runtime/login.h"

struct host;

struct access {
	/* Of the rights: grows with each change of certificates, things, policies, credentials. */
	uint64_t generation;
	unsigned logins_waiting;
	struct log_limit refused_lines;
	struct log_limit denied_lines;
	uint64_t accepted;
	uint64_t refused;
	uint64_t denied; /* what clients that are in may not do */
};

struct access *access_new(struct host *host);
void access_free(struct access *access); /* takes NULL */

/* Something has changed that decides about rights. Every later question is decided anew, and who
 * may not be connected any more is cut within the next turns of the loop. */
void access_changed(struct host *host);

/* The broker's hooks. */
void access_authenticate(void *arg, struct broker_login *login, const struct mqtt_connect *connect,
    const struct peer *peer);
bool access_authorize(void *arg, const struct broker_question *question);
void access_identity_unref(void *arg, void *identity);

/* Who has sent a request: `done` is called once, in the call or later, the exchange not answered.
 * It takes over the answer's identity. */
struct access_request {
	struct host *host;
	struct http_exchange *exchange;
	void (*done)(struct access_request *request, const struct login_answer *answer);
};
void access_request(struct access_request *request);
/* Whether that identity may do this; where not, it is counted and logged. */
bool access_may(struct host *host, struct identity *identity, const char *action, const char *kind,
    struct bytes name);

void access_write_figures(const struct access *access, struct buf *out);

#endif

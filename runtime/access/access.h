/* SPDX-License-Identifier: MIT
 * Who may do what: joins the doors (MQTT, the HTTP data plane) with logins, identities and their
 * policies. What is refused is counted, and logged at a bounded rate with the statement that
 * decided.
 */
#ifndef RUNTIME_ACCESS_ACCESS_H
#define RUNTIME_ACCESS_ACCESS_H

#include "lib/log_limit.h"
#include "net/broker.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "runtime/access/login.h"

struct host;
struct tls_pool;

enum {
	ACCESS_FAILURES = 4096,	 /* addresses whose wrong passwords are counted */
	ACCESS_PASSWORDS = 4096, /* passwords that were right and are remembered */
	CHECKING_MAX = 64,	 /* of an address that wait for the slow hash or an authorizer */
	FAILURES_BURST = 20,	 /* wrong passwords at once, */
	FAILURE_US = 3000000,	 /* then one in this time */
	TIMED_CHECK_US = 5000000,
};

/* Of an address, or of several that share the place. */
struct login_failures {
	int64_t full_us;   /* when there is room for the whole burst again */
	uint32_t checking; /* wait for the slow hash or an authorizer */
};

struct access {
	/* Of the rights: grows with each change of certificates, things, policies, credentials. */
	uint64_t generation;
	unsigned logins_waiting;
	struct log_limit refused_lines;
	struct log_limit denied_lines;
	uint64_t accepted;
	uint64_t refused;
	uint64_t denied; /* what clients that are in may not do */
	struct login_failures failures[ACCESS_FAILURES];
	uint8_t passwords[ACCESS_PASSWORDS][32]; /* keyed digests; zeros: none */
	struct tls_pool *threads;		 /* for signatures */
	uint8_t secret[32];			 /* the key; drawn at start */
	struct timer timed; /* set where rights may end by the clock: asks everybody again */
};

/* Makes host->access and what verifiers need: credentials (read from the store), passwords, keys of
 * an identity provider, authorizer. */
int access_open(struct host *host, struct err *err) __attribute__((warn_unused_result));
/* What waits is answered, while broker and HTTP client are there; nobody comes any more. */
void access_stop(struct host *host);
void access_close(struct host *host); /* after the store and the broker */

/* Something has changed that decides about rights. Every later question is decided anew, and who
 * may not be connected any more is cut within the next turns of the loop. */
void access_changed(struct host *host);

/* Some identity's rights hang on the time: everybody who is connected is asked about in a while,
 * and again as long as there is such a one. */
void access_note_timed(struct host *host);

/* The broker's hooks. */
void access_authenticate(void *arg, struct broker_login *login, const struct mqtt_connect *connect,
    const struct peer *peer);
bool access_authorize(void *arg, const struct broker_question *question);
void access_identity_unref(void *arg, void *identity);
void access_describe(void *arg, const void *identity, struct buf *out);
void *access_recall(void *arg, struct bytes described, struct bytes client_id);

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

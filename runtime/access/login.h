/* SPDX-License-Identifier: MIT
 * Logins: what a client shows when it comes, by MQTT or HTTP, and the verifiers that turn it into
 * an identity or refuse it.
 *
 * Verifiers are asked in the order of a table; the first that takes a login answers it: at once or
 * later (a slow hash, a key that must be fetched, a function), exactly once. How many may wait at a
 * time is bounded.
 */
#ifndef RUNTIME_ACCESS_LOGIN_H
#define RUNTIME_ACCESS_LOGIN_H

#include "lib/mqtt_packet.h"
#include "runtime/access/identity.h"

enum login_door { LOGIN_MQTT, LOGIN_HTTP };
enum { LOGINS_MAX = 4096 }; /* that wait for their answer */

struct http_head;
struct login;
struct verifier;

/* What was answered. Borrowed for the call. */
struct login_answer {
	uint8_t reason; /* MQTT_SUCCESS, or of the refusal (enum mqtt_reason) */
	/* One reference, which is taken over; NULL where the client may do everything. */
	struct identity *identity;
	const char *text; /* of a refusal, for the log: the client is told the reason only */
};

/* What a client shows. All views last until the login is answered. */
struct login {
	struct host *host;
	enum login_door door;
	struct peer *peer;
	struct bytes client_id; /* empty: not given */
	bool has_user;
	bool has_password;
	struct bytes user;     /* by CONNECT, or by HTTP's Basic */
	struct bytes password; /* the same */
	struct bytes bearer;   /* by HTTP's Bearer (RFC 6750 §2.1); empty: none */
	/* Of the HTTP request, or of the one that opened the WebSocket. */
	struct bytes query;	      /* encoded; empty: none */
	const struct http_head *head; /* NULL: there is none */

	/* What follows is login.c's. */
	const struct verifier *verifier;
	void (*done)(void *arg, const struct login_answer *answer);
	void *arg;
	struct buf texts; /* what the views show */
};

struct verifier {
	const char *name;
	/* Whether what is shown is for this verifier. */
	bool (*takes)(const struct login *login);
	/* Answers by login_accept or login_refuse. */
	void (*verify)(struct login *login);
	/* Of identities that can be known again by what identity_describe wrote; NULL: none can. */
	const struct identity_kind *kind;
};

/* That of one of the verifiers, by its name. NULL: there is none that can be known again. */
const struct identity_kind *login_kind(struct bytes name);

/* `shown` is copied, with its texts. `done` is called once, in the call or later. Too many at once:
 * MQTT_SERVER_BUSY. */
void login_begin(const struct login *shown,
    void (*done)(void *arg, const struct login_answer *answer), void *arg);

/* The login is gone. `identity`: takes over a reference; NULL: may do everything. */
void login_accept(struct login *login, struct identity *identity);
/* `reason`: MQTT_BAD_CREDENTIALS, MQTT_NOT_AUTHORIZED, MQTT_SERVER_BUSY,
 * MQTT_SERVER_UNAVAILABLE. The text is for the log and must not hold secrets. */
void login_refuse(struct login *login, uint8_t reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Failed logins count by address: who has failed too often has to wait. */
bool login_must_wait(const struct login *login);
void login_note_failure(const struct login *login);
/* A login waits for the slow hash or an authorizer, until login_checked. False: too many of the
 * address do; so one address cannot have these for itself. */
bool login_may_check(const struct login *login);
void login_checked(const struct login *login);
/* What failures are counted by, of "192.0.2.7:5000": the address, of IPv6 its first half, for who
 * has one of these has all below it. Appends. */
void login_network(const char *address, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT
 * Credentials that Moonlet itself keeps: users with passwords, and access tokens. What they may do
 * stands in the registry, under the same text ("user:fritz", "token:gateway").
 *
 * Memory is the authority, made of SPACE_CREDENTIAL at start; a change is answered when it is
 * durable, but takes effect at once.
 */
#ifndef RUNTIME_ACCESS_CREDENTIALS_H
#define RUNTIME_ACCESS_CREDENTIALS_H

#include "lib/err.h"
#include "lib/hash.h"

struct host;
struct credentials;

enum {
	CREDENTIAL_NAME_BYTES_MAX = 128,
	CREDENTIALS_MAX = 100000,
	TOKEN_SECRET_BYTES = 32,
	TOKEN_TEXT_BYTES = 64, /* of a token, with its zero */
};

enum credential_kind { CREDENTIAL_USER, CREDENTIAL_TOKEN, CREDENTIAL_KINDS };

struct credential {
	struct hash_node link;	    /* by `text` */
	struct hash_node by_secret; /* of tokens */
	enum credential_kind kind;
	char *text;	  /* "user:fritz" */
	const char *name; /* "fritz", in it */
	char *secret;	  /* of a user: password_hash; of a token: hex of its SHA-256 */
	int64_t created_ms;
	int64_t expires_ms; /* 0: never */
};

struct credentials *credentials_new(struct host *host);
/* At start, before anybody connects: waits for the store. */
int credentials_restore(struct credentials *credentials, struct err *err)
    __attribute__((warn_unused_result));
void credentials_free(struct credentials *credentials); /* after the store; takes NULL */

extern const char *const credential_kinds[CREDENTIAL_KINDS]; /* "user", "token" */
/* 1 to 128 letters, digits, "_", "-", ".", "@", "+". */
bool credential_name_is_valid(struct bytes name);

/* NULL: not there. Borrowed until the loop goes on. */
const struct credential *credentials_find(
    const struct credentials *credentials, enum credential_kind kind, struct bytes name);
const struct credential *credentials_find_token(
    const struct credentials *credentials, struct bytes token);
/* In no order; NULL begins and ends. */
const struct credential *credentials_next(
    const struct credentials *credentials, const struct credential *at);

/* A new one, or another secret for one that is there. `done` (NULL: nobody waits) is called once,
 * later: -1: it could not be stored, and memory is as it was. -1 at once: `err` says what is wrong,
 * `done` is not called. */
struct credential_wish {
	enum credential_kind kind;
	struct bytes name;
	const char *secret;
	int64_t expires_ms;
	bool is_new; /* it must not be there; else it must */
};
/* Whether credentials_put would take it. */
int credentials_check(const struct credentials *credentials, const struct credential_wish *wish,
    struct err *err) __attribute__((warn_unused_result));
int credentials_put(struct credentials *credentials, const struct credential_wish *wish,
    void (*done)(void *arg, int status), void *arg, struct err *err)
    __attribute__((warn_unused_result));
/* -1: there is none. */
int credentials_delete(struct credentials *credentials, enum credential_kind kind,
    struct bytes name, void (*done)(void *arg, int status), void *arg)
    __attribute__((warn_unused_result));

/* A token: "mlt_" and the secret in base64url. What is kept is the hex of the whole text's
 * SHA-256. */
extern const char token_prefix[];
bool token_is_ours(struct bytes text); /* by its prefix */
void token_write(const uint8_t secret[TOKEN_SECRET_BYTES], char text[TOKEN_TEXT_BYTES]);
void token_digest(struct bytes token, char hex[65]);

#endif

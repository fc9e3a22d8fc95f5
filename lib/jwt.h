/* SPDX-License-Identifier: MIT
 * JSON Web Tokens (RFC 7519) in compact form (RFC 7515 §3.1): taken apart and their claims checked.
 * Signatures are somebody else's. Pure.
 *
 * A header and a payload have at most 64 members, each name once.
 *
 * Only RS256 and ES256 (RFC 7518 §3.1) are known: "none" and keyed hashes are refused, and so is a
 * header with "crit", "b64" or keys of its own ("jwk", "jku", "x5u", "x5c").
 */
#ifndef LIB_JWT_H
#define LIB_JWT_H

#include <cjson/cJSON.h>

#include "lib/bytes.h"
#include "lib/err.h"

enum { JWT_BYTES_MAX = 16384, JWT_LEEWAY_S = 60 };

enum jwt_algorithm { JWT_RS256, JWT_ES256 };

struct jwt {
	enum jwt_algorithm algorithm;
	char *key_id;		  /* "": none */
	struct bytes signed_part; /* of the token's text: what the signature is of */
	struct buf signature;
	cJSON *claims; /* an object */
};

/* Whether the text looks like a token: three parts of base64url, with dots between them. */
bool jwt_is_likely(struct bytes text);
/* `text` is borrowed for as long as `jwt` lives. -1: `jwt` is empty. */
int jwt_parse(struct bytes text, struct jwt *jwt, struct err *err)
    __attribute__((warn_unused_result));
void jwt_clear(struct jwt *jwt);

/* What a token must say. */
struct jwt_terms {
	const char *issuer;   /* "iss" */
	const char *audience; /* "aud", or one of it */
	int64_t now_s;	      /* since 1970 */
};

/* -1 with the claim that is wrong. "exp" must be there; "nbf" and "iat" may; clocks may differ by
 * JWT_LEEWAY_S. "sub" must be a text of 1 to 256 printable characters. */
int jwt_check(const struct jwt *jwt, const struct jwt_terms *terms, struct err *err)
    __attribute__((warn_unused_result));
const char *jwt_subject(const struct jwt *jwt); /* of one that was checked */
int64_t jwt_expires_s(const struct jwt *jwt);	/* the same; without the leeway */

/* Base64url without padding (RFC 7515 §2); appends. -1: it is not. */
int base64url_decode(struct bytes text, struct buf *out) __attribute__((warn_unused_result));

/* --- keys (RFC 7517, RFC 7518 §6) --- */

enum { JWK_KEYS_MAX = 64, JWK_ID_BYTES_MAX = 256 };

struct jwk {
	enum jwt_algorithm algorithm;
	char *id;	  /* "": none */
	struct buf first; /* RSA: modulus; EC: x (32 bytes) */
	struct buf other; /* RSA: exponent; EC: y (32 bytes) */
};

struct jwk_set {
	struct jwk *keys;
	size_t count;
};

/* Keys of other kinds, uses or algorithms are passed over. -1: it is no set, or none of its keys is
 * of use; `set` is empty. */
int jwk_set_parse(struct bytes json, struct jwk_set *set, struct err *err)
    __attribute__((warn_unused_result));
void jwk_set_clear(struct jwk_set *set);
/* The key for a token: that of its key id, or, where it names none, the only one of its algorithm.
 * NULL: there is none. */
const struct jwk *jwk_set_find(const struct jwk_set *set, const struct jwt *jwt);

#endif

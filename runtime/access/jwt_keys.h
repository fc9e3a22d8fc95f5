/* SPDX-License-Identifier: MIT
 * The keys of an identity provider (the option jwt_jwks_url): fetched when they are needed, kept as
 * long as the provider allows, fetched anew for a key id that is not known, at a bounded rate.
 * Where the provider cannot be reached, the keys that there were stay in use.
 */
#ifndef RUNTIME_ACCESS_JWT_KEYS_H
#define RUNTIME_ACCESS_JWT_KEYS_H

#include "lib/jwt.h"

struct host;
struct jwt_keys;

struct jwt_keys *jwt_keys_new(struct host *host);
/* Who waits is answered. Before the HTTP client; takes NULL. */
void jwt_keys_free(struct jwt_keys *keys);
bool jwt_keys_wanted(const struct host *host); /* whether the option is set */

/* NULL: none that fits. Borrowed until the loop goes on. */
const struct jwk *jwt_keys_find(const struct jwt_keys *keys, const struct jwt *jwt);
/* Whether the keys are old, or (`unknown`) may be asked for again for one that is missing. */
bool jwt_keys_due(const struct jwt_keys *keys, bool unknown);
/* Fetches; `done` is called once, later, whether it worked or not. */
void jwt_keys_fetch(struct jwt_keys *keys, void (*done)(void *arg), void *arg);

#endif

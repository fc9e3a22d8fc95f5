/* SPDX-License-Identifier: MIT
 * Passwords: hashed by yescrypt (crypt(5)), which takes tens of milliseconds and some MiB on
 * purpose, so on a thread of its own. How many may wait is bounded.
 */
#ifndef RUNTIME_ACCESS_PASSWORD_H
#define RUNTIME_ACCESS_PASSWORD_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "net/loop.h"

enum { PASSWORD_BYTES_MAX = 256, PASSWORD_HASH_BYTES = 384, PASSWORDS_WAITING_MAX = 256 };

/* Hashes under a new salt, on the calling thread. `out` takes PASSWORD_HASH_BYTES, with its zero.
 */
int password_hash(const char *password, char *out, struct err *err)
    __attribute__((warn_unused_result));
/* Whether it is a hash that password_check understands. */
bool password_hash_is_valid(const char *hash);

struct passwords;

struct passwords *passwords_new(struct loop *loop, struct err *err)
    __attribute__((warn_unused_result));
/* What waits is answered: false. Takes NULL. */
void passwords_free(struct passwords *passwords);

/* Calls `done` later, once. `hash` NULL: there is no such user; takes the same time, and is false.
 * Both texts are copied. -1: too many wait, `done` is not called. */
int password_check(struct passwords *passwords, const char *hash, struct bytes password,
    void (*done)(void *arg, bool good), void *arg) __attribute__((warn_unused_result));

#endif

/* SPDX-License-Identifier: MIT
 * Included in front of each of Lua's own sources: what the worker changes in it.
 */
#ifndef SANDBOX_LUA_CONFIG_H
#define SANDBOX_LUA_CONFIG_H

#include <stddef.h>
#include <stdio.h>

/* Nested C calls and parser levels: less than the C stack could bear. */
#define LUAI_MAXCCALLS 160

/* The same seed in every state: images and replays depend on it. */
unsigned int sandbox_seed(void);
#define luai_makeseed(state) sandbox_seed()

/* Where Lua hashes addresses, of functions of this program or of constants in it (ltable.c,
 * lstring.c), it takes what is the same in every process: llimits.h casts to uintptr_t there, and
 * what looks like a cast becomes a call. */
#ifdef SANDBOX_PLACES
#include <stdint.h>
uintptr_t sandbox_place(const void *at);
#define uintptr_t sandbox_place
#endif

/* printf may use libc's heap: not while the deadline can jump. */
int sandbox_snprintf(char *out, size_t size, const char *format, ...);
#define snprintf sandbox_snprintf

#endif

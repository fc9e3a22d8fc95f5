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

/* printf may use libc's heap: not while the deadline can jump. */
int sandbox_snprintf(char *out, size_t size, const char *format, ...);
#define snprintf sandbox_snprintf

#endif

/* SPDX-License-Identifier: MIT
 * The server's certificates with their keys, as files hold them: one pair, or a folder of NAME.pem
 * and NAME.key, of which each client gets the one for the name that it calls.
 */
#ifndef RUNTIME_PAIRS_H
#define RUNTIME_PAIRS_H

#include <stdbool.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "net/tls_context.h"
#include "runtime/early.h"

struct pair {
	char *name; /* of its files, for errors; NULL: there is one pair alone */
	struct buf certificate;
	struct buf key;
};

/* All zero is none. The first is for clients that call no name, or one that no certificate has. */
struct pairs {
	struct pair list[TLS_PAIRS_MAX];
	size_t count;
};

struct pair *pairs_add(struct pairs *pairs, const char *name); /* NULL: there are too many */
void pairs_clear(struct pairs *pairs);			       /* keys are wiped */

bool pairs_is_folder(const char *path, const struct early *early);
/* Adds those of a folder, in the order of their names, but "default" first. -1: there is none, or
 * one has no key; `err` names it. */
int pairs_read(struct pairs *pairs, const char *folder, const struct early *early, struct err *err)
    __attribute__((warn_unused_result));

/* A number that changes when a file in the folder does. */
uint64_t pairs_folder_state(const char *folder);

#endif

/* SPDX-License-Identifier: MIT
 * Device shadows in the store: the documents of lib/shadow_doc.h as rows of SPACE_SHADOW, by thing
 * or thing \0 name.
 */
#ifndef STORE_SHADOWS_H
#define STORE_SHADOWS_H

#include "lib/shadow_doc.h"
#include "lib/shadow_topic.h"
#include "store/txn.h"

/* Inside a job: reads the shadow, works the request out and stores what comes of it. 0: `reply`
 * (empty before) holds the answer, also where it is a refusal; -1: the database failed, or the
 * stored document is damaged. Thing and name must be valid. */
int shadows_run(struct txn *txn, enum shadow_request_kind kind,
    const struct shadow_request *request, struct shadow_reply *reply, struct err *err)
    __attribute__((warn_unused_result));

/* The key of a shadow's row; an empty name is the classic one. */
void shadows_key(struct buf *key, struct bytes thing, struct bytes name);

/* Appends a JSON array of the names of a thing's shadows that exist; the classic one is "". */
int shadows_names(struct txn *txn, struct bytes thing, struct buf *json, struct err *err)
    __attribute__((warn_unused_result));

#endif

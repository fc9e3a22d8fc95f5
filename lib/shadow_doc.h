/* SPDX-License-Identifier: MIT
 * A device shadow as AWS IoT has it: the stored document, and what a request to get, update or
 * delete it answers. Pure: a request is worked out on a document in memory; the caller stores it.
 *
 * Specified by "Device Shadow service documents" and "Device Shadow error messages" in the AWS IoT
 * Core developer guide. Where that is silent: a request's `version` must equal the stored one (0
 * where there is none); a deleted shadow keeps its version for SHADOW_TOMBSTONE_S.
 */
#ifndef LIB_SHADOW_DOC_H
#define LIB_SHADOW_DOC_H

#include "lib/bytes.h"

enum {
	SHADOW_STATE_BYTES_MAX = 8192, /* of a request, and of desired and reported together */
	SHADOW_DEPTH_MAX = 8,	       /* objects and arrays inside desired or reported */
	SHADOW_TOKEN_BYTES_MAX = 64,
	SHADOW_THING_BYTES_MAX = 128,
	SHADOW_NAME_BYTES_MAX = 64,
	SHADOW_TOMBSTONE_S = 48 * 3600,
};

struct cJSON;

/* All zero is valid: there is no shadow and never was. */
struct shadow_doc {
	struct cJSON *state;	/* an object with desired and reported, where they are not empty */
	struct cJSON *metadata; /* an object of the same shape */
	uint64_t version;	/* 0: never was */
	int64_t time_s;		/* of the last change */
	bool exists;		/* false with a version: deleted */
};

/* The stored form: JSON. 0, or -1 where it is not of this form; `doc` is then all zero. */
int shadow_doc_read(struct shadow_doc *doc, struct bytes stored)
    __attribute__((warn_unused_result));
void shadow_doc_write(const struct shadow_doc *doc, struct buf *out); /* appends */
void shadow_doc_clear(struct shadow_doc *doc);

struct shadow_request {
	struct bytes thing;
	struct bytes name; /* empty: the classic shadow */
	struct bytes payload;
	int64_t now_s;	    /* since 1970 */
	size_t shadows_max; /* of the thing: an update makes no more; 0: no bound */
};

/* All zero is valid. The JSON of the messages that follow from a request. */
struct shadow_reply {
	int code;	      /* 0: accepted; else 400, 404, 409, 413, 415, 500, ... */
	struct buf answer;    /* of .../accepted or .../rejected */
	struct buf delta;     /* of .../update/delta; empty: no difference */
	struct buf documents; /* of .../update/documents; empty unless an update was accepted */
	struct buf previous;  /* what a delete deleted, as in `documents` */
	bool created;	      /* there was no shadow before this update */
	uint64_t row_version; /* of its row before the request (store/txn.h); 0: there was none */
};

/* Each fills an empty reply and returns its code. On 0 `doc` is what is to be stored (a deleted
 * one too, as long as its tombstone counts); on a code it is unchanged. */
int shadow_doc_update(
    struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply);
int shadow_doc_delete(
    struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply);
int shadow_doc_get(
    const struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply);
void shadow_reply_clear(struct shadow_reply *reply);

/* Fills an empty reply for a request that was not tried: 403, 429, 500. `text` may be NULL: that of
 * the code. */
void shadow_reply_refuse(
    struct shadow_reply *reply, const struct shadow_request *request, int code, const char *text);

#endif

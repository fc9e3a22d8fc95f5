/* SPDX-License-Identifier: MIT
 * The rows of the queue and of the dead letters as JSON. Used inside store/ and by its tests.
 */
#ifndef STORE_QUEUE_ROW_H
#define STORE_QUEUE_ROW_H

#include "store/queue.h"

struct cJSON;

/* A row that was read: its views point into what it owns. */
struct queue_read {
	struct queue_row row;
	enum failed_kind kind; /* of a dead letter */
	struct cJSON *json;
	struct buf event;
};

/* -1: it is not of this form; nothing is to be cleared then. */
int queue_row_read(struct queue_read *read, struct bytes value) __attribute__((warn_unused_result));
void queue_read_clear(struct queue_read *read);

void queue_row_write(const struct queue_row *row, struct buf *out);
void failed_row_write(const struct failed_row *failed, struct buf *out);

/* 32 hexadecimal digits, terminated. */
enum { QUEUE_ID_TEXT = 2 * FAILED_ID_BYTES + 1 };
void queue_id_text(const uint8_t id[FAILED_ID_BYTES], char text[QUEUE_ID_TEXT]);
/* -1: it is no such text. */
int queue_id_read(struct bytes text, uint8_t id[FAILED_ID_BYTES])
    __attribute__((warn_unused_result));

#endif

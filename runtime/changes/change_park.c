/* SPDX-License-Identifier: MIT
 * Parked keys: what stands behind a change that failed for good, and how it goes on.
 *
 *   falling -> parked -> reading -> going -> (no more)
 *                 ^_________|_________|       one of them fails again
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/changes/change_follower_private.h"
#include "runtime/dead_letters.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

/* --- keys --- */

void
chains_prefix(const struct change_follower *follower, struct buf *key)
{
	follower_key(follower, key);
	buf_append_u8(key, 0);
}

/* `sequence` 0: the row that says that they are let go. */
void
chain_row_key(const struct chain *chain, uint64_t sequence, struct buf *key)
{
	chains_prefix(chain->follower, key);
	buf_append_bytes(key, chain->key);
	buf_append_u8(key, 0);
	if (sequence > 0)
		buf_printf(key, "%020llu", (unsigned long long)sequence);
}

void
chain_put_row(const struct chain *chain, uint64_t sequence, const char *id, struct writes *writes)
{
	struct buf key = { 0 };

	chain_row_key(chain, sequence, &key);
	writes_put(writes, SPACE_PARKED, buf_bytes(&key), bytes_of_string(id));
	buf_clear(&key);
}

void
chain_delete_row(const struct chain *chain, uint64_t sequence, struct writes *writes)
{
	struct buf key = { 0 };

	chain_row_key(chain, sequence, &key);
	writes_delete(writes, SPACE_PARKED, buf_bytes(&key));
	buf_clear(&key);
}

void
chain_write(const struct chain *chain, struct writes *writes)
{
	store_write(chain->follower->all->host->store, writes, NULL, NULL);
}

/* --- chains --- */

struct chain *
chain_find(const struct change_follower *follower, struct bytes key)
{
	struct hash_node *node = hash_find(&follower->chains, key);

	return node != NULL ? HASH_OWNER(node, struct chain, link) : NULL;
}

struct chain *
chain_get(struct change_follower *follower, struct bytes key)
{
	struct chain *chain = chain_find(follower, key);

	if (chain != NULL)
		return chain;
	chain = xcalloc(1, sizeof(*chain) + key.len);
	chain->follower = follower;
	memcpy(chain->data, key.data, key.len);
	chain->key = bytes_of(chain->data, key.len);
	hash_insert(&follower->chains, &chain->link, chain->key);
	return chain;
}

static void
chain_free(struct chain *chain)
{
	hash_remove(&chain->follower->chains, &chain->link);
	free(chain);
}

void
chains_clear(struct change_follower *follower)
{
	struct hash_node *node;

	while ((node = hash_next(&follower->chains, NULL)) != NULL)
		chain_free(HASH_OWNER(node, struct chain, link));
	hash_clear(&follower->chains);
}

bool
chain_blocks(const struct change_follower *follower, struct bytes key)
{
	const struct chain *chain = chain_find(follower, key);

	return chain != NULL && chain->state != CHAIN_GOING;
}

bool
chain_takes(struct chain *chain)
{
	return chain != NULL && (chain->state == CHAIN_PARKED || chain->state == CHAIN_READING);
}

static bool
may_end(const struct chain *chain)
{
	return chain->rows == 0 && chain->in_flight == 0 && !chain->reading &&
	       (chain->state == CHAIN_GOING || chain->state == CHAIN_PARKED);
}

/* Nothing of the key is parked any more. */
void
chain_end_if_over(struct chain *chain)
{
	struct writes writes = { 0 };

	if (!may_end(chain))
		return;
	if (chain->state == CHAIN_GOING) {
		chain_delete_row(chain, 0, &writes);
		chain_write(chain, &writes);
	}
	chain_free(chain);
}

/* --- the first --- */

void
chain_block(struct chain *chain)
{
	struct change_follower *follower = chain->follower;

	chain->state = CHAIN_FALLING;
	/* A batch with the key in it must not let those behind it go first. */
	if (follower->wish.batch > 0)
		bunches_take_back(follower);
}

void
chain_fall(struct chain *chain, const struct pending *pending, const struct failed_row *failed,
    struct writes *writes)
{
	chain_block(chain);
	queue_id_text(failed->id, chain->head);
	chain_put_row(chain, pending->sequence, chain->head, writes);
	chain_delete_row(chain, 0, writes);
}

void
chain_fallen(struct chain *chain, bool stored)
{
	chain->state = CHAIN_PARKED;
	if (!stored)
		chain->rows--;
	chain_end_if_over(chain);
}

/* --- those behind it --- */

struct parking {
	struct chain *chain;
	struct pending *pending;
};

static void
parked(void *arg, int status)
{
	struct parking *parking = arg;

	/* Its row counts: the chain is still there. */
	if (status < 0)
		parking->chain->rows--;
	pendings_settle(parking->chain->follower, &parking->pending, 1, status == 0);
	if (status < 0)
		chain_end_if_over(parking->chain);
	free(parking);
}

/* As its function would be given it. */
struct occurrence *
change_event(struct change_follower *follower, struct bytes text, const struct happening *like)
{
	struct happening happening = *like;
	struct buf array = { 0 };
	struct occurrence *event;

	happening.trigger = "table";
	happening.subject = bytes_of_string(follower->table);
	happening.qos = 1;
	happening.payload = text;
	if (follower->wish.batch > 0) {
		buf_append_u8(&array, '[');
		buf_append_bytes(&array, text);
		buf_append_u8(&array, ']');
		happening.payload = buf_bytes(&array);
	}
	event = occurrence_new(follower->all->host, &happening);
	buf_clear(&array);
	return event;
}

static void
put_letter(struct chain *chain, const struct change *change, struct writes *writes)
{
	struct change_follower *follower = chain->follower;
	const struct happening like = { .key = chain->key, .hops = (uint8_t)change->hops };
	struct occurrence *event = change_event(follower, change->text, &like);
	struct failed_row failed = { .kind = FAILED_CHANGE,
		.row.function_name = bytes_of_string(follower->function->name),
		.row.created_ms = event->time_ms };
	struct buf encoded = { 0 }, error = { 0 };
	char id[QUEUE_ID_TEXT];

	occurrence_encode(event, &encoded);
	failed.row.event = buf_bytes(&encoded);
	buf_printf(&error, "parked behind %s", chain->head);
	failed.error = buf_bytes(&error);
	if (follower->function->current != NULL)
		failed.function_version = bytes_of_string(follower->function->current->hash);
	dead_letter_stamp(follower->all->host, &failed);
	failed_put(writes, &failed);
	queue_id_text(failed.id, id);
	chain_put_row(chain, change->sequence, id, writes);
	buf_clear(&encoded);
	buf_clear(&error);
	occurrence_drop(event);
}

void
chain_park(struct chain *chain, struct pending *pending, const struct change *change)
{
	struct change_follower *follower = chain->follower;
	struct parking *parking = xcalloc(1, sizeof(*parking));
	struct writes writes = { 0 };

	parking->chain = chain;
	parking->pending = pending;
	pending->in_flight = true;
	follower->in_flight++;
	chain->rows++;
	chain->more = true;
	put_letter(chain, change, &writes);
	pendings_mark(follower, &pending, 1, &writes);
	store_write(follower->all->host->store, &writes, parked, parking);
}

/* SPDX-License-Identifier: MIT
 * Output: own bytes and, where blocks are queued by reference, a list of pieces.
 *
 *      own bytes  [........|.....|..........]
 *      pieces      own 0-8, blob, own 8-13, blob; the rest of the own bytes is the implicit tail
 */
#include "net/output.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 4096, SPARE_BYTES_MAX = 524288 };

struct output *
output_new(struct outputs *spare)
{
	struct output *output;

	if (spare->count > 0)
		return spare->list[--spare->count];
	output = xcalloc(1, sizeof(*output));
	(void)buf_reserve(&output->own, FIRST_BYTES);
	return output;
}

static void
release(struct output *output)
{
	buf_clear(&output->own);
	free(output);
}

void
output_free(struct outputs *spare, struct output *output)
{
	for (size_t i = 0; i < output->piece_count; i++)
		blob_unref(output->pieces[i].blob);
	free(output->pieces);
	if (output->own.cap <= SPARE_BYTES_MAX && spare->count < OUTPUTS_SPARE) {
		buf_reset(&output->own);
		*output = (struct output){ .own = output->own };
		spare->list[spare->count++] = output;
	} else {
		release(output);
	}
}

void
outputs_clear(struct outputs *spare)
{
	while (spare->count > 0)
		release(spare->list[--spare->count]);
}

size_t
output_pending(const struct output *output)
{
	return output->own.len - output->own_gone + output->blob_bytes - output->sent;
}

size_t
output_gather(const struct output *output, struct iovec *parts)
{
	size_t count = 0, tail = output->own_queued, skip = output->sent;

	for (size_t i = 0; i < output->piece_count && count < OUTPUT_PARTS_MAX - 1; i++) {
		const struct piece *piece = &output->pieces[i];
		uint8_t *base = piece->blob != NULL ? piece->blob->data : output->own.data;

		parts[count].iov_base = base + piece->at + skip;
		parts[count++].iov_len = piece->len - skip;
		skip = 0;
	}
	if (count == output->piece_count && output->own.len > tail) {
		parts[count].iov_base = output->own.data + tail + skip;
		parts[count++].iov_len = output->own.len - tail - skip;
	}
	return count;
}

/* Takes `len` bytes that have left off the front. */
void
output_advance(struct output *output, size_t len)
{
	size_t gone = 0;

	output->sent += len;
	while (gone < output->piece_count && output->sent >= output->pieces[gone].len) {
		output->sent -= output->pieces[gone].len;
		if (output->pieces[gone].blob != NULL)
			output->blob_bytes -= output->pieces[gone].len;
		else
			output->own_gone += output->pieces[gone].len;
		blob_unref(output->pieces[gone].blob);
		gone++;
	}
	if (gone > 0) {
		output->piece_count -= gone;
		memmove(output->pieces, output->pieces + gone,
		    output->piece_count * sizeof(*output->pieces));
	}
	if (output->piece_count == 0 && output->own_queued > 0) {
		buf_drain(&output->own, output->own_queued);
		output->own_queued = output->own_gone = 0;
	}
}

static void
add_piece(struct output *output, struct blob *blob, size_t at, size_t len)
{
	if (output->piece_count == output->piece_cap) {
		output->piece_cap = output->piece_cap == 0 ? 8 : output->piece_cap * 2;
		output->pieces =
		    xrealloc(output->pieces, output->piece_cap * sizeof(*output->pieces));
	}
	output->pieces[output->piece_count++] = (struct piece){ blob, at, len };
}

void
output_add(struct output *output, struct blob *blob)
{
	if (output->own.len > output->own_queued) {
		add_piece(output, NULL, output->own_queued, output->own.len - output->own_queued);
		output->own_queued = output->own.len;
	}
	add_piece(output, blob_ref(blob), 0, blob->len);
	output->blob_bytes += blob->len;
}

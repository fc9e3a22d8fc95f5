/* SPDX-License-Identifier: MIT
 * Connections.
 *
 * Output is a buffer of own bytes and, where blocks are queued by reference, a list of pieces:
 *
 *      own bytes  [........|.....|..........]
 *      pieces      own 0-8, blob, own 8-13, blob; the rest of the own bytes is the implicit tail
 */
#include "net/conn_private.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	READ_BYTES = 262144,
	IOV_MAX_USED = 64,
	SPARE_BYTES = 65536,
	FLUSH_US_MAX = 5000000,
	LINGER_US_MAX = 2000000,
};

struct conn_group *
conn_group_new(struct loop *loop)
{
	struct conn_group *group = xcalloc(1, sizeof(*group));

	group->loop = loop;
	TAILQ_INIT(&group->lingering);
	return group;
}

/* An idle connection owns no buffer: it borrows one from the group while it has output. */
static void
borrow_buffer(struct conn *conn)
{
	struct conn_group *group = conn->group;

	if (conn->out.cap > 0)
		return;
	if (group->spares > 0)
		conn->out = group->spare[--group->spares];
	else
		(void)buf_reserve(&conn->out, 4096);
}

static void
return_buffer(struct conn *conn)
{
	struct conn_group *group = conn->group;

	if (conn->out.cap <= SPARE_BYTES * 8 && group->spares < SPARE_BUFFERS) {
		buf_reset(&conn->out);
		group->spare[group->spares++] = conn->out;
		conn->out = (struct buf){ 0 };
	} else {
		buf_clear(&conn->out);
	}
}

static void
update_watch(struct conn *conn, bool blocked)
{
	watch_want(&conn->watch, conn->reading && conn->state == CONN_OPEN, blocked);
}

static void
drop_pieces(struct conn *conn)
{
	for (size_t i = 0; i < conn->piece_count; i++)
		blob_unref(conn->pieces[i].blob);
	free(conn->pieces);
	conn->pieces = NULL;
	conn->piece_count = conn->piece_cap = 0;
}

size_t
conn_pending(const struct conn *conn)
{
	return conn->out.len - conn->own_gone + conn->blob_bytes - conn->sent;
}

static void
count_pending(struct conn *conn)
{
	size_t pending = conn_pending(conn);

	conn->group->pending += pending - conn->counted;
	conn->counted = pending;
}

static void
keep_rest(struct conn *conn, struct bytes rest)
{
	conn->group->kept += rest.len;
	buf_append_bytes(&conn->rest, rest);
}

static void
drop_rest(struct conn *conn)
{
	conn->group->kept -= conn->rest.len;
	buf_clear(&conn->rest);
}

size_t
conn_group_pending(const struct conn_group *group)
{
	return group->pending;
}

size_t
conn_group_kept(const struct conn_group *group)
{
	return group->kept;
}

uint64_t
conn_arrived(const struct conn *conn)
{
	int waits = 0;

	if (ioctl(conn->watch.fd, SIOCOUTQ, &waits) < 0 || waits < 0)
		return conn->left;
	return conn->left > (uint64_t)waits ? conn->left - (uint64_t)waits : 0;
}

/* All but the descriptor and its transport. */
static void
release_own(struct conn *conn)
{
	watch_clear(&conn->watch);
	if (conn->end_timer != NULL)
		timer_clear(conn->end_timer);
	free(conn->end_timer);
	task_cancel(&conn->flush_task);
	task_cancel(&conn->input_task);
	drop_pieces(conn);
	drop_rest(conn);
	conn->group->pending -= conn->counted;
	return_buffer(conn);
	free(conn->reason);
	conn->reason = NULL;
	loop_free_later(conn->group->loop, conn);
}

static void
release(struct conn *conn)
{
	int fd = conn->watch.fd;

	conn->transport->finish(conn->transport_state);
	release_own(conn);
	(void)loop_sys(conn->group->loop)->close(fd);
}

void
conn_take(struct conn *conn, struct stream *stream)
{
	assert(conn->state == CONN_OPEN && !conn->in_input && conn_pending(conn) == 0);
	stream->fd = conn->watch.fd;
	stream->transport = conn->transport;
	stream->state = conn->transport_state;
	stream->ahead = conn->rest;
	conn->group->kept -= conn->rest.len;
	conn->rest = (struct buf){ 0 };
	conn->state = CONN_ENDED;
	release_own(conn);
}

static void
finish_conn(void *arg)
{
	struct conn *conn = arg;

	conn->events->ended(conn->arg, conn->reason);
	release(conn);
}

static void
end_linger(void *arg)
{
	struct conn *conn = arg;

	conn->state = CONN_ENDED;
	TAILQ_REMOVE(&conn->group->lingering, conn, link);
	release(conn);
}

static void
set_end_timer(struct conn *conn, void (*fire)(void *arg), int64_t delay_us)
{
	if (conn->end_timer == NULL)
		conn->end_timer = xcalloc(1, sizeof(*conn->end_timer));
	else
		timer_clear(conn->end_timer);
	timer_init(conn->end_timer, conn->group->loop, fire, conn);
	timer_set(conn->end_timer, delay_us);
}

static void
start_linger(void *arg)
{
	struct conn *conn = arg;
	struct conn_group *group = conn->group;

	conn->events->ended(conn->arg, conn->reason);
	drop_rest(conn);
	task_cancel(&conn->flush_task);
	conn->state = CONN_LINGERING;
	TAILQ_INSERT_TAIL(&group->lingering, conn, link);
	if (conn->transport->shut(conn->transport_state, loop_sys(group->loop), conn->watch.fd) <
	    0) {
		end_linger(conn);
		return;
	}
	watch_want(&conn->watch, true, false);
	set_end_timer(conn, end_linger, LINGER_US_MAX);
}

void
conn_group_free(struct conn_group *group)
{
	if (group == NULL)
		return;
	while (!TAILQ_EMPTY(&group->lingering))
		end_linger(TAILQ_FIRST(&group->lingering));
	for (size_t i = 0; i < group->spares; i++)
		buf_clear(&group->spare[i]);
	buf_clear(&group->scratch);
	free(group);
}

static void
set_reason(struct conn *conn, const char *reason)
{
	if (conn->reason == NULL)
		conn->reason = xstrdup(reason);
}

/* The rest of the end happens when this turn's callbacks are through. */
static void
end_by(struct conn *conn, void (*run)(void *arg))
{
	watch_want(&conn->watch, false, false);
	task_cancel(&conn->input_task);
	task_init(&conn->input_task, run, conn);
	task_schedule(&conn->input_task, conn->group->loop);
}

static void
end_now(struct conn *conn, const char *reason)
{
	if (conn->state == CONN_ENDED)
		return;
	set_reason(conn, reason);
	conn->state = CONN_ENDED;
	end_by(conn, finish_conn);
}

static void
flush_timed_out(void *arg)
{
	end_now(arg, "the peer does not read");
}

void
conn_end(struct conn *conn, bool flush, const char *reason)
{
	if (conn->state != CONN_OPEN && (flush || conn->state == CONN_ENDED))
		return;
	set_reason(conn, reason);
	if (!flush || conn_pending(conn) == 0) {
		end_now(conn, reason);
		return;
	}
	conn->state = CONN_FLUSHING;
	set_end_timer(conn, flush_timed_out, FLUSH_US_MAX);
	task_cancel(&conn->input_task);
	task_schedule(&conn->flush_task, conn->group->loop);
	update_watch(conn, conn->watch.want_write);
}

void
conn_leave(struct conn *conn, const char *reason)
{
	if (conn->state != CONN_OPEN || conn_pending(conn) > 0) {
		conn_end(conn, true, reason);
		return;
	}
	set_reason(conn, reason);
	conn->state = CONN_FLUSHING;
	end_by(conn, start_linger);
}

bool
conn_is_ending(const struct conn *conn)
{
	return conn->state != CONN_OPEN;
}

static size_t
gather(const struct conn *conn, struct iovec *parts)
{
	size_t count = 0, tail = conn->own_queued, skip = conn->sent;

	for (size_t i = 0; i < conn->piece_count && count < IOV_MAX_USED - 1; i++) {
		const struct piece *piece = &conn->pieces[i];
		uint8_t *base = piece->blob != NULL ? piece->blob->data : conn->out.data;

		parts[count].iov_base = base + piece->at + skip;
		parts[count++].iov_len = piece->len - skip;
		skip = 0;
	}
	if (count == conn->piece_count && conn->out.len > tail) {
		parts[count].iov_base = conn->out.data + tail + skip;
		parts[count++].iov_len = conn->out.len - tail - skip;
	}
	return count;
}

/* Takes `len` bytes that have left off the front. */
static void
advance(struct conn *conn, size_t len)
{
	size_t gone = 0;

	conn->sent += len;
	while (gone < conn->piece_count && conn->sent >= conn->pieces[gone].len) {
		conn->sent -= conn->pieces[gone].len;
		if (conn->pieces[gone].blob != NULL)
			conn->blob_bytes -= conn->pieces[gone].len;
		else
			conn->own_gone += conn->pieces[gone].len;
		blob_unref(conn->pieces[gone].blob);
		gone++;
	}
	if (gone > 0) {
		conn->piece_count -= gone;
		memmove(
		    conn->pieces, conn->pieces + gone, conn->piece_count * sizeof(*conn->pieces));
	}
	if (conn->piece_count == 0 && conn->own_queued > 0) {
		buf_drain(&conn->out, conn->own_queued);
		conn->own_queued = conn->own_gone = 0;
	}
}

static void
all_left(struct conn *conn)
{
	conn->sent = 0;
	drop_pieces(conn);
	return_buffer(conn);
	update_watch(conn, false);
	if (conn->state == CONN_FLUSHING)
		end_by(conn, start_linger);
	else if (conn->events->drained != NULL)
		conn->events->drained(conn->arg);
}

static void
flush_conn(void *arg)
{
	struct conn *conn = arg;
	struct iovec parts[IOV_MAX_USED];

	while (conn->state != CONN_ENDED && conn_pending(conn) > 0) {
		size_t count = gather(conn, parts);
		ssize_t wrote = conn->transport->writev(conn->transport_state,
		    loop_sys(conn->group->loop), conn->watch.fd, parts, (int)count);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno == EAGAIN) {
			count_pending(conn);
			update_watch(conn, true);
			return;
		}
		if (wrote < 0) {
			end_now(conn, strerror(errno));
			return;
		}
		conn->left += (uint64_t)wrote;
		advance(conn, (size_t)wrote);
	}
	count_pending(conn);
	if (conn->state != CONN_ENDED)
		all_left(conn);
}

void
conn_wrote(struct conn *conn)
{
	count_pending(conn);
	if (conn->state == CONN_OPEN && !conn->watch.want_write)
		task_schedule(&conn->flush_task, conn->group->loop);
}

struct buf *
conn_out(struct conn *conn)
{
	borrow_buffer(conn);
	return &conn->out;
}

void
conn_write(struct conn *conn, struct bytes bytes)
{
	buf_append_bytes(conn_out(conn), bytes);
	conn_wrote(conn);
}

static void
add_piece(struct conn *conn, struct blob *blob, size_t at, size_t len)
{
	if (conn->piece_count == conn->piece_cap) {
		conn->piece_cap = conn->piece_cap == 0 ? 8 : conn->piece_cap * 2;
		conn->pieces = xrealloc(conn->pieces, conn->piece_cap * sizeof(*conn->pieces));
	}
	conn->pieces[conn->piece_count++] = (struct piece){ blob, at, len };
}

void
conn_write_blob(struct conn *conn, struct blob *blob)
{
	if (blob->len == 0)
		return;
	if (conn->out.len > conn->own_queued) {
		add_piece(conn, NULL, conn->own_queued, conn->out.len - conn->own_queued);
		conn->own_queued = conn->out.len;
	}
	add_piece(conn, blob_ref(blob), 0, blob->len);
	conn->blob_bytes += blob->len;
	conn_wrote(conn);
}

/* Offers the shared buffer's bytes to the owner and keeps what it leaves. */
static void
offer(struct conn *conn, struct bytes in)
{
	size_t used;

	conn->in_input = true;
	used = conn->events->input(conn->arg, in);
	conn->in_input = false;
	assert(used <= in.len);
	if (conn->state != CONN_OPEN || used == in.len)
		return;
	keep_rest(conn, bytes_of(in.data + used, in.len - used));
}

static struct buf *
scratch_with_rest(struct conn *conn)
{
	struct buf *scratch = &conn->group->scratch;

	buf_reset(scratch);
	buf_append_bytes(scratch, buf_bytes(&conn->rest));
	drop_rest(conn);
	(void)buf_reserve(scratch, READ_BYTES);
	return scratch;
}

static void
offer_rest(void *arg)
{
	struct conn *conn = arg;

	if (conn->state == CONN_OPEN && conn->reading && conn->rest.len > 0)
		offer(conn, buf_bytes(scratch_with_rest(conn)));
}

static void
read_conn(struct conn *conn)
{
	struct buf *scratch = scratch_with_rest(conn);
	ssize_t got;

	got = conn->transport->recv(conn->transport_state, loop_sys(conn->group->loop),
	    conn->watch.fd, scratch->data + scratch->len, READ_BYTES);
	if (got > 0) {
		scratch->len += (size_t)got;
		offer(conn, buf_bytes(scratch));
		return;
	}
	keep_rest(conn, buf_bytes(scratch));
	if (got == 0)
		end_now(conn, "closed by the peer");
	else if (errno != EAGAIN && errno != EINTR)
		end_now(conn, strerror(errno));
}

/* What comes is thrown away, until the peer closes or the timer ends it. */
static void
linger(struct conn *conn)
{
	struct conn_group *group = conn->group;
	ssize_t got;

	buf_reset(&group->scratch);
	got = conn->transport->recv(conn->transport_state, loop_sys(group->loop), conn->watch.fd,
	    buf_reserve(&group->scratch, READ_BYTES), READ_BYTES);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		end_linger(conn);
}

static void
conn_ready(void *arg, bool readable, bool writable)
{
	struct conn *conn = arg;

	if (conn->state == CONN_LINGERING) {
		linger(conn);
		return;
	}
	if (writable)
		flush_conn(conn);
	if (readable && conn->reading && conn->state == CONN_OPEN)
		read_conn(conn);
}

void
conn_read(struct conn *conn, bool on)
{
	if (conn->reading == on || conn->state != CONN_OPEN)
		return;
	conn->reading = on;
	update_watch(conn, conn->watch.want_write);
	if (on && conn->rest.len > 0)
		task_schedule(&conn->input_task, conn->group->loop);
}

bool
conn_is_reading(const struct conn *conn)
{
	return conn->reading;
}

int
conn_fd(const struct conn *conn)
{
	return conn->watch.fd;
}

void
conn_shut(struct conn *conn)
{
	(void)conn->transport->shut(
	    conn->transport_state, loop_sys(conn->group->loop), conn->watch.fd);
}

struct conn *
conn_open(
    struct conn_group *group, struct stream *stream, const struct conn_events *events, void *arg)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->group = group;
	conn->events = events;
	conn->arg = arg;
	conn->transport = stream->transport;
	conn->transport_state = stream->state;
	conn->rest = stream->ahead;
	group->kept += conn->rest.len;
	stream->ahead = (struct buf){ 0 };
	conn->reading = true;
	watch_init(&conn->watch, group->loop, stream->fd, conn_ready, conn);
	task_init(&conn->flush_task, flush_conn, conn);
	task_init(&conn->input_task, offer_rest, conn);
	watch_want(&conn->watch, true, false);
	if (conn->rest.len > 0)
		task_schedule(&conn->input_task, group->loop);
	return conn;
}

struct conn *
conn_new(struct conn_group *group, int fd, const struct conn_events *events, void *arg)
{
	struct stream stream = { .fd = fd, .transport = &transport_plain };

	return conn_open(group, &stream, events, arg);
}

/* SPDX-License-Identifier: MIT
 * Connections.
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
	FLUSH_US_MAX = 5000000,
	LINGER_US_MAX = 2000000,
	OFFER_US_MAX = 2000, /* of the loop's time for one connection's input in a turn */
};

/* An idle connection has none: it has one while something is to leave. */
static struct output *
output_of(struct conn *conn)
{
	if (conn->output == NULL)
		conn->output = output_new(&conn->group->outputs);
	return conn->output;
}

static void
drop_output(struct conn *conn)
{
	if (conn->output == NULL)
		return;
	conn->group->pending -= conn->output->counted;
	output_free(&conn->group->outputs, conn->output);
	conn->output = NULL;
}

static void
schedule(struct conn *conn, enum conn_due what)
{
	conn->due |= (uint8_t)what;
	task_schedule(&conn->task, conn->group->loop);
}

static void
update_watch(struct conn *conn, bool blocked)
{
	watch_want(&conn->watch, conn->reading && !conn->naps && conn->state == CONN_OPEN, blocked);
}

/* Few take a nap at a time, so the list is short. */
static void
end_nap(struct conn *conn)
{
	struct nap *nap;

	if (!conn->naps)
		return;
	TAILQ_FOREACH (nap, &conn->group->naps, link) {
		if (nap->conn == conn)
			break;
	}
	TAILQ_REMOVE(&conn->group->naps, nap, link);
	free(nap);
	conn->naps = false;
	if (conn->state != CONN_OPEN)
		return;
	update_watch(conn, conn->watch.want_write);
	schedule(conn, DUE_INPUT);
}

bool
conn_yields(struct conn *conn)
{
	struct conn_group *group = conn->group;
	struct nap *nap;

	if (conn->naps || !conn->in_input)
		return conn->naps;
	if (loop_sys(group->loop)->monotonic_us() - group->offer_us < OFFER_US_MAX)
		return false;
	nap = xcalloc(1, sizeof(*nap));
	nap->conn = conn;
	TAILQ_INSERT_TAIL(&group->naps, nap, link);
	conn->naps = true;
	update_watch(conn, conn->watch.want_write);
	if (!timer_is_set(&group->wake))
		timer_set(&group->wake, 0);
	return true;
}

/* The turn's tasks, which offer the rests, are run after its timers. */
static void
wake(void *arg)
{
	struct conn_group *group = arg;
	struct nap *nap;

	while ((nap = TAILQ_FIRST(&group->naps)) != NULL)
		end_nap(nap->conn);
}

struct conn_group *
conn_group_new(struct loop *loop)
{
	struct conn_group *group = xcalloc(1, sizeof(*group));

	group->loop = loop;
	TAILQ_INIT(&group->lingering);
	TAILQ_INIT(&group->naps);
	timer_init(&group->wake, loop, wake, group);
	return group;
}

size_t
conn_pending(const struct conn *conn)
{
	return conn->output != NULL ? output_pending(conn->output) : 0;
}

static void
count_pending(struct conn *conn)
{
	size_t pending = conn_pending(conn);

	if (conn->output == NULL)
		return;
	conn->group->pending += pending - conn->output->counted;
	conn->output->counted = pending;
}

static void
keep_rest(struct conn *conn, struct bytes rest)
{
	assert(conn->rest == NULL);
	conn->group->kept += rest.len;
	conn->rest = rest.len > 0 ? blob_new(rest) : NULL;
}

static void
drop_rest(struct conn *conn)
{
	if (conn->rest == NULL)
		return;
	conn->group->kept -= conn->rest->len;
	blob_unref(conn->rest);
	conn->rest = NULL;
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
	end_nap(conn);
	watch_clear(&conn->watch);
	task_cancel(&conn->task);
	drop_rest(conn);
	drop_output(conn);
	if (conn->ending != NULL)
		timer_clear(&conn->ending->timer);
	free(conn->ending);
	conn->ending = NULL;
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
	stream->ahead = (struct buf){ 0 };
	if (conn->rest != NULL)
		buf_append_bytes(&stream->ahead, blob_bytes(conn->rest));
	conn->state = CONN_ENDED;
	release_own(conn);
}

static void
finish_conn(struct conn *conn)
{
	conn->events->ended(conn->arg, conn->ending->reason);
	release(conn);
}

static void
end_linger(void *arg)
{
	struct conn *conn = arg;

	conn->state = CONN_ENDED;
	TAILQ_REMOVE(&conn->group->lingering, conn->ending, link);
	release(conn);
}

static void
set_end_timer(struct conn *conn, void (*fire)(void *arg), int64_t delay_us)
{
	timer_clear(&conn->ending->timer);
	timer_init(&conn->ending->timer, conn->group->loop, fire, conn);
	timer_set(&conn->ending->timer, delay_us);
}

static void
start_linger(struct conn *conn)
{
	struct conn_group *group = conn->group;

	conn->events->ended(conn->arg, conn->ending->reason);
	drop_rest(conn);
	conn->state = CONN_LINGERING;
	TAILQ_INSERT_TAIL(&group->lingering, conn->ending, link);
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
		end_linger(TAILQ_FIRST(&group->lingering)->conn);
	timer_clear(&group->wake);
	outputs_clear(&group->outputs);
	buf_clear(&group->scratch);
	free(group);
}

static void
set_reason(struct conn *conn, const char *reason)
{
	size_t size = strlen(reason) + 1;

	if (conn->ending != NULL)
		return;
	conn->ending = xcalloc(1, sizeof(*conn->ending) + size);
	conn->ending->conn = conn;
	memcpy(conn->ending->reason, reason, size);
}

/* The rest of the end happens when this turn's callbacks are through. */
static void
end_by(struct conn *conn, enum conn_due how)
{
	watch_want(&conn->watch, false, false);
	conn->due = 0;
	schedule(conn, how);
}

static void
end_now(struct conn *conn, const char *reason)
{
	if (conn->state == CONN_ENDED)
		return;
	set_reason(conn, reason);
	conn->state = CONN_ENDED;
	end_by(conn, DUE_FINISH);
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
	conn->due = 0;
	schedule(conn, DUE_FLUSH);
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
	end_by(conn, DUE_LINGER);
}

bool
conn_is_ending(const struct conn *conn)
{
	return conn->state != CONN_OPEN;
}

static void
all_left(struct conn *conn)
{
	drop_output(conn);
	update_watch(conn, false);
	if (conn->state == CONN_FLUSHING)
		end_by(conn, DUE_LINGER);
	else if (conn->events->drained != NULL)
		conn->events->drained(conn->arg);
}

static void
flush_conn(struct conn *conn)
{
	struct iovec parts[OUTPUT_PARTS_MAX];

	while (conn->state != CONN_ENDED && conn_pending(conn) > 0) {
		size_t count = output_gather(conn->output, parts);
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
		output_advance(conn->output, (size_t)wrote);
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
		schedule(conn, DUE_FLUSH);
}

struct buf *
conn_out(struct conn *conn)
{
	return &output_of(conn)->own;
}

void
conn_write(struct conn *conn, struct bytes bytes)
{
	buf_append_bytes(conn_out(conn), bytes);
	conn_wrote(conn);
}

void
conn_write_blob(struct conn *conn, struct blob *blob)
{
	if (blob->len == 0)
		return;
	output_add(output_of(conn), blob);
	conn_wrote(conn);
}

/* Offers the shared buffer's bytes to the owner and keeps what it leaves. */
static void
offer(struct conn *conn, struct bytes in)
{
	size_t used;

	conn->in_input = true;
	conn->group->offer_us = loop_sys(conn->group->loop)->monotonic_us();
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
	if (conn->rest != NULL)
		buf_append_bytes(scratch, blob_bytes(conn->rest));
	drop_rest(conn);
	(void)buf_reserve(scratch, READ_BYTES);
	return scratch;
}

static void
offer_rest(struct conn *conn)
{
	if (conn->state == CONN_OPEN && conn->reading && !conn->naps && conn->rest != NULL)
		offer(conn, buf_bytes(scratch_with_rest(conn)));
}

static void
do_due(void *arg)
{
	struct conn *conn = arg;
	uint8_t due = conn->due;

	conn->due = 0;
	if ((due & DUE_FINISH) != 0) {
		finish_conn(conn);
		return;
	}
	if ((due & DUE_LINGER) != 0) {
		start_linger(conn);
		return;
	}
	if ((due & DUE_INPUT) != 0)
		offer_rest(conn);
	if ((due & DUE_FLUSH) != 0)
		flush_conn(conn);
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
	if (readable && conn->reading && !conn->naps && conn->state == CONN_OPEN)
		read_conn(conn);
}

void
conn_read(struct conn *conn, bool on)
{
	if (conn->reading == on || conn->state != CONN_OPEN)
		return;
	conn->reading = on;
	update_watch(conn, conn->watch.want_write);
	if (on && conn->rest != NULL)
		schedule(conn, DUE_INPUT);
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
	keep_rest(conn, buf_bytes(&stream->ahead));
	buf_clear(&stream->ahead);
	conn->reading = true;
	watch_init(&conn->watch, group->loop, stream->fd, conn_ready, conn);
	task_init(&conn->task, do_due, conn);
	watch_want(&conn->watch, true, false);
	if (conn->rest != NULL)
		schedule(conn, DUE_INPUT);
	return conn;
}

struct conn *
conn_new(struct conn_group *group, int fd, const struct conn_events *events, void *arg)
{
	struct stream stream = { .fd = fd, .transport = &transport_plain };

	return conn_open(group, &stream, events, arg);
}

/* SPDX-License-Identifier: MIT
 * A loop of its own, turned until the worker has said what is waited for.
 */
#include "runtime/lone.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/zygote.h"

enum { IMAGES_BYTES_MAX = 1 << 28, READ_BYTES = 65536 };

struct lone {
	struct lone_hooks hooks;
	struct loop *loop;
	struct zygote *zygote;
	struct watch watch;
	struct timer timer;
	struct buf in;
	uint64_t workers; /* started so far */
	int channel;	  /* -1: no worker */
	bool late;
};

void
lone_drop_worker(struct lone *lone)
{
	watch_clear(&lone->watch);
	if (lone->channel >= 0)
		close(lone->channel);
	lone->channel = -1;
	buf_reset(&lone->in);
}

bool
lone_has_worker(const struct lone *lone)
{
	return lone->channel >= 0;
}

static void
lose_worker(struct lone *lone, const char *how)
{
	lone_drop_worker(lone);
	lone->hooks.gone(lone->hooks.arg, how);
}

static void
take_frames(struct lone *lone)
{
	enum frame_result result;
	struct frame frame;
	size_t used;

	while ((result = frame_next(buf_bytes(&lone->in), &frame, &used)) == FRAME_OK) {
		lone->hooks.frame(lone->hooks.arg, &frame);
		if (lone->channel < 0)
			return;
		buf_drain(&lone->in, used);
	}
	if (result == FRAME_BAD)
		lose_worker(lone, "its answer cannot be read");
}

static void
channel_ready(void *arg, bool readable, bool writable)
{
	struct lone *lone = arg;
	ssize_t got =
	    recv(lone->channel, buf_reserve(&lone->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);

	(void)readable;
	(void)writable;
	if (got > 0) {
		lone->in.len += (size_t)got;
		take_frames(lone);
	} else if (got == 0) {
		/* How it ended, the zygote tells. */
		watch_want(&lone->watch, false, false);
	}
}

static void
worker_started(void *arg, uint64_t id, int pidfd)
{
	(void)arg;
	(void)id;
	close(pidfd);
}

static void
worker_ended(void *arg, uint64_t id, const char *how)
{
	struct lone *lone = arg;

	/* What it said last may still be unread. */
	if (id == lone->workers && lone->channel >= 0) {
		channel_ready(lone, true, false);
		if (lone->channel >= 0)
			lose_worker(lone, how);
	}
}

static void
zygote_gone(void *arg)
{
	lose_worker(arg, "moonlet-worker ended");
}

static void
zygote_ready(void *arg, uint32_t layers)
{
	(void)arg;
	(void)layers;
}

static void
timed_out(void *arg)
{
	struct lone *lone = arg;

	lone->late = true;
}

struct lone *
lone_start(const struct lone_hooks *hooks, struct err *err)
{
	struct lone *lone = xcalloc(1, sizeof(*lone));
	struct zygote_hooks zygote_hooks = { lone, worker_started, worker_ended, zygote_gone,
		zygote_ready };
	char program[PATH_MAX];

	lone->hooks = *hooks;
	lone->channel = -1;
	lone->loop = loop_new(&sys_posix, err);
	if (lone->loop != NULL) {
		timer_init(&lone->timer, lone->loop, timed_out, lone);
		if (zygote_program(program, sizeof(program), err) == 0)
			lone->zygote = zygote_start(lone->loop, program, &zygote_hooks, err);
	}
	if (lone->zygote == NULL) {
		lone_end(lone);
		return NULL;
	}
	return lone;
}

void
lone_end(struct lone *lone)
{
	if (lone == NULL)
		return;
	lone_drop_worker(lone);
	zygote_stop(lone->zygote);
	timer_clear(&lone->timer);
	loop_free(lone->loop);
	buf_clear(&lone->in);
	free(lone);
}

static void
write_setup(struct buf *out, const uint64_t seed[2])
{
	size_t begun = frame_begin(out, HOST_SETUP);

	frame_u32(out, PROTOCOL_VERSION);
	frame_u64(out, seed[0]);
	frame_u64(out, seed[1]);
	frame_u64(out, IMAGES_BYTES_MAX);
	frame_finish(out, begun);
}

int
lone_worker(struct lone *lone, const uint64_t seed[2], struct err *err)
{
	struct buf out = { 0 };
	int ends[2], status;

	lone_drop_worker(lone);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, "start a worker");
	lone->channel = ends[0];
	watch_init(&lone->watch, lone->loop, lone->channel, channel_ready, lone);
	watch_want(&lone->watch, true, false);
	status = zygote_spawn(lone->zygote, ++lone->workers, ends[1], err);
	write_setup(&out, seed);
	if (status == 0)
		status = lone_send(lone, &out, err);
	buf_clear(&out);
	return status;
}

int
lone_send(struct lone *lone, const struct buf *frames, struct err *err)
{
	size_t sent = 0;

	while (sent < frames->len) {
		ssize_t got =
		    send(lone->channel, frames->data + sent, frames->len - sent, MSG_NOSIGNAL);

		if (got < 0)
			return err_errno(err, "write to the worker");
		sent += (size_t)got;
	}
	return 0;
}

int
lone_wait(struct lone *lone, const bool *settled, int64_t timeout_us, struct err *err)
{
	lone->late = false;
	timer_set(&lone->timer, timeout_us);
	while (!*settled && !lone->late) {
		if (loop_turn(lone->loop, true, err) < 0)
			return -1;
	}
	timer_cancel(&lone->timer);
	return *settled ? 0 : err_set(err, "the worker does not answer");
}

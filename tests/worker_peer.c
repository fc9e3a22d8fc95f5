/* SPDX-License-Identifier: MIT
 * One worker, by way of its zygote.
 */
#include "tests/worker_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/zygote_report.h"

enum { CHANNEL = 3, START_TIMEOUT_MS = 120000, READ_BYTES = 65536, MEMORY_BYTES_MAX = 16 << 20 };

static int
start_zygote(struct worker_peer *peer, const char *program, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, "socketpair");
	peer->zygote = fork();
	if (peer->zygote < 0)
		return err_errno(err, "fork");
	if (peer->zygote == 0) {
		if (ends[1] == CHANNEL)
			(void)fcntl(CHANNEL, F_SETFD, 0);
		else if (dup2(ends[1], CHANNEL) < 0)
			_exit(127);
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it cannot look in there */
		(void)execl(program, program, "--zygote", (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	peer->control = ends[0];
	return 0;
}

static int
wait_readable(int fd, int timeout_ms, const char *what, struct err *err)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int got;

	do
		got = poll(&ready, 1, timeout_ms);
	while (got < 0 && errno == EINTR);
	return got > 0 ? 0 : err_set(err, "%s: nothing within %d ms", what, timeout_ms);
}

static int
expect_report(struct worker_peer *peer, enum zygote_event event, struct err *err)
{
	struct zygote_report report;

	if (wait_readable(peer->control, START_TIMEOUT_MS, "the zygote", err) < 0)
		return -1;
	if (recv(peer->control, &report, sizeof(report), 0) != (ssize_t)sizeof(report))
		return err_set(err, "the zygote did not start");
	if (report.event != (int32_t)event)
		return err_set(err, "the zygote reported %d, not %d", report.event, event);
	return 0;
}

static int
send_descriptor(int control, int fd, struct err *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ancillary = { .bytes = { 0 } };
	uint64_t id = 1;
	struct iovec part = { &id, sizeof(id) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = ancillary.bytes,
		.msg_controllen = sizeof(ancillary.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(control, &message, 0) > 0 ? 0 : err_errno(err, "ask for a worker");
}

static int
start_worker(struct worker_peer *peer, struct err *err)
{
	int ends[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, "socketpair");
	result = send_descriptor(peer->control, ends[1], err);
	(void)close(ends[1]);
	peer->channel = ends[0];
	return result < 0 ? -1 : expect_report(peer, ZYGOTE_STARTED, err);
}

static int
greet(struct worker_peer *peer, struct err *err)
{
	struct cursor cursor;
	struct frame frame;
	size_t begun;

	if (worker_peer_next(peer, START_TIMEOUT_MS, &frame, err) < 0)
		return -1;
	cursor = cursor_of(frame.fields);
	if (frame.type != WORKER_READY || cursor_u32(&cursor) != PROTOCOL_VERSION)
		return err_set(err, "the worker did not say that it is ready");
	peer->layers = cursor_u32(&cursor);
	begun = frame_begin(&peer->out, HOST_SETUP);
	frame_u32(&peer->out, PROTOCOL_VERSION);
	frame_u64(&peer->out, 1);
	frame_u64(&peer->out, 2);
	frame_u64(&peer->out, 256 << 20);
	frame_finish(&peer->out, begun);
	return 0;
}

int
worker_peer_start(struct worker_peer *peer, const char *program, struct err *err)
{
	*peer = (struct worker_peer){ .control = -1, .channel = -1 };
	if (start_zygote(peer, program, err) < 0 || expect_report(peer, ZYGOTE_READY, err) < 0 ||
	    start_worker(peer, err) < 0 || greet(peer, err) < 0) {
		worker_peer_stop(peer);
		return err_prefix(err, "%s", program);
	}
	return 0;
}

void
worker_peer_stop(struct worker_peer *peer)
{
	if (peer->channel >= 0)
		(void)close(peer->channel);
	if (peer->control >= 0)
		(void)close(peer->control);
	peer->channel = peer->control = -1;
	if (peer->zygote > 0)
		(void)waitpid(peer->zygote, NULL, 0);
	peer->zygote = 0;
	buf_clear(&peer->out);
	buf_clear(&peer->in);
}

void
worker_peer_load(
    struct worker_peer *peer, uint32_t function, const struct peer_file *files, size_t count)
{
	size_t begun = frame_begin(&peer->out, HOST_LOAD);

	frame_u32(&peer->out, function);
	frame_u8(&peer->out, LOAD_FUNCTION);
	frame_string(&peer->out, "tested");
	frame_u32(&peer->out, MEMORY_BYTES_MAX);
	frame_u32(&peer->out, 10000);
	frame_u16(&peer->out, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		frame_string(&peer->out, files[i].path);
		frame_bytes(&peer->out, files[i].source);
	}
	frame_finish(&peer->out, begun);
}

void
worker_peer_invoke(struct worker_peer *peer, const struct peer_invoke *invoke)
{
	static const uint8_t event_id[EVENT_ID_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 16 };
	size_t begun = frame_begin(&peer->out, HOST_INVOKE);

	frame_u64(&peer->out, invoke->invocation);
	frame_u32(&peer->out, invoke->function);
	frame_u32(&peer->out, 0);
	frame_u32(&peer->out, 0);
	frame_u32(&peer->out, invoke->timeout_ms);
	frame_u16(&peer->out, 1);
	frame_u8(&peer->out, (uint8_t)invoke->kind);
	frame_u8(&peer->out, 1);
	frame_u8(&peer->out, 0);
	frame_i64(&peer->out, 1795435200250); /* 2026-11-23T12:00:00.250Z */
	buf_append(&peer->out, event_id, sizeof(event_id));
	frame_u64(&peer->out, 3);
	frame_u64(&peer->out, 4);
	frame_string(&peer->out, "topic");
	frame_string(&peer->out, invoke->topic);
	frame_string(&peer->out, "client7");
	frame_string(&peer->out, invoke->extra);
	frame_bytes(&peer->out, invoke->payload);
	frame_finish(&peer->out, begun);
}

int
worker_peer_flush(struct worker_peer *peer, struct err *err)
{
	size_t at = 0;

	while (at < peer->out.len) {
		ssize_t sent =
		    send(peer->channel, peer->out.data + at, peer->out.len - at, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return err_errno(err, "send to the worker");
		at += sent > 0 ? (size_t)sent : 0;
	}
	buf_reset(&peer->out);
	return 0;
}

int
worker_peer_next(struct worker_peer *peer, int timeout_ms, struct frame *frame, struct err *err)
{
	buf_drain(&peer->in, peer->taken);
	peer->taken = 0;
	for (;;) {
		enum frame_result result = frame_next(buf_bytes(&peer->in), frame, &peer->taken);
		ssize_t got;

		if (result == FRAME_OK)
			return 0;
		if (result == FRAME_BAD)
			return err_set(err, "the worker sent what is no frame");
		if (wait_readable(peer->channel, timeout_ms, "the worker", err) < 0)
			return -1;
		got = read(peer->channel, buf_reserve(&peer->in, READ_BYTES), READ_BYTES);
		if (got <= 0)
			return err_set(err, "the worker is gone");
		peer->in.len += (size_t)got;
	}
}

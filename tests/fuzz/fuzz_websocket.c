/* SPDX-License-Identifier: MIT
 * A WebSocket that gets anything, in pieces of any size. What it sends must be whole frames, not
 * masked, and nothing behind a close.
 *
 * Input: a byte with the size of the pieces, and what comes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/websocket.h"

enum { FRAME_MAX = 5000, BATCH = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct world {
	struct loop *loop;
	struct conn_group *group;
	struct websockets *websockets;
	struct conn *conn;
	struct buf sent; /* by the WebSocket */
};

/* What comes goes back. */
static size_t
on_input(void *arg, struct bytes in)
{
	struct world *world = arg;

	conn_write(world->conn, in);
	return in.len;
}

static void
on_ended(void *arg, const char *reason)
{
	struct world *world = arg;

	(void)reason;
	world->conn = NULL;
}

static const struct conn_events events = { .input = on_input, .ended = on_ended };

static void
open_world(struct world *world)
{
	const struct websockets_config config = { .origins = "any", .frame_bytes_max = FRAME_MAX };
	struct err err;

	world->loop = loop_new(&sys_posix, &err);
	if (world->loop == NULL)
		abort();
	world->group = conn_group_new(world->loop);
	world->websockets = websockets_new(&config);
}

static void
turn(struct world *world, int fd)
{
	struct err err;
	ssize_t got;

	if (loop_turn(world->loop, false, &err) < 0)
		abort();
	while ((got = recv(fd, buf_reserve(&world->sent, BATCH), BATCH, MSG_DONTWAIT)) > 0)
		world->sent.len += (size_t)got;
}

static void
check_frames(struct bytes in)
{
	bool closed = false;

	while (in.len > 0) {
		size_t len, head = 2;

		assert(in.len >= 2 && (in.data[0] & 0xf0) == 0x80 && (in.data[1] & 0x80) == 0);
		assert(!closed);
		len = in.data[1];
		assert(len != 127);
		if (len == 126) {
			head = 4;
			assert(in.len >= head);
			len = (size_t)in.data[2] << 8 | in.data[3];
		}
		assert(in.len >= head + len);
		closed = (in.data[0] & 15) == 8;
		in = bytes_of(in.data + head + len, in.len - head - len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct world world;
	struct stream stream;
	size_t at = 1, piece = len > 0 && data[0] != 0 ? data[0] : 10000;
	int fds[2];

	if (len == 0 || len > 20000)
		return 0;
	if (world.loop == NULL)
		open_world(&world);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	stream = stream_plain(fds[0], peer_new("fuzz"));
	websocket_wrap(world.websockets, &stream);
	world.conn = conn_open(world.group, &stream, &events, &world);
	peer_unref(stream.peer);
	while (at < len && world.conn != NULL) {
		size_t more = len - at < piece ? len - at : piece;
		ssize_t sent = send(fds[1], data + at, more, MSG_NOSIGNAL);

		at += sent > 0 ? (size_t)sent : more;
		turn(&world, fds[1]);
	}
	(void)shutdown(fds[1], SHUT_WR);
	while (world.conn != NULL)
		turn(&world, fds[1]);
	turn(&world, fds[1]);
	check_frames(buf_bytes(&world.sent));
	(void)close(fds[1]);
	turn(&world, fds[1]);
	buf_reset(&world.sent);
	return 0;
}

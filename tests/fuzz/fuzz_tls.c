/* SPDX-License-Identifier: MIT
 * TLS with somebody between the two ends, who changes, cuts and adds bytes: in handshakes, and in
 * records behind them. Certificates too: what parses must print and parse again.
 *
 * Input: a byte that says what it is, and then the bytes of a certificate, the bytes of a client,
 * or changes of four bytes each: end and position, what it becomes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "tests/tls_world.h"

enum { WIRE_BYTES = 70000, TURNS_MAX = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_certificate(struct bytes text)
{
	struct err err;
	struct certificate *certificate = certificate_parse(text, &err), *again;
	struct buf pem = { 0 };

	if (certificate == NULL)
		return;
	certificate_pem(certificate, &pem);
	again = certificate_parse(buf_bytes(&pem), &err);
	assert(again != NULL && strcmp(again->id, certificate->id) == 0);
	if (certificate_verify(text, buf_bytes(&pem), &err) < 0)
		assert(err.text[0] != '\0');
	certificate_free(certificate);
	certificate_free(again);
	buf_clear(&pem);
}

static void
turn_until_over(struct tls_world *world)
{
	for (int i = 0; i < TURNS_MAX && (world->ends[END_SERVER].handshake != NULL ||
					     world->ends[END_SERVER].conn != NULL);
	     i++)
		tls_world_turn(world);
}

static void
send_raw(struct tls_world *world, struct bytes bytes)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	tls_world_shake(world, END_SERVER, fds[0], NULL);
	(void)send(fds[1], bytes.data, bytes.len, MSG_NOSIGNAL);
	(void)shutdown(fds[1], SHUT_WR);
	turn_until_over(world);
	assert(world->ends[END_SERVER].conn == NULL);
	(void)close(fds[1]);
}

struct middle {
	int to[TLS_ENDS];
	size_t passed[TLS_ENDS];
	struct bytes changes;
};

static void
change(const struct middle *middle, enum tls_end from, uint8_t *data, size_t len)
{
	for (size_t at = 0; at + 4 <= middle->changes.len; at += 4) {
		const uint8_t *change = middle->changes.data + at;
		size_t where = (size_t)change[1] << 8 | change[2];

		if ((change[0] & 1) != from || where < middle->passed[from] ||
		    where >= middle->passed[from] + len)
			continue;
		data[where - middle->passed[from]] = change[3];
	}
}

static bool
pass(struct middle *middle, enum tls_end from)
{
	uint8_t data[WIRE_BYTES];
	ssize_t got = recv(middle->to[from], data, sizeof(data), MSG_DONTWAIT);

	if (got <= 0)
		return got == 0;
	change(middle, from, data, (size_t)got);
	middle->passed[from] += (size_t)got;
	(void)send(middle->to[!from], data, (size_t)got, MSG_NOSIGNAL);
	return false;
}

static bool
talk(struct tls_world *world, int turn)
{
	for (int i = 0; i < TLS_ENDS; i++) {
		struct tls_end_state *end = &world->ends[i];

		if (end->failed || end->over)
			return false;
		if (end->conn != NULL && turn % 50 == 0)
			conn_write(end->conn, bytes_of_string("something to say, a record long"));
	}
	return world->ends[END_SERVER].in.len + world->ends[END_CLIENT].in.len < 500;
}

static void
shake_by(struct tls_world *world, struct bytes changes)
{
	struct middle middle = { .changes = changes };
	int fds[2];

	for (int i = 0; i < TLS_ENDS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
			abort();
		middle.to[i] = fds[0];
		tls_world_shake(
		    world, (enum tls_end)i, fds[1], i == END_CLIENT ? "localhost" : NULL);
	}
	for (int turn = 0; turn < TURNS_MAX && talk(world, turn); turn++) {
		tls_world_turn(world);
		if (pass(&middle, END_CLIENT) || pass(&middle, END_SERVER))
			break;
	}
	/* What was let through was said by the other end. */
	for (int i = 0; i < TLS_ENDS; i++) {
		static const char said[] = "something to say, a record long";
		const struct buf *in = &world->ends[i].in;

		for (size_t at = 0; at < in->len; at++)
			assert(in->data[at] == (uint8_t)said[at % (sizeof(said) - 1)]);
		(void)close(middle.to[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct tls_world world;
	struct bytes rest = bytes_of(data + 1, len - 1);

	if (len == 0)
		return 0;
	if (world.loop == NULL) {
		log_set_level(LOG_LEVEL_ERROR);
		tls_world_open(&world,
		    &(struct tls_world_config){ .client = "audi22", .handshake_ms_max = 1000 });
	}
	if (data[0] % 3 == 0)
		check_certificate(rest);
	else if (data[0] % 3 == 1 && rest.len <= 60000)
		send_raw(&world, rest);
	else
		shake_by(&world, rest);
	tls_world_hang_up(&world);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Handshakes and connections by TLS, both ends here; and with somebody between them.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/tls_world.h"

enum { LARGE = 3000000, WIRE_MAX = 100000 };

static void
make_pair(int fds[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void
open_and_shake(struct tls_world *world, const struct tls_world_config *config, const char *host)
{
	int fds[2];

	tls_world_open(world, config);
	make_pair(fds);
	tls_world_shake(world, END_SERVER, fds[0], NULL);
	tls_world_shake(world, END_CLIENT, fds[1], host);
	tls_world_settle(world);
}

static void
both_ends_learn_who_the_other_is(void **state)
{
	struct tls_world world;
	const struct tls_end_state *server = &world.ends[END_SERVER];

	(void)state;
	open_and_shake(&world, &(struct tls_world_config){ .client = "audi22" }, "localhost");
	assert_non_null(server->conn);
	assert_non_null(world.ends[END_CLIENT].conn);
	assert_true(server->verified);
	assert_true(server->peer->is_tls);
	assert_string_equal(server->peer->certificate->common_name, "audi22");
	assert_string_equal(server->peer->server_name, "localhost");
	assert_string_equal(server->protocol, "mqtt");
	assert_string_equal(world.ends[END_CLIENT].peer->certificate->common_name, "host");
	tls_world_close(&world);
}

static void
a_client_without_a_certificate_is_told_apart(void **state)
{
	struct tls_world world;

	(void)state;
	open_and_shake(&world, &(struct tls_world_config){ 0 }, "127.0.0.1");
	assert_non_null(world.ends[END_SERVER].conn);
	assert_null(world.ends[END_SERVER].peer->certificate);
	tls_world_close(&world);
}

static void
a_certificate_of_another_authority_is_not_verified(void **state)
{
	struct tls_world world;
	const struct tls_end_state *server = &world.ends[END_SERVER];

	(void)state;
	open_and_shake(
	    &world, &(struct tls_world_config){ .client = "x", .foreign = true }, "localhost");
	assert_non_null(server->conn);
	assert_false(server->verified);
	assert_non_null(strstr(server->problem, "not correctly signed"));
	tls_world_close(&world);
}

static void
a_server_with_another_name_is_not_talked_to(void **state)
{
	static const char *const hosts[] = { "elsewhere.example", "192.0.2.1", "::1" };

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct tls_world world;

		open_and_shake(&world, &(struct tls_world_config){ 0 }, hosts[i]);
		assert_true(world.ends[END_CLIENT].failed);
		assert_non_null(strstr(world.ends[END_CLIENT].problem, "not"));
		tls_world_close(&world);
	}
}

static void
fill(struct buf *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_append_u8(out, (uint8_t)(i * 31 + i / 251));
}

static void
much_goes_both_ways_at_once(void **state)
{
	struct tls_world world;
	struct buf data = { 0 };
	struct blob *blob;

	(void)state;
	fill(&data, LARGE);
	blob = blob_new(buf_bytes(&data));
	open_and_shake(&world, &(struct tls_world_config){ 0 }, "localhost");
	for (int i = 0; i < TLS_ENDS; i++) {
		conn_write(world.ends[i].conn, bytes_of(data.data, 1));
		conn_write_blob(world.ends[i].conn, blob);
		conn_write(world.ends[i].conn, bytes_of(data.data, 100000));
	}
	while (world.ends[0].in.len < LARGE + 100001 || world.ends[1].in.len < LARGE + 100001)
		tls_world_turn(&world);
	for (int i = 0; i < TLS_ENDS; i++) {
		assert_int_equal(world.ends[i].in.len, LARGE + 100001);
		assert_memory_equal(world.ends[i].in.data + 1, data.data, LARGE);
		assert_memory_equal(world.ends[i].in.data + 1 + LARGE, data.data, 100000);
	}
	blob_unref(blob);
	buf_clear(&data);
	tls_world_close(&world);
}

static void
what_was_written_before_the_end_arrives(void **state)
{
	struct tls_world world;
	struct buf data = { 0 };

	(void)state;
	fill(&data, LARGE / 3);
	open_and_shake(&world, &(struct tls_world_config){ 0 }, "localhost");
	conn_write(world.ends[END_SERVER].conn, buf_bytes(&data));
	conn_end(world.ends[END_SERVER].conn, true, "said all");
	while (!world.ends[END_CLIENT].over)
		tls_world_turn(&world);
	assert_int_equal(world.ends[END_CLIENT].in.len, LARGE / 3);
	assert_memory_equal(world.ends[END_CLIENT].in.data, data.data, LARGE / 3);
	assert_string_equal(world.ends[END_CLIENT].problem, "closed by the peer");
	buf_clear(&data);
	tls_world_close(&world);
}

static void
who_says_nothing_is_given_up_in_time(void **state)
{
	struct tls_world world;
	int fds[2];

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ .handshake_ms_max = 30 });
	make_pair(fds);
	tls_world_shake(&world, END_SERVER, fds[0], NULL);
	tls_world_settle(&world);
	assert_true(world.ends[END_SERVER].failed);
	assert_non_null(strstr(world.ends[END_SERVER].problem, "in time"));
	assert_int_equal(tls_figures(world.tls)->failed, 1);
	assert_int_equal(tls_figures(world.tls)->under_way, 0);
	(void)close(fds[1]);
	tls_world_close(&world);
}

static void
a_handshake_can_be_cancelled_at_any_step(void **state)
{
	struct tls_world world;

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ .client = "x" });
	for (int turns = 0; turns < 30; turns++) {
		int fds[2];

		make_pair(fds);
		tls_world_shake(&world, END_SERVER, fds[0], NULL);
		tls_world_shake(&world, END_CLIENT, fds[1], "localhost");
		for (int i = 0; i < turns; i++) {
			tls_world_turn(&world);
			(void)usleep(100);
		}
		tls_world_hang_up(&world);
	}
	tls_world_close(&world);
}

/* Somebody between the two: the ends have a socket pair each with him. */
struct middle {
	int to[TLS_ENDS];
	size_t passed[TLS_ENDS]; /* bytes that came from an end */
	size_t cut_at;		 /* of the client's: nothing follows; SIZE_MAX: never */
	size_t change_at;	 /* of the client's: this byte is another */
	size_t piece;		 /* at most that many bytes at a time; 0: as they come */
};

static void
pass(struct middle *middle, enum tls_end from)
{
	uint8_t data[WIRE_MAX];
	size_t most = sizeof(data), before = middle->passed[from];
	ssize_t got;

	if (middle->piece > 0)
		most = middle->piece;
	if (from == END_CLIENT && middle->cut_at - before < most)
		most = middle->cut_at - before;
	if (most == 0) {
		(void)shutdown(middle->to[END_SERVER], SHUT_WR);
		return;
	}
	got = recv(middle->to[from], data, most, MSG_DONTWAIT);
	if (got == 0)
		(void)shutdown(middle->to[!from], SHUT_WR);
	if (got <= 0)
		return;
	if (from == END_CLIENT && middle->change_at - before < (size_t)got)
		data[middle->change_at - before] ^= 1;
	middle->passed[from] += (size_t)got;
	(void)send(middle->to[!from], data, (size_t)got, MSG_NOSIGNAL);
}

static void
shake_by(struct tls_world *world, struct middle *middle)
{
	int fds[2];

	for (int i = 0; i < TLS_ENDS; i++) {
		make_pair(fds);
		middle->to[i] = fds[0];
		tls_world_shake(
		    world, (enum tls_end)i, fds[1], i == END_CLIENT ? "localhost" : NULL);
	}
	while (world->ends[END_SERVER].handshake != NULL ||
	       world->ends[END_CLIENT].handshake != NULL) {
		tls_world_turn(world);
		pass(middle, END_CLIENT);
		pass(middle, END_SERVER);
		if (world->ends[END_SERVER].failed) {
			(void)shutdown(middle->to[END_CLIENT], SHUT_RDWR);
			(void)shutdown(middle->to[END_SERVER], SHUT_RDWR);
		}
	}
}

static void
leave(struct tls_world *world, struct middle *middle)
{
	(void)close(middle->to[END_SERVER]);
	(void)close(middle->to[END_CLIENT]);
	tls_world_hang_up(world);
}

static void
a_handshake_that_is_cut_or_changed_fails(void **state)
{
	struct middle middle = { .cut_at = SIZE_MAX, .change_at = SIZE_MAX };
	struct tls_world world;
	size_t whole;

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ .client = "x" });
	shake_by(&world, &middle);
	assert_non_null(world.ends[END_SERVER].conn);
	whole = middle.passed[END_CLIENT];
	leave(&world, &middle);
	for (size_t at = 0; at < whole; at += 1 + whole / 15) {
		middle = (struct middle){ .cut_at = at, .change_at = SIZE_MAX };
		shake_by(&world, &middle);
		assert_true(world.ends[END_SERVER].failed);
		leave(&world, &middle);
		/* A byte of a record's version may be anything. */
		middle = (struct middle){ .cut_at = SIZE_MAX, .change_at = at + 11 };
		shake_by(&world, &middle);
		assert_true(at + 11 >= whole || world.ends[END_SERVER].conn == NULL ||
			    world.ends[END_CLIENT].conn == NULL ||
			    !world.ends[END_SERVER].verified);
		leave(&world, &middle);
	}
	tls_world_close(&world);
}

static void
a_changed_record_ends_the_connection(void **state)
{
	struct middle middle = { .cut_at = SIZE_MAX, .change_at = SIZE_MAX };
	struct tls_world world;

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ 0 });
	shake_by(&world, &middle);
	middle.change_at = middle.passed[END_CLIENT] + 40;
	conn_write(world.ends[END_CLIENT].conn, bytes_of_string("0123456789012345678901234567890"));
	while (!world.ends[END_SERVER].over) {
		tls_world_turn(&world);
		pass(&middle, END_CLIENT);
		pass(&middle, END_SERVER);
	}
	assert_int_equal(world.ends[END_SERVER].in.len, 0);
	leave(&world, &middle);
	tls_world_close(&world);
}

/* The two ends share the buffers of records, as all connections of a host do. */
static void
records_that_come_in_pieces_do_not_meet_those_of_others(void **state)
{
	struct middle middle = { .cut_at = SIZE_MAX, .change_at = SIZE_MAX };
	struct tls_world world;
	char text[40];

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ .client = "x" });
	shake_by(&world, &middle);
	middle.piece = 7;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "message %03d of both, and more of it", i);
		conn_write(world.ends[i % 2].conn, bytes_of_string(text));
		conn_write(world.ends[i % 2].conn, bytes_of_string(text));
		for (int turns = 0; turns < 9; turns++) {
			tls_world_turn(&world);
			pass(&middle, END_CLIENT);
			pass(&middle, END_SERVER);
		}
	}
	while (world.ends[0].in.len + world.ends[1].in.len < 200 * 2 * strlen(text)) {
		tls_world_turn(&world);
		pass(&middle, END_CLIENT);
		pass(&middle, END_SERVER);
	}
	for (int i = 0; i < 200; i++) {
		const struct buf *in = &world.ends[1 - i % 2].in;

		(void)snprintf(text, sizeof(text), "message %03d of both, and more of it", i);
		for (int k = 0; k < 2; k++)
			assert_memory_equal(
			    in->data + (size_t)(i / 2 * 2 + k) * strlen(text), text, strlen(text));
	}
	leave(&world, &middle);
	tls_world_close(&world);
}

static void
a_key_that_is_not_the_certificates_is_told(void **state)
{
	const struct certificate_wish wish = { .common_name = "x", .now_s = 1767225600 };
	struct buf certificate = { 0 }, key = { 0 }, other = { 0 };
	struct tls_material material = { .side = TLS_SERVER, .lanes = 1 };
	struct tls_world world;
	struct err err;

	(void)state;
	tls_world_open(&world, &(struct tls_world_config){ 0 });
	assert_int_equal(authority_issue(world.authority, &wish, &other, &key, &err), 0);
	buf_reset(&key);
	assert_int_equal(authority_issue(world.authority, &wish, &certificate, &key, &err), 0);
	material.certificate = buf_bytes(&other);
	material.key = buf_bytes(&key);
	assert_null(tls_context_new(&material, &err));
	assert_non_null(strstr(err.text, "not the certificate's"));
	material.certificate = buf_bytes(&key);
	assert_null(tls_context_new(&material, &err));
	assert_non_null(strstr(err.text, "the certificate"));
	buf_clear(&certificate);
	buf_clear(&key);
	buf_clear(&other);
	tls_world_close(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_learn_who_the_other_is),
		cmocka_unit_test(a_client_without_a_certificate_is_told_apart),
		cmocka_unit_test(a_certificate_of_another_authority_is_not_verified),
		cmocka_unit_test(a_server_with_another_name_is_not_talked_to),
		cmocka_unit_test(much_goes_both_ways_at_once),
		cmocka_unit_test(what_was_written_before_the_end_arrives),
		cmocka_unit_test(who_says_nothing_is_given_up_in_time),
		cmocka_unit_test(a_handshake_can_be_cancelled_at_any_step),
		cmocka_unit_test(a_handshake_that_is_cut_or_changed_fails),
		cmocka_unit_test(a_changed_record_ends_the_connection),
		cmocka_unit_test(records_that_come_in_pieces_do_not_meet_those_of_others),
		cmocka_unit_test(a_key_that_is_not_the_certificates_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

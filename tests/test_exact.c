/* SPDX-License-Identifier: MIT
 * A run is a function of what the host sends: tests/exact.lua prints all that could differ (the
 * order of pairs with every kind of key, addresses, random numbers, times, memory), and must print
 * the same in fresh processes, each laid out anew by the kernel, and in a worker that has run ten
 * thousand others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit.h"
#include "tests/worker_peer.h"

enum { FRESH = 20, BUSY = 10000, BATCH = 500, ANSWER_TIMEOUT_MS = 60000 };

static const char other[] = "local kept = {}\n"
			    "return { handler = function(event)\n"
			    "  for i = 1, event % 50 do kept[{}] = ('x'):rep(i) end\n"
			    "  math.randomseed(event)\n"
			    "  if event % 100 == 7 then error('no luck') end\n"
			    "  return tostring(kept)\n"
			    "end }\n";

struct fixture {
	struct buf source;
	const char *program;
};

static void
read_source(struct buf *out)
{
	const char *folder = getenv("srcdir");
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/exact.lua", folder != NULL ? folder : ".");
	file = fopen(path, "rb");
	assert_non_null(file);
	out->len += fread(buf_reserve(out, 65536), 1, 65536, file);
	(void)fclose(file);
}

static void
load(struct worker_peer *peer, uint32_t function, struct bytes source)
{
	const struct peer_file file = { "exact.lua", source };
	struct frame frame;
	struct err err;

	worker_peer_load(peer, function, &file, 1);
	assert_int_equal(worker_peer_flush(peer, &err), 0);
	assert_int_equal(worker_peer_next(peer, ANSWER_TIMEOUT_MS, &frame, &err), 0);
	assert_int_equal(frame.type, WORKER_LOADED);
}

/* The call for the shadow is answered with the same each time, and the same time that it took. */
static void
answer(struct worker_peer *peer, const struct frame *frame)
{
	struct cursor cursor = cursor_of(frame->fields);
	size_t begun = frame_begin(&peer->out, HOST_REPLY);

	frame_u64(&peer->out, cursor_u64(&cursor));
	frame_u32(&peer->out, cursor_u32(&cursor));
	frame_i64(&peer->out, 1234567);
	frame_u8(&peer->out, 1);
	frame_string(&peer->out, "{\"state\":{}}");
	frame_finish(&peer->out, begun);
}

/* The fields of DONE behind the invocation's number and the processor's time. */
static void
run(struct worker_peer *peer, uint64_t invocation, struct buf *out)
{
	const struct peer_invoke invoke = { .invocation = invocation,
		.function = 1,
		.timeout_ms = 30000,
		.topic = "exact/in",
		.payload = bytes_of_string("{\"n\":1}") };
	struct frame frame;
	struct err err;

	worker_peer_invoke(peer, &invoke);
	do {
		assert_int_equal(worker_peer_flush(peer, &err), 0);
		assert_int_equal(worker_peer_next(peer, ANSWER_TIMEOUT_MS, &frame, &err), 0);
		if (frame.type == WORKER_CALL)
			answer(peer, &frame);
	} while (frame.type == WORKER_CALL);
	buf_reset(out);
	if (frame.type == WORKER_FAILED)
		fail_msg("%.*s", (int)frame.fields.len, (const char *)frame.fields.data);
	buf_append(out, frame.fields.data + 12, frame.fields.len - 12);
}

static void
start(struct fixture *fixture, struct worker_peer *peer)
{
	struct err err;

	if (worker_peer_start(peer, fixture->program, &err) < 0)
		fail_msg("%s", err.text);
	load(peer, 1, buf_bytes(&fixture->source));
}

static void
a_run_prints_the_same_in_every_fresh_process(void **state)
{
	struct fixture *fixture = *state;
	struct buf first = { 0 }, seen = { 0 };

	for (unsigned i = 0; i < FRESH; i++) {
		struct worker_peer peer;

		start(fixture, &peer);
		run(&peer, i + 1, i == 0 ? &first : &seen);
		worker_peer_stop(&peer);
		if (i > 0 && !bytes_equal(buf_bytes(&first), buf_bytes(&seen)))
			fail_msg("process %u differs:\n%.*s\n--- not\n%.*s", i, (int)seen.len,
			    (char *)seen.data, (int)first.len, (char *)first.data);
	}
	buf_clear(&first);
	buf_clear(&seen);
}

static void
run_others(struct worker_peer *peer, uint64_t from)
{
	struct frame frame;
	struct err err;
	char text[24];

	for (uint64_t i = from; i < from + BATCH; i++) {
		struct peer_invoke invoke = {
			.invocation = i, .function = 2, .timeout_ms = 30000, .topic = "other"
		};

		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
		invoke.payload = bytes_of_string(text);
		worker_peer_invoke(peer, &invoke);
	}
	assert_int_equal(worker_peer_flush(peer, &err), 0);
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(worker_peer_next(peer, ANSWER_TIMEOUT_MS, &frame, &err), 0);
}

static void
a_run_prints_the_same_after_ten_thousand_others(void **state)
{
	struct fixture *fixture = *state;
	struct buf first = { 0 }, seen = { 0 };
	struct worker_peer peer;

	start(fixture, &peer);
	run(&peer, 1, &first);
	worker_peer_stop(&peer);
	if (worker_peer_start(&peer, fixture->program, &(struct err){ .text = "" }) < 0)
		fail_msg("the worker does not start");
	load(&peer, 2, bytes_of_string(other));
	run_others(&peer, 1);
	load(&peer, 1, buf_bytes(&fixture->source)); /* on a stage that others have used */
	for (uint64_t i = BATCH; i < BUSY; i += BATCH)
		run_others(&peer, i + 1);
	run(&peer, BUSY + 1, &seen);
	assert_true(bytes_equal(buf_bytes(&first), buf_bytes(&seen)));
	worker_peer_stop(&peer);
	buf_clear(&first);
	buf_clear(&seen);
}

static int
setup(void **state)
{
	static struct fixture fixture;

	read_source(&fixture.source);
	fixture.program = "./moonlet-worker";
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	buf_clear(&fixture->source);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_prints_the_same_in_every_fresh_process),
		cmocka_unit_test(a_run_prints_the_same_after_ten_thousand_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

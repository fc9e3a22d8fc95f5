/* SPDX-License-Identifier: MIT
 * What is kept of the log, from which threads, and who is told.
 */
#include "tests/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/json_text.h"
#include "lib/utf8.h"
#include "runtime/log_ring.h"

struct world {
	struct loop *loop;
	struct log_ring *ring;
	struct buf seen;
	int null_fd;
};

static void
world_open(struct world *world, size_t bytes_max, unsigned pending_max)
{
	struct err err;

	*world = (struct world){ .null_fd = open("/dev/null", O_WRONLY) };
	assert_true(world->null_fd >= 0);
	log_open(world->null_fd, LOG_FORMAT_HUMAN, LOG_LEVEL_INFO);
	world->loop = loop_new(&sys_posix, &err);
	assert_non_null(world->loop);
	world->ring = log_ring_new(world->loop,
	    &(struct log_ring_config){
		.function_lines_max = 3, .bytes_max = bytes_max, .pending_max = pending_max },
	    &err);
	assert_non_null(world->ring);
}

static void
world_close(struct world *world)
{
	log_ring_free(world->ring);
	loop_free(world->loop);
	buf_clear(&world->seen);
	(void)close(world->null_fd);
}

static void
say(const char *function_name, enum log_level level, const char *text)
{
	log_emit(&(struct log_line){
	    .level = level, .function_name = function_name, .text = text, .time_ms = 1000 });
}

static void
on_seen(void *arg, const struct log_line *line)
{
	struct world *world = arg;

	buf_printf(&world->seen, "%s:%s ", line->function_name != NULL ? line->function_name : "-",
	    line->text);
}

static const char *
last(struct world *world, const char *function_name, unsigned count)
{
	buf_reset(&world->seen);
	log_ring_last(world->ring, function_name, count, on_seen, world);
	return buf_string(&world->seen);
}

static void
last_lines_of_each_function_are_kept(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, 100000, 100);
	for (int i = 0; i < 5; i++) {
		char text[2] = { (char)('0' + i), '\0' };

		say("a", LOG_LEVEL_DEBUG, text);
	}
	say("b", LOG_LEVEL_INFO, "x");
	say(NULL, LOG_LEVEL_INFO, "y");
	say(NULL, LOG_LEVEL_DEBUG, "not wanted");
	assert_string_equal(last(&world, NULL, 100), "a:2 a:3 a:4 b:x -:y ");
	assert_string_equal(last(&world, NULL, 2), "b:x -:y ");
	assert_string_equal(last(&world, "a", 2), "a:3 a:4 ");
	assert_string_equal(last(&world, "c", 2), "");
	world_close(&world);
}

static void
all_lines_together_are_bounded(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, 1000, 100);
	for (int i = 0; i < 50; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%d", i);
		say(name, LOG_LEVEL_INFO, "line");
	}
	assert_non_null(strstr(last(&world, NULL, 100), "f49:line"));
	assert_null(strstr(last(&world, NULL, 100), "f40:line"));
	assert_string_equal(last(&world, "f1", 1), "");
	world_close(&world);
}

static void
lines_that_come_too_fast_are_counted(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, 100000, 2);
	for (int i = 0; i < 5; i++)
		say("a", LOG_LEVEL_INFO, "x");
	assert_string_equal(last(&world, NULL, 100), "a:x a:x -:3 lines are left out here ");
	world_close(&world);
}

static void *
speak(void *arg)
{
	for (int i = 0; i < 1000; i++)
		say(arg, LOG_LEVEL_INFO, "t");
	return NULL;
}

static void
followers_hear_lines_of_all_threads(void **state)
{
	struct log_follower all, only;
	struct world world, other = { 0 };
	pthread_t thread;
	struct err err;

	(void)state;
	world_open(&world, 100000, 10000);
	all = (struct log_follower){ .line = on_seen, .arg = &world };
	only = (struct log_follower){ .function_name = "b", .line = on_seen, .arg = &other };
	log_ring_follow(world.ring, &all);
	log_ring_follow(world.ring, &only);
	assert_int_equal(pthread_create(&thread, NULL, speak, "a"), 0);
	(void)speak("b");
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(loop_turn(world.loop, true, &err), 0);
	assert_int_equal(world.seen.len, 2000 * strlen("a:t "));
	assert_int_equal(other.seen.len, 1000 * strlen("b:t "));
	log_ring_unfollow(world.ring, &all);
	log_ring_unfollow(world.ring, &only);
	buf_clear(&other.seen);
	world_close(&world);
}

static void
line_is_one_json_object(void **state)
{
	struct buf out = { 0 };

	(void)state;
	log_line_json(&(struct log_line){ .level = LOG_LEVEL_WARN,
			  .time_ms = 1234,
			  .function_name = "f",
			  .invocation_id = "1",
			  .text = "a \"b\"\n",
			  .detail = "c\n\td" },
	    &out);
	assert_string_equal(buf_string(&out),
	    "{\"time\":\"1970-01-01T00:00:01.234Z\",\"level\":\"warn\",\"function\":\"f\","
	    "\"invocation\":\"1\",\"message\":\"a \\\"b\\\"\\n\",\"traceback\":\"c\\n\\td\"}\n");
	buf_clear(&out);
}

/* What the log writes of a text, without the line's end. */
static void
write_line(enum log_format format, const struct log_line *line, char *out, size_t size)
{
	int ends[2];
	ssize_t len;

	assert_int_equal(pipe(ends), 0);
	log_open(ends[1], format, LOG_LEVEL_INFO);
	log_emit(line);
	len = read(ends[0], out, size - 1);
	assert_true(len > 0);
	out[len - 1] = '\0';
	close(ends[0]);
	close(ends[1]);
	log_open(STDERR_FILENO, LOG_FORMAT_HUMAN, LOG_LEVEL_INFO);
}

static void
lines_are_utf8_whatever_a_handler_says(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "a\xff\xfe", "a\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc3(", "\xef\xbf\xbd(" },
		{ "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
	};
	static const enum log_format formats[] = { LOG_FORMAT_HUMAN, LOG_FORMAT_JSON };
	char out[20000], much[18001];
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int k = 0; k < 2; k++) {
			write_line(formats[k],
			    &(struct log_line){ .level = LOG_LEVEL_INFO,
				.text = cases[i].text,
				.detail = cases[i].text },
			    out, sizeof(out));
			if (strstr(out, cases[i].says) == NULL ||
			    !utf8_is_valid(bytes_of_string(out)))
				fail_msg("%s: %s", cases[i].says, out);
			assert_true(k == 0 || json_text_is_valid(bytes_of_string(out), &at));
		}
	}
	for (size_t i = 0; i < sizeof(much) - 1; i += 3)
		memcpy(much + i, "\xe2\x82\xac", 3);
	much[sizeof(much) - 1] = '\0';
	for (int k = 0; k < 6; k++) { /* cut at each place of a character */
		write_line(formats[k % 2],
		    &(struct log_line){
			.level = LOG_LEVEL_INFO, .component = "abc" + k / 2, .text = much },
		    out, sizeof(out));
		assert_true(utf8_is_valid(bytes_of_string(out)));
		assert_true(k % 2 == 0 || json_text_is_valid(bytes_of_string(out), &at));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_lines_of_each_function_are_kept),
		cmocka_unit_test(all_lines_together_are_bounded),
		cmocka_unit_test(lines_that_come_too_fast_are_counted),
		cmocka_unit_test(followers_hear_lines_of_all_threads),
		cmocka_unit_test(line_is_one_json_object),
		cmocka_unit_test(lines_are_utf8_whatever_a_handler_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

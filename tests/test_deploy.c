/* SPDX-License-Identifier: MIT
 * Functions follow their folder.
 */
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/deploy.h"

struct fixture {
	struct loop *loop;
	struct deploy *deploy;
	struct buf heard; /* "+overspeed(1:return 1) -tyre !bad:..." */
	char folder[64];
};

static void
heard_changed(void *arg, const struct function_sources *sources)
{
	struct fixture *fixture = arg;

	buf_printf(&fixture->heard, "+%s(%zu:%.*s) ", sources->name, sources->count,
	    (int)sources->files[0].source.len, (const char *)sources->files[0].source.data);
}

static void
heard_broken(void *arg, const char *name, const char *problem)
{
	buf_printf(&((struct fixture *)arg)->heard, "!%s:%s ", name, problem);
}

static void
heard_removed(void *arg, const char *name)
{
	buf_printf(&((struct fixture *)arg)->heard, "-%s ", name);
}

static void
write_file(struct fixture *fixture, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
make_folder(struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* Turns the loop until something containing `text` was heard. */
static void
hear(struct fixture *fixture, const char *text)
{
	struct err err;

	for (int turn = 0; turn < 12000; turn++) {
		if (strstr(buf_string(&fixture->heard), text) != NULL) {
			buf_reset(&fixture->heard);
			return;
		}
		assert_int_equal(loop_turn(fixture->loop, false, &err), 0);
		usleep(5000);
	}
	fail_msg("waited for \"%s\", heard \"%s\"", text, buf_string(&fixture->heard));
}

static void
start(struct fixture *fixture)
{
	struct deploy_hooks hooks = { fixture, heard_changed, heard_broken, heard_removed };
	struct err err;

	fixture->deploy = deploy_new(fixture->loop, fixture->folder, &hooks, &err);
	assert_non_null(fixture->deploy);
}

static int
setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	struct err err;

	strcpy(fixture->folder, "/tmp/moonlet-deploy.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	fixture->loop = loop_new(&sys_posix, &err);
	assert_non_null(fixture->loop);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	deploy_free(fixture->deploy);
	loop_free(fixture->loop);
	buf_clear(&fixture->heard);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void
everything_that_is_a_function_is_deployed_at_the_start(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "overspeed.lua", "return 1");
	write_file(fixture, "notes.txt", "x");
	write_file(fixture, ".#tyre.lua", "x");
	write_file(fixture, "tyre.lua~", "x");
	make_folder(fixture, "fence");
	write_file(fixture, "fence/init.lua", "require 'x'");
	write_file(fixture, "fence/shape.lua", "return {}");
	make_folder(fixture, "lib");
	write_file(fixture, "lib/geo.lua", "return {}");
	start(fixture);
	assert_string_equal(
	    buf_string(&fixture->heard), "+fence(3:require 'x') +overspeed(1:return 1) ");
}

static void
what_is_saved_moved_and_deleted_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	char from[256], to[256];

	start(fixture);
	write_file(fixture, "tyre.lua", "return 1");
	hear(fixture, "+tyre(1:return 1) ");
	write_file(fixture, "tyre.lua", "return 22");
	hear(fixture, "+tyre(1:return 22) ");
	/* as editors save: beside, then over it */
	write_file(fixture, "tyre.lua.tmp", "return 333");
	snprintf(from, sizeof(from), "%s/tyre.lua.tmp", fixture->folder);
	snprintf(to, sizeof(to), "%s/tyre.lua", fixture->folder);
	assert_int_equal(rename(from, to), 0);
	hear(fixture, "+tyre(1:return 333) ");
	/* and: away, then anew */
	assert_int_equal(unlink(to), 0);
	write_file(fixture, "tyre.lua", "return 4");
	hear(fixture, "+tyre(1:return 4) ");
	assert_int_equal(unlink(to), 0);
	hear(fixture, "-tyre ");
}

static void
a_file_of_a_folder_or_of_lib_is_noticed(void **state)
{
	struct fixture *fixture = *state;

	make_folder(fixture, "lib");
	write_file(fixture, "lib/geo.lua", "return 1");
	make_folder(fixture, "fence");
	write_file(fixture, "fence/init.lua", "require 'geo'");
	start(fixture);
	hear(fixture, "+fence(2:");
	write_file(fixture, "fence/more.lua", "return 1");
	hear(fixture, "+fence(3:");
	write_file(fixture, "lib/geo.lua", "return 12345");
	hear(fixture, "+fence(3:");
}

static void
names_that_cannot_be_and_clash_are_told(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a b.lua", "return 1");
	write_file(fixture, "twice.lua", "return 1");
	make_folder(fixture, "twice");
	write_file(fixture, "twice/init.lua", "return 2");
	start(fixture);
	assert_non_null(strstr(buf_string(&fixture->heard), "!a b:a function's name has only"));
	assert_non_null(strstr(buf_string(&fixture->heard),
	    "!twice:twice.lua and twice/init.lua are one function's name: remove one"));
}

static void
a_folder_that_comes_late_is_found(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rmdir(fixture->folder), 0);
	start(fixture);
	assert_int_equal(mkdir(fixture->folder, 0700), 0);
	write_file(fixture, "late.lua", "return 1");
	hear(fixture, "+late(1:return 1) ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    everything_that_is_a_function_is_deployed_at_the_start, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_saved_moved_and_deleted_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_file_of_a_folder_or_of_lib_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    names_that_cannot_be_and_clash_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_comes_late_is_found, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

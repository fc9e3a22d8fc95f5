/* SPDX-License-Identifier: MIT
 * The folders of the option `files`, and which files of theirs are whole.
 */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/files/file_folders.h"
#include "runtime/files/file_thread.h"

static char base[64];

static const char *
below_base(const char *name)
{
	static char paths[8][128];
	static size_t next;
	char *path = paths[next++ % 8];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void
write_file(const char *name, const char *text, time_t age_s)
{
	int fd = open(below_base(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_s },
		{ .tv_sec = time(NULL) - age_s } };

	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	assert_int_equal(0, futimens(fd, times));
	assert_int_equal(0, close(fd));
}

static int
make_base(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/moonlet-folders-XXXXXX");
	return mkdtemp(base) == NULL || mkdir(below_base("in"), 0700) < 0 ||
	       mkdir(below_base("in/deep"), 0700) < 0 || mkdir(below_base("out"), 0700) < 0;
}

static int
remove_base(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static void
option_names_one_folder_or_several(void **state)
{
	struct file_folders folders;
	struct err err;

	(void)state;
	assert_int_equal(0, file_folders_read(&folders, "/srv/in put", &err));
	assert_int_equal(1, folders.count);
	assert_string_equal("", folders.list[0].name);
	assert_string_equal("/srv/in put", folders.list[0].path);
	file_folders_clear(&folders);
	assert_int_equal(0, file_folders_read(&folders, "inbox=/srv/in, scans = /mnt/s=1", &err));
	assert_int_equal(2, folders.count);
	assert_string_equal("inbox", folders.list[0].name);
	assert_string_equal("scans", folders.list[1].name);
	assert_string_equal("/mnt/s=1", folders.list[1].path);
	file_folders_clear(&folders);
}

static void
wrong_options_are_refused(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
		{ "/srv/in,/srv/out", "give each of several folders a name" },
		{ "in=/srv/in,/srv/out", "\"/srv/out\" has none" },
		{ "in=/srv/in,", "has none" },
		{ "in=", "must have a folder behind \"in=\"" },
		{ "=/srv/in", "must call a folder by" },
		{ "a/b=/srv/in", "not \"a/b\"" },
		{ ".a=/srv/in", "not \".a\"" },
		{ "a*=/srv/in", "not \"a*\"" },
		{ "in=/srv/in,in=/srv/out", "must not call two folders in" },
	};
	struct file_folders folders;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(-1, file_folders_read(&folders, cases[i].text, &err));
		if (strstr(err.text, cases[i].problem) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_int_equal(0, folders.count);
	}
}

static int
open_text(struct file_folders *folders, const char *format, struct err *err)
{
	char text[512];
	struct buf expanded = { 0 };
	int result;

	for (const char *at = format; *at != '\0'; at++) {
		if (*at == '@')
			buf_append_string(&expanded, base);
		else
			buf_append_u8(&expanded, (uint8_t)*at);
	}
	(void)snprintf(text, sizeof(text), "%s", buf_string(&expanded));
	buf_clear(&expanded);
	assert_int_equal(0, file_folders_read(folders, text, err));
	result = file_folders_open(folders, err);
	if (result < 0)
		file_folders_clear(folders);
	return result;
}

static void
folders_that_cannot_be_used_are_named(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
		{ "a=@/missing", "a=@/missing: make it, or mount it, first" },
		{ "a=@/in/file", "a=@/in/file: open it: Not a directory" },
		{ "a=@/in,b=@/in/deep", "b=@/in/deep: lies in a=@/in" },
		{ "a=@/in/deep,b=@/in", "b=@/in: lies in a=@/in/deep, or the other way round" },
		{ "a=@/in,b=@/link", "b=@/link: lies in a=@/in" },
		{ "a=@/in,b=/", "b=/: lies in" },
	};
	struct file_folders folders;
	struct err err;

	(void)state;
	write_file("in/file", "x", 0);
	assert_int_equal(0, symlink("in", below_base("link")));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf problem = { 0 };

		assert_int_equal(-1, open_text(&folders, cases[i].text, &err));
		for (const char *at = cases[i].problem; *at != '\0'; at++) {
			if (*at == '@')
				buf_append_string(&problem, base);
			else
				buf_append_u8(&problem, (uint8_t)*at);
		}
		if (strstr(err.text, buf_string(&problem)) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		buf_clear(&problem);
	}
}

static void
folder_that_may_not_be_listed_is_named(void **state)
{
	struct file_folders folders;
	struct err err;

	(void)state;
	assert_int_equal(0, chmod(below_base("out"), 0));
	assert_int_equal(0, chmod(base, 0755));
	/* Root of a container may have nobody to become. */
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	assert_int_equal(-1, open_text(&folders, "a=@/out", &err));
	(void)!seteuid(getuid());
	assert_non_null(strstr(err.text, "the host may not list it"));
}

static void
paths_begin_with_the_name_of_their_folder(void **state)
{
	struct file_folders folders;
	struct err err;
	int fd;

	(void)state;
	write_file("in/a", "in", 0);
	write_file("out/a", "out", 0);
	assert_int_equal(0, open_text(&folders, "x=@/in,y=@/out", &err));
	fd = file_folders_at(&folders, "y/a", O_RDONLY);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(-1, file_folders_at(&folders, "z/a", O_RDONLY));
	assert_int_equal(ENOENT, errno);
	assert_int_equal(-1, file_folders_at(&folders, "x/../out/a", O_RDONLY));
	assert_int_equal(-1, file_folders_at(&folders, "xa", O_RDONLY));
	assert_int_equal(0, file_folders_check(&folders, "x/*.csv", &err));
	assert_int_equal(0, file_folders_check(&folders, "?/*.csv", &err));
	assert_int_equal(0, file_folders_check(&folders, "**/*.csv", &err));
	assert_int_equal(-1, file_folders_check(&folders, "z/*.csv", &err));
	assert_non_null(strstr(err.text, "the option files: x, y"));
	assert_int_equal(-1, file_folders_check(&folders, "*", &err));
	file_folders_clear(&folders);
}

/* The next news of these milliseconds; NULL: none. */
static struct file_news *
next_news(struct file_thread *thread, int wait_ms)
{
	struct file_news *news = file_thread_next(thread, false);
	struct pollfd fd = { file_thread_fd(thread), POLLIN, 0 };

	while (news == NULL && poll(&fd, 1, wait_ms) > 0)
		news = file_thread_next(thread, false);
	return news;
}

static void
assert_news(struct file_thread *thread, enum file_news_kind kind, const char *path)
{
	struct file_news *news = next_news(thread, 30000);

	assert_non_null(news);
	assert_int_equal(kind, news->kind);
	assert_string_equal(path, news->path);
	file_news_free(news);
}

static void
file_that_is_open_for_writing_is_not_whole(void **state)
{
	static const char *const patterns[] = { "**/*.csv" };
	struct file_folders folders;
	struct file_thread *thread;
	struct file_news *news;
	struct err err;
	int fd;

	(void)state;
	write_file("in/open.csv", "part", 3600);
	write_file("out/done.csv", "all", 3600);
	fd = open(below_base("in/open.csv"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(0, open_text(&folders, "x=@/in,y=@/out", &err));
	thread = file_thread_new(&folders, &err);
	assert_non_null(thread);
	file_thread_patterns(thread, patterns, 1);
	assert_news(thread, FILE_FOUND, "y/done.csv");
	assert_null(next_news(thread, 1500)); /* it has rested for an hour, and for two looks */
	assert_int_equal(4, write(fd, "more", 4));
	assert_int_equal(0, close(fd));
	news = next_news(thread, 30000);
	assert_non_null(news);
	assert_string_equal("x/open.csv", news->path);
	assert_int_equal(8, news->size);
	file_news_free(news);
	file_thread_free(thread);
	file_folders_clear(&folders);
}

static void
file_that_two_write_is_whole_when_both_have_closed_it(void **state)
{
	static const char *const patterns[] = { "**/*.csv" };
	struct file_folders folders;
	struct file_thread *thread;
	struct file_news *news;
	struct err err;
	int one, two;

	(void)state;
	write_file("out/first.csv", "x", 3600);
	assert_int_equal(0, open_text(&folders, "x=@/in,y=@/out", &err));
	thread = file_thread_new(&folders, &err);
	assert_non_null(thread);
	file_thread_patterns(thread, patterns, 1);
	assert_news(thread, FILE_FOUND, "y/first.csv"); /* it watches */
	one = open(below_base("in/two.csv"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	two = open(below_base("in/two.csv"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(3, write(one, "one", 3));
	assert_int_equal(0, close(one));
	assert_null(next_news(thread, 300));
	assert_int_equal(3, write(two, "two", 3));
	assert_int_equal(0, close(two));
	news = next_news(thread, 30000);
	assert_non_null(news);
	assert_int_equal(6, news->size);
	file_news_free(news);
	file_thread_free(thread);
	file_folders_clear(&folders);
}

static void
file_that_is_away_is_known_from_a_folder_that_is(void **state)
{
	static const struct {
		const char *path;
		bool other_device;
		enum file_check check;
	} cases[] = {
		{ "x/a", false, FILE_THERE },
		{ "x/a", true, FILE_THERE },
		{ "x/b", false, FILE_AWAY },
		{ "x/b", true, FILE_AWAY }, /* it has other files */
		{ "y/b", false, FILE_AWAY },
		{ "y/b", true, FILE_FOLDER_AWAY }, /* it is empty: perhaps not mounted */
		{ "x/no/b", false, FILE_AWAY },
		{ "z/b", false, FILE_FOLDER_AWAY },
	};
	struct file_folders folders;
	struct file_thread *thread;
	struct stat status;
	struct err err;

	(void)state;
	write_file("in/a", "x", 0);
	assert_int_equal(0, stat(base, &status));
	assert_int_equal(0, open_text(&folders, "x=@/in,y=@/out", &err));
	thread = file_thread_new(&folders, &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct file_news *news;

		file_thread_check(
		    thread, cases[i].path, (uint64_t)status.st_dev + cases[i].other_device, NULL);
		news = next_news(thread, 30000);
		assert_non_null(news);
		if (news->check != cases[i].check)
			fail_msg("%s: %d", cases[i].path, (int)news->check);
		file_news_free(news);
	}
	file_thread_free(thread);
	file_folders_clear(&folders);
}

static void
versions_are_the_same_on_a_device_of_another_number(void **state)
{
	(void)state;
	assert_true(file_version_is("fe01-1a-3-12.5", bytes_of_string("8-1a-3-12.5")));
	assert_false(file_version_is("fe01-1a-3-12.5", bytes_of_string("fe01-1b-3-12.5")));
	assert_int_equal(0xfe01, file_version_device(bytes_of_string("fe01-1a-3-12.5")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(option_names_one_folder_or_several),
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test_setup_teardown(
		    folders_that_cannot_be_used_are_named, make_base, remove_base),
		cmocka_unit_test_setup_teardown(
		    folder_that_may_not_be_listed_is_named, make_base, remove_base),
		cmocka_unit_test_setup_teardown(
		    paths_begin_with_the_name_of_their_folder, make_base, remove_base),
		cmocka_unit_test_setup_teardown(
		    file_that_is_open_for_writing_is_not_whole, make_base, remove_base),
		cmocka_unit_test_setup_teardown(
		    file_that_two_write_is_whole_when_both_have_closed_it, make_base, remove_base),
		cmocka_unit_test_setup_teardown(
		    file_that_is_away_is_known_from_a_folder_that_is, make_base, remove_base),
		cmocka_unit_test(versions_are_the_same_on_a_device_of_another_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

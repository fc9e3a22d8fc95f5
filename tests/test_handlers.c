/* SPDX-License-Identifier: MIT
 * Runs tests/lua/NAME.lua, and each example of docs/handlers.md, inside a real worker.
 *
 * A test file is a function's file that may require the functions that ship. Its table holds
 * `tests`, a table of functions, and its handler runs the one whose name is the event. Each runs
 * twice: on a fresh stage and on a used one. Beside them may stand
 *   expect.NAME = { effects=, calls=, logs=, result=, fails= }   what the host is to see of a test
 *   replies = { ["GET http://..."] = { status=, headers=, body= or json= },
 *               ["shadow THING"] = document, ["shadow THING/NAME"] = document,
 *               ["invoke NAME"] = value, ["secret NAME"] = "...",
 *               ["db TABLE/KEY"] = item or false }  what it answers
 * A comment "-- refused: TEXT" says that the file is not to load, and why.
 */
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/handler_frames.h"
#include "tests/worker_peer.h"

enum { TIMEOUT_MS = 120000 };

#define DEFAULT_EVENT                                                                     \
	"{\"deviceid\":\"audi22\",\"speed\":140,\"lat\":48.14,\"lon\":11.58,\"tags\":[]," \
	"\"tyre_bar\":[2.4,2.4,1.8,2.3]}"

struct driver {
	struct worker_peer peer;
	struct peer_file files[WORKER_PEER_FILES_MAX]; /* the first is the one that is tested */
	size_t file_count;
	uint32_t function;
	uint64_t invocation;
	unsigned passed, failed;

	const char *name; /* of the script */
	cJSON *manifest;

	/* What one invocation did. */
	cJSON *effects, *calls, *logs;
	char *result, *failure;
};

static void __attribute__((format(printf, 2, 3)))
complain(struct driver *driver, const char *format, ...)
{
	va_list ap;

	driver->failed++;
	(void)fprintf(stderr, "%s: ", driver->name);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

static struct bytes
read_file(const char *path)
{
	struct buf text = { 0 };
	FILE *file = fopen(path, "rb");
	size_t got;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	do {
		got = fread(buf_reserve(&text, 65536), 1, 65536, file);
		text.len += got;
	} while (got > 0);
	(void)fclose(file);
	return buf_bytes(&text);
}

static void
on_done(struct driver *driver, struct cursor *cursor)
{
	struct bytes result;
	uint16_t count;

	(void)cursor_u32(cursor);
	(void)cursor_u32(cursor);
	(void)cursor_u8(cursor);
	result = cursor_bytes(cursor);
	driver->result = bytes_to_string(result);
	count = cursor_u16(cursor);
	for (uint16_t i = 0; i < count && !cursor->bad; i++) {
		cJSON *effect = cJSON_CreateObject();

		read_effect(cursor, effect);
		(void)cJSON_AddItemToArray(driver->effects, effect);
	}
	if (!cursor_end(cursor))
		complain(driver, "WORKER_DONE does not decode");
}

static void
on_failed(struct driver *driver, struct cursor *cursor)
{
	struct bytes message, traceback;
	struct buf text = { 0 };

	(void)cursor_u32(cursor);
	(void)cursor_u8(cursor);
	message = cursor_bytes(cursor);
	traceback = cursor_bytes(cursor);
	buf_append_bytes(&text, message);
	buf_append_string(&text, "\n");
	buf_append_bytes(&text, traceback);
	driver->failure = bytes_to_string(buf_bytes(&text));
	buf_clear(&text);
}

static void
on_call(struct driver *driver, struct cursor *cursor)
{
	const cJSON *replies = cJSON_GetObjectItem(driver->manifest, "replies");
	uint32_t number = cursor_u32(cursor);
	int64_t elapsed_us = cursor_i64(cursor);
	enum call_kind kind = (enum call_kind)cursor_u8(cursor);
	cJSON *call = cJSON_CreateObject(), *made = NULL;
	struct buf key = { 0 }, *out = &driver->peer.out;
	const cJSON *reply;
	size_t begun;

	read_call(kind, cursor, call, &key);
	if (!cursor_end(cursor))
		complain(driver, "WORKER_CALL does not decode");
	(void)cJSON_AddItemToArray(driver->calls, call);
	if (replies == NULL)
		made = default_reply(kind);
	reply = made != NULL ? made : cJSON_GetObjectItemCaseSensitive(replies, buf_string(&key));
	begun = frame_begin(out, HOST_REPLY);
	frame_u64(out, driver->invocation);
	frame_u32(out, number);
	frame_i64(out, elapsed_us + 1000);
	frame_u8(out, reply != NULL);
	if (reply != NULL)
		put_reply(out, kind, reply);
	else
		frame_string(out, "nobody answers");
	frame_finish(out, begun);
	cJSON_Delete(made);
	buf_clear(&key);
}

static void
on_log(struct driver *driver, struct cursor *cursor)
{
	char *text;

	(void)cursor_u8(cursor);
	text = bytes_to_string(cursor_bytes(cursor));
	(void)cJSON_AddItemToArray(driver->logs, cJSON_CreateString(text));
	free(text);
}

static void
forget_run(struct driver *driver)
{
	cJSON_Delete(driver->effects);
	cJSON_Delete(driver->calls);
	cJSON_Delete(driver->logs);
	free(driver->result);
	free(driver->failure);
	driver->effects = cJSON_CreateArray();
	driver->calls = cJSON_CreateArray();
	driver->logs = cJSON_CreateArray();
	driver->result = driver->failure = NULL;
}

static void
die(struct driver *driver, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", driver->name, what);
	worker_peer_stop(&driver->peer);
	exit(1);
}

/* Until the invocation has ended. */
static void
follow(struct driver *driver)
{
	struct cursor cursor;
	struct frame frame;
	struct err err;

	while (driver->result == NULL && driver->failure == NULL) {
		if (worker_peer_flush(&driver->peer, &err) < 0 ||
		    worker_peer_next(&driver->peer, TIMEOUT_MS, &frame, &err) < 0)
			die(driver, err.text);
		cursor = cursor_of(frame.fields);
		if (cursor_u64(&cursor) != driver->invocation)
			continue;
		if (frame.type == WORKER_DONE)
			on_done(driver, &cursor);
		else if (frame.type == WORKER_FAILED)
			on_failed(driver, &cursor);
		else if (frame.type == WORKER_CALL)
			on_call(driver, &cursor);
		else if (frame.type == WORKER_LOG)
			on_log(driver, &cursor);
	}
}

static void
run_once(struct driver *driver, enum payload_kind kind, struct bytes payload)
{
	struct peer_invoke invoke = { .invocation = ++driver->invocation,
		.function = driver->function,
		.timeout_ms = 3000,
		.kind = kind,
		.topic = "iot/ccar-ad/audi22",
		.extra = "{\"properties\":{\"fleet\":\"north\"}}",
		.payload = payload };

	forget_run(driver);
	worker_peer_invoke(&driver->peer, &invoke);
	follow(driver);
}

static void
check_list(struct driver *driver, const char *test, const cJSON *expected, const cJSON *seen)
{
	char *text;

	if (expected == NULL || cJSON_Compare(expected, seen, true) ||
	    (cJSON_GetArraySize(expected) == 0 && cJSON_GetArraySize(seen) == 0))
		return;
	text = cJSON_PrintUnformatted(seen);
	complain(driver, "%s: %s are %s", test, expected->string, text);
	free(text);
}

static void
check_run(struct driver *driver, const char *test)
{
	const cJSON *expect =
	    cJSON_GetObjectItem(cJSON_GetObjectItem(driver->manifest, "expect"), test);
	const char *fails = cJSON_GetStringValue(cJSON_GetObjectItem(expect, "fails"));
	const char *result = cJSON_GetStringValue(cJSON_GetObjectItem(expect, "result"));

	if (fails == NULL && driver->failure != NULL)
		complain(driver, "%s: %s", test, driver->failure);
	else if (fails != NULL && driver->failure == NULL)
		complain(driver, "%s: did not fail", test);
	else if (fails != NULL && strstr(driver->failure, fails) == NULL)
		complain(driver, "%s: failed otherwise: %s", test, driver->failure);
	if (result != NULL && driver->result != NULL && strcmp(result, driver->result) != 0)
		complain(driver, "%s: the result is %s", test, driver->result);
	check_list(driver, test, cJSON_GetObjectItem(expect, "effects"), driver->effects);
	check_list(driver, test, cJSON_GetObjectItem(expect, "calls"), driver->calls);
	check_list(driver, test, cJSON_GetObjectItem(expect, "logs"), driver->logs);
	driver->passed++;
}

/* Loads what files[0] holds. NULL, or why it was refused (to be freed). */
static char *
load(struct driver *driver)
{
	struct cursor cursor;
	struct frame frame;
	struct err err;

	cJSON_Delete(driver->manifest);
	driver->manifest = NULL;
	worker_peer_load(&driver->peer, ++driver->function, driver->files, driver->file_count);
	do {
		if (worker_peer_flush(&driver->peer, &err) < 0 ||
		    worker_peer_next(&driver->peer, TIMEOUT_MS, &frame, &err) < 0)
			die(driver, err.text);
	} while (frame.type != WORKER_LOADED && frame.type != WORKER_REFUSED);
	cursor = cursor_of(frame.fields);
	(void)cursor_u32(&cursor);
	if (frame.type == WORKER_REFUSED)
		return bytes_to_string(cursor_bytes(&cursor));
	(void)cursor_u32(&cursor);
	driver->manifest = json_of(cursor_bytes(&cursor));
	return NULL;
}

static void
drop(struct driver *driver)
{
	size_t begun = frame_begin(&driver->peer.out, HOST_DROP);

	frame_u32(&driver->peer.out, driver->function);
	frame_finish(&driver->peer.out, begun);
}

static bool
load_as_expected(struct driver *driver)
{
	char *source = bytes_to_string(driver->files[0].source);
	const char *mark = strstr(source, "-- refused: ");
	char *refused = load(driver);
	struct bytes expected;

	if (mark != NULL) {
		mark += strlen("-- refused: ");
		expected = bytes_of(mark, strcspn(mark, "\n"));
		if (refused == NULL)
			complain(driver, "was not refused");
		else if (memmem(refused, strlen(refused), expected.data, expected.len) == NULL)
			complain(driver, "refused otherwise: %s", refused);
		driver->passed++;
	} else if (refused != NULL) {
		complain(driver, "refused: %s", refused);
	}
	free(refused);
	free(source);
	return mark == NULL && driver->manifest != NULL;
}

static void
run_tests(struct driver *driver)
{
	const cJSON *test;

	cJSON_ArrayForEach(test, cJSON_GetObjectItem(driver->manifest, "tests"))
	{
		for (int round = 0; round < 2; round++) {
			run_once(driver, PAYLOAD_RAW, bytes_of_string(test->string));
			check_run(driver, test->string);
		}
	}
}

static void
run_script(struct driver *driver, const char *path)
{
	const char *slash = strrchr(path, '/');

	driver->name = slash != NULL ? slash + 1 : path;
	driver->files[0] = (struct peer_file){ driver->name, read_file(path) };
	if (load_as_expected(driver)) {
		if (cJSON_GetArraySize(cJSON_GetObjectItem(driver->manifest, "tests")) == 0)
			complain(driver, "has no tests");
		run_tests(driver);
		drop(driver);
	}
	free((void *)driver->files[0].source.data);
}

/* An example that is no whole file becomes the body of a handler that may do everything. */
static void
frame_example(struct buf *out, const char *body)
{
	if (strstr(body, "handler") == NULL)
		buf_append_string(out,
		    "return { allow = { publish = '#', shadow = '*', http = '*', invoke = '*', "
		    "secrets = '*', db = '*', files = '*' }, handler = function(event, context) ");
	buf_append_string(out, body);
	if (strstr(body, "handler") == NULL)
		buf_append_string(out, " end }");
}

static void
run_example(struct driver *driver, const char *body, const char *event)
{
	struct buf source = { 0 };

	frame_example(&source, body);
	driver->files[0] = (struct peer_file){ "example.lua", buf_bytes(&source) };
	if (load_as_expected(driver)) {
		run_once(driver, PAYLOAD_AUTO, bytes_of_string(event));
		check_run(driver, body);
		drop(driver);
	}
	buf_clear(&source);
}

/* Each block of Lua, run with the block of JSON before it as its event. */
static void
run_document(struct driver *driver, const char *path)
{
	struct bytes bytes = read_file(path);
	char *text = bytes_to_string(bytes), *at = text, *event = xstrdup(DEFAULT_EVENT);
	unsigned before = driver->passed;

	driver->name = "docs/handlers.md";
	while ((at = strstr(at, "\n```")) != NULL) {
		char *body = strchr(at + 1, '\n'),
		     *end = body != NULL ? strstr(body, "\n```") : NULL;

		if (end == NULL)
			break;
		*end = '\0';
		if (strncmp(at, "\n```lua\n", 8) == 0) {
			run_example(driver, body, event);
		} else if (strncmp(at, "\n```json\n", 9) == 0) {
			free(event);
			event = xstrdup(body);
		}
		at = end + 4;
	}
	if (driver->passed == before)
		complain(driver, "has no examples");
	free(event);
	free(text);
	free((void *)bytes.data);
}

/* The functions that ship, and what they require. */
static void
add_files(struct driver *driver, const char *top, const char *folder)
{
	char pattern[4096];
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/functions/%s*.lua", top, folder);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc && driver->file_count < WORKER_PEER_FILES_MAX; i++)
		driver->files[driver->file_count++] =
		    (struct peer_file){ xstrdup(found.gl_pathv[i] + strlen(top) + 11),
			    read_file(found.gl_pathv[i]) };
	globfree(&found);
}

static void
run_all(struct driver *driver, const char *top)
{
	char path[4096];
	glob_t found;

	(void)snprintf(path, sizeof(path), "%s/tests/lua/*.lua", top);
	if (glob(path, 0, NULL, &found) != 0)
		complain(driver, "there is no %s", path);
	for (size_t i = 0; i < found.gl_pathc; i++)
		run_script(driver, found.gl_pathv[i]);
	globfree(&found);
	(void)snprintf(path, sizeof(path), "%s/docs/handlers.md", top);
	run_document(driver, path);
}

/* With arguments: these test files alone. */
int
main(int argc, char **argv)
{
	const char *top = getenv("srcdir") != NULL ? getenv("srcdir") : ".";
	const char *program = getenv("MOONLET_WORKER");
	struct driver driver = { .name = "handlers", .file_count = 1 };
	struct err err;

	if (worker_peer_start(&driver.peer, program != NULL ? program : "./moonlet-worker", &err) <
	    0)
		die(&driver, err.text);
	put_tables(&driver.peer.out);
	add_files(&driver, top, "");
	add_files(&driver, top, "lib/");
	for (int i = 1; i < argc; i++)
		run_script(&driver, argv[i]);
	if (argc == 1)
		run_all(&driver, top);
	forget_run(&driver);
	cJSON_Delete(driver.effects);
	cJSON_Delete(driver.calls);
	cJSON_Delete(driver.logs);
	cJSON_Delete(driver.manifest);
	for (size_t i = 1; i < driver.file_count; i++) {
		free((void *)driver.files[i].path);
		free((void *)driver.files[i].source.data);
	}
	worker_peer_stop(&driver.peer);
	(void)printf("%u runs, %u problems\n", driver.passed, driver.failed);
	return driver.failed == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 * Runs tests/escape/NAME.lua in a real worker: each does what a handler must not manage, and its
 * first line says how that ends:
 *   -- ends: ok | error TEXT | timeout | memory | refused TEXT | any
 * ("any": the bounds decide which). Each runs on a stage that the others have used and on a fresh
 * one, twice, with the same outcome to the letter; after each a canary must still be right.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/worker_peer.h"

enum {
	MEMORY_BYTES = 16 << 20,
	ANSWER_TIMEOUT_MS = 60000,
	LOAD_TIMEOUT_MS = 5000,
	SHORT_TIMEOUT_MS = 60,
	LONG_TIMEOUT_MS = 30000,
	TEXT_BYTES = 512,
	CANARY = 1
};

struct outcome {
	enum { ENDED_OK, ENDED_ERROR, ENDED_TIMEOUT, ENDED_MEMORY, ENDED_REFUSED, ENDED_BAD } how;
	char text[TEXT_BYTES];
};

struct driver {
	struct worker_peer peer;
	const char *program;
	uint32_t function;
	uint64_t invocation;
	unsigned runs, failed;
};

static const char *const names[] = { "ok", "error", "timeout", "memory", "refused", "a bad frame" };

static const char canary[] =
    "local seen = 0\n"
    "return { allow = { publish = '#' }, handler = function(event)\n"
    "  seen = seen + 1\n"
    "  mqtt.publish('canary/' .. event.name, { sum = event.a + event.b, seen = seen })\n"
    "  return ('%s:%d'):format(event.name:upper(), event.a * event.b)\n"
    "end }\n";

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
put_load(struct worker_peer *peer, uint32_t function, const char *path, struct bytes source)
{
	size_t begun = frame_begin(&peer->out, HOST_LOAD);

	frame_u32(&peer->out, function);
	frame_u8(&peer->out, LOAD_FUNCTION);
	frame_string(&peer->out, "tested");
	frame_u32(&peer->out, MEMORY_BYTES);
	frame_u32(&peer->out, LOAD_TIMEOUT_MS);
	frame_u16(&peer->out, 1);
	frame_string(&peer->out, path);
	frame_bytes(&peer->out, source);
	frame_finish(&peer->out, begun);
}

static void
put_drop(struct worker_peer *peer, uint32_t function)
{
	size_t begun = frame_begin(&peer->out, HOST_DROP);

	frame_u32(&peer->out, function);
	frame_finish(&peer->out, begun);
}

static void
skip_effect(struct cursor *cursor)
{
	enum effect_kind kind = (enum effect_kind)cursor_u8(cursor);

	if (kind == EFFECT_PUBLISH) {
		(void)cursor_u16(cursor);
		(void)cursor_u32(cursor);
	}
	if (kind == EFFECT_SHADOW)
		(void)cursor_u8(cursor);
	(void)cursor_bytes(cursor);
	if (kind == EFFECT_METRIC)
		(void)cursor_i64(cursor);
	else
		(void)cursor_bytes(cursor);
	if (kind == EFFECT_PUBLISH || kind == EFFECT_SHADOW)
		(void)cursor_bytes(cursor);
	if (kind < EFFECT_PUBLISH || kind > EFFECT_METRIC)
		cursor->bad = true;
}

static void
keep_text(struct outcome *outcome, struct bytes text)
{
	(void)snprintf(outcome->text, sizeof(outcome->text), "%.*s", (int)text.len,
	    text.len > 0 ? (const char *)text.data : "");
}

static void
read_done(struct cursor *cursor, struct outcome *outcome)
{
	uint16_t effects;

	(void)cursor_u64(cursor);
	(void)cursor_u64(cursor); /* figures */
	(void)cursor_u8(cursor);
	keep_text(outcome, cursor_bytes(cursor));
	effects = cursor_u16(cursor);
	for (uint16_t i = 0; i < effects && !cursor->bad; i++)
		skip_effect(cursor);
	outcome->how = ENDED_OK;
}

static void
read_failed(struct cursor *cursor, struct outcome *outcome)
{
	enum fail_reason reason;

	(void)cursor_u64(cursor);
	(void)cursor_u32(cursor);
	reason = (enum fail_reason)cursor_u8(cursor);
	keep_text(outcome, cursor_bytes(cursor));
	(void)cursor_bytes(cursor);
	outcome->how = reason == FAIL_TIMEOUT  ? ENDED_TIMEOUT
		       : reason == FAIL_MEMORY ? ENDED_MEMORY
					       : ENDED_ERROR;
}

static void
read_refused(struct cursor *cursor, struct outcome *outcome)
{
	(void)cursor_u32(cursor);
	keep_text(outcome, cursor_bytes(cursor));
	outcome->how = ENDED_REFUSED;
}

static void
read_loaded(struct cursor *cursor, struct outcome *outcome)
{
	(void)cursor_u64(cursor);
	(void)cursor_bytes(cursor);
	outcome->how = ENDED_OK;
}

/* Waits for the end of what was sent; lines of the log are passed over. */
static int
await(struct driver *driver, struct outcome *outcome, struct err *err)
{
	static void (*const readers[])(struct cursor *, struct outcome *) = {
		[WORKER_LOADED] = read_loaded,
		[WORKER_REFUSED] = read_refused,
		[WORKER_DONE] = read_done,
		[WORKER_FAILED] = read_failed,
	};
	struct cursor cursor;
	struct frame frame;

	outcome->text[0] = '\0';
	if (worker_peer_flush(&driver->peer, err) < 0)
		return -1;
	do {
		if (worker_peer_next(&driver->peer, ANSWER_TIMEOUT_MS, &frame, err) < 0)
			return -1;
	} while (frame.type == WORKER_LOG);
	if (frame.type >= sizeof(readers) / sizeof(readers[0]) || readers[frame.type] == NULL)
		return err_set(err, "a frame of type %u came", frame.type);
	cursor = cursor_of(frame.fields);
	readers[frame.type](&cursor, outcome);
	if (!cursor_end(&cursor))
		outcome->how = ENDED_BAD;
	return 0;
}

static int
invoke(struct driver *driver, uint32_t function, uint32_t timeout_ms, struct outcome *outcome,
    struct err *err)
{
	const struct peer_invoke what = { .invocation = ++driver->invocation,
		.function = function,
		.timeout_ms = timeout_ms,
		.kind = PAYLOAD_AUTO,
		.topic = "a/b",
		.payload = bytes_of_string("{\"name\":\"bird\",\"a\":6,\"b\":7}") };

	worker_peer_invoke(&driver->peer, &what);
	return await(driver, outcome, err);
}

static int
check_canary(struct driver *driver, struct err *err)
{
	struct outcome outcome;

	if (invoke(driver, CANARY, LONG_TIMEOUT_MS, &outcome, err) < 0)
		return -1;
	if (outcome.how != ENDED_OK || strcmp(outcome.text, "BIRD:42") != 0)
		return err_set(
		    err, "the canary ended with %s: %s", names[outcome.how], outcome.text);
	return 0;
}

/* Whether the outcome is the one that the first line announces. */
static bool
is_expected(const struct outcome *outcome, const char *ends)
{
	const char *name = names[outcome->how];
	size_t len = strlen(name);

	if (strcmp(ends, "any") == 0)
		return outcome->how != ENDED_BAD;
	if (strncmp(ends, name, len) != 0 || (ends[len] != ' ' && ends[len] != '\0'))
		return false;
	return ends[len] == '\0' || strstr(outcome->text, ends + len + 1) != NULL;
}

static int
start(struct driver *driver, struct err *err)
{
	struct outcome outcome;

	if (worker_peer_start(&driver->peer, driver->program, err) < 0)
		return -1;
	put_load(&driver->peer, CANARY, "canary.lua", bytes_of_string(canary));
	return await(driver, &outcome, err);
}

/* Loads the file and runs it twice. The outcome of the first run, or of the load. */
static int
try_source(struct driver *driver, const char *ends, struct bytes source, struct outcome *first)
{
	bool loops = strcmp(ends, "timeout") == 0 || strcmp(ends, "any") == 0;
	uint32_t timeout_ms = loops ? SHORT_TIMEOUT_MS : LONG_TIMEOUT_MS;
	struct outcome again;
	struct err err;
	int result;

	put_load(&driver->peer, ++driver->function + CANARY, "tested.lua", source);
	result = await(driver, first, &err);
	if (result == 0 && first->how == ENDED_OK) {
		result = invoke(driver, driver->function + CANARY, timeout_ms, first, &err);
		if (result == 0)
			result =
			    invoke(driver, driver->function + CANARY, timeout_ms, &again, &err);
		if (result == 0 && strcmp(ends, "any") != 0 &&
		    (again.how != first->how || strcmp(again.text, first->text) != 0))
			result = err_set(&err, "twice, two outcomes: %s %s, %s %s",
			    names[first->how], first->text, names[again.how], again.text);
	}
	put_drop(&driver->peer, driver->function + CANARY);
	if (result == 0)
		result = check_canary(driver, &err);
	driver->runs++;
	if (result == 0)
		return 0;
	(void)fprintf(stderr, "    %s\n", err.text);
	return -1;
}

static bool
try_stage(struct driver *driver, const char *ends, struct bytes source)
{
	struct outcome outcome = { ENDED_BAD, "" };

	if (try_source(driver, ends, source, &outcome) < 0)
		return false;
	if (is_expected(&outcome, ends))
		return true;
	(void)fprintf(stderr, "    ended with %s: %s\n", names[outcome.how], outcome.text);
	return false;
}

static bool
read_ends(struct bytes source, char *ends, size_t size)
{
	static const char mark[] = "-- ends: ";
	const size_t at = sizeof(mark) - 1;
	const uint8_t *stop = memchr(source.data, '\n', source.len);

	if (stop == NULL || source.len < at || memcmp(source.data, mark, at) != 0)
		return false;
	(void)snprintf(ends, size, "%.*s", (int)((size_t)(stop - source.data) - at),
	    (const char *)source.data + at);
	return true;
}

static void
die(const char *text)
{
	(void)fprintf(stderr, "%s\n", text);
	exit(1);
}

static void
run_script(struct driver *driver, const char *path)
{
	struct driver fresh = { .program = driver->program };
	struct bytes source = read_file(path);
	char ends[TEXT_BYTES];
	struct err err;
	bool ok;

	if (!read_ends(source, ends, sizeof(ends)))
		die(path);
	if (start(&fresh, &err) < 0)
		die(err.text);
	ok = try_stage(&fresh, ends, source);
	ok = try_stage(driver, ends, source) && ok;
	worker_peer_stop(&fresh.peer);
	driver->runs += fresh.runs;
	if (!ok) {
		driver->failed++;
		(void)fprintf(stderr, "%s: must end with: %s\n", path, ends);
		/* What comes after it gets a worker that is alive. */
		worker_peer_stop(&driver->peer);
		if (start(driver, &err) < 0)
			die(err.text);
	}
	free((void *)source.data);
}

static void
run_all(struct driver *driver)
{
	const char *top = getenv("srcdir") != NULL ? getenv("srcdir") : ".";
	char pattern[4096];
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/tests/escape/*.lua", top);
	if (glob(pattern, 0, NULL, &found) != 0)
		die(pattern);
	for (size_t i = 0; i < found.gl_pathc; i++)
		run_script(driver, found.gl_pathv[i]);
	globfree(&found);
}

/* With arguments: these files alone. */
int
main(int argc, char **argv)
{
	const char *program = getenv("MOONLET_WORKER");
	struct driver driver = { .program = program != NULL ? program : "./moonlet-worker" };
	struct err err;

	if (start(&driver, &err) < 0)
		die(err.text);
	for (int i = 1; i < argc; i++)
		run_script(&driver, argv[i]);
	if (argc == 1)
		run_all(&driver);
	worker_peer_stop(&driver.peer);
	(void)printf("%u runs, %u problems\n", driver.runs, driver.failed);
	return driver.failed == 0 ? 0 : 1;
}

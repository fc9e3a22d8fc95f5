/* SPDX-License-Identifier: MIT
 * moonlet failed, moonlet replay and moonlet discard: the events that were given up.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/http_local.h"
#include "runtime/commands/command.h"

static const char *
text_of(const cJSON *row, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));

	return text != NULL ? text : "";
}

static void
print_row(const cJSON *row)
{
	const struct command_colours *colours = command_colours();
	const cJSON *when = cJSON_GetObjectItemCaseSensitive(row, "failed");
	time_t seconds = cJSON_IsNumber(when) ? (time_t)(when->valuedouble / 1000) : 0;
	struct tm parts;
	char stamp[32] = "";

	if (gmtime_r(&seconds, &parts) != NULL)
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &parts);
	printf("%s  %s  %s%s%s  %s%s%s\n", text_of(row, "id"), stamp, colours->bold,
	    text_of(row, "function"), colours->plain, colours->red, text_of(row, "error"),
	    colours->plain);
}

enum { PAGE_ROWS = 1000 };

/* A page of the failed events of a function (NULL: of all) as JSON; freed with cJSON_Delete. */
static cJSON *
list_page(const struct command_call *call, const char *name, const char *after, struct err *err)
{
	struct buf target = { 0 }, reply = { 0 };
	cJSON *rows = NULL;

	buf_printf(&target, "/v1/failed?limit=%d&after=%s", PAGE_ROWS, after);
	if (name != NULL) {
		buf_append_string(&target, "&function=");
		http_local_encode(&target, name);
	}
	if (command_ask(call, &(struct command_request){ "GET", buf_string(&target), { 0 } },
		&reply, err) == 0) {
		rows = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		if (rows == NULL)
			err_set(err, "the host's answer cannot be read");
	}
	buf_clear(&target);
	buf_clear(&reply);
	return rows;
}

/* Moves the rows of a page to `all`. The last one's id is put into `after`. */
static void
gather(cJSON *all, cJSON *page, char *after, size_t size)
{
	cJSON *row;

	while ((row = cJSON_DetachItemFromArray(page, 0)) != NULL) {
		(void)snprintf(after, size, "%s", text_of(row, "id"));
		(void)cJSON_AddItemToArray(all, row);
	}
}

static cJSON *
list(const struct command_call *call, const char *name, struct err *err)
{
	cJSON *all = cJSON_CreateArray(), *page;
	char after[64] = "";
	int count;

	do {
		page = list_page(call, name, after, err);
		count = cJSON_GetArraySize(page);
		if (page == NULL) {
			cJSON_Delete(all);
			return NULL;
		}
		gather(all, page, after, sizeof(after));
		cJSON_Delete(page);
	} while (count == PAGE_ROWS);
	return all;
}

static int
print_list(const struct command_call *call, struct err *err)
{
	cJSON *rows = list(call, call->count > 0 ? call->arguments[0] : NULL, err);
	const cJSON *row;
	char *text;

	if (rows == NULL)
		return -1;
	if (command_value(call, "json") != NULL) {
		text = cJSON_Print(rows);
		puts(text);
		cJSON_free(text);
	} else {
		cJSON_ArrayForEach(row, rows)
		{
			print_row(row);
		}
	}
	cJSON_Delete(rows);
	return 0;
}

/* One event: `method` on its path and what stands behind it. */
static int
touch(const struct command_call *call, const char *method, const char *id, const char *behind,
    struct err *err)
{
	struct buf target = { 0 }, reply = { 0 };
	int status;

	buf_append_string(&target, "/v1/failed/");
	http_local_encode(&target, id);
	buf_append_string(&target, behind);
	status = command_ask(
	    call, &(struct command_request){ method, buf_string(&target), { 0 } }, &reply, err);
	buf_clear(&target);
	buf_clear(&reply);
	return status;
}

static cJSON *ask_json(
    const struct command_call *call, const char *method, struct buf *target, struct err *err);

static int
show(const struct command_call *call, const char *id, struct err *err)
{
	struct buf target = { 0 };
	cJSON *row;
	char *text;

	buf_append_string(&target, "/v1/failed/");
	http_local_encode(&target, id);
	row = ask_json(call, "GET", &target, err);
	buf_clear(&target);
	if (row == NULL)
		return -1;
	text = cJSON_Print(row);
	puts(text);
	cJSON_free(text);
	cJSON_Delete(row);
	return 0;
}

int
cmd_failed(struct command_call *call)
{
	const char *drop = command_value(call, "drop"), *id = command_value(call, "show");
	struct err err;
	int status = command_settle(call, &err);

	if (status == 0 && drop != NULL)
		status = touch(call, "DELETE", drop, "", &err);
	else if (status == 0)
		status = id != NULL ? show(call, id, &err) : print_list(call, &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

/* --- all of a function's --- */

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

/* "50/s", "10/min", "50": events a minute. -1: it is none of these. */
static int
read_rate(const char *text, unsigned *per_minute, struct err *err)
{
	char *end;
	double rate = strtod(text, &end);
	bool by_minute = strcmp(end, "/min") == 0;

	if (end == text || (*end != '\0' && strcmp(end, "/s") != 0 && !by_minute) ||
	    !(rate > 0 && rate <= 1000000))
		return err_set(err, "--rate is a number of events as 50/s or 10/min");
	*per_minute = (unsigned)(by_minute ? rate : rate * 60);
	if (*per_minute == 0)
		*per_minute = 1;
	return 0;
}

/* Asks, and reads the answer's JSON; NULL with the error. */
static cJSON *
ask_json(const struct command_call *call, const char *method, struct buf *target, struct err *err)
{
	struct buf reply = { 0 };
	cJSON *json = NULL;

	if (command_ask(call, &(struct command_request){ method, buf_string(target), { 0 } },
		&reply, err) == 0) {
		json = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		if (json == NULL)
			err_set(err, "the host's answer cannot be read");
	}
	buf_clear(&reply);
	return json;
}

static double
number_of(const cJSON *json, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static int
begin_replay(const struct command_call *call, const char *name, unsigned *number, struct err *err)
{
	const char *rate = command_value(call, "rate");
	struct buf target = { 0 };
	unsigned per_minute = 0;
	cJSON *json = NULL;

	if (rate != NULL && read_rate(rate, &per_minute, err) < 0)
		return -1;
	buf_printf(&target, "/v1/replays?per_minute=%u&function=", per_minute);
	http_local_encode(&target, name);
	json = ask_json(call, "POST", &target, err);
	*number = json != NULL ? (unsigned)number_of(json, "replay") : 0;
	cJSON_Delete(json);
	buf_clear(&target);
	return *number > 0 ? 0 : -1;
}

/* Until the host has done it. An interrupt ends it there. */
static int
follow_replay(const struct command_call *call, unsigned number, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	bool shows = isatty(STDERR_FILENO), done = false;
	struct buf target = { 0 };
	int status = 0;

	buf_printf(&target, "/v1/replays/%u", number);
	while (status == 0 && !done) {
		cJSON *json = ask_json(call, interrupted ? "DELETE" : "GET", &target, err);
		const char *problem = json != NULL ? text_of(json, "problem") : "";

		done = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "finished"));
		status = json != NULL ? 0 : -1;
		if (shows && json != NULL)
			fprintf(stderr, "\r%.0f replayed ", number_of(json, "replayed"));
		if (shows && done)
			fprintf(stderr, "\r\033[K");
		if (done)
			printf("%.0f replayed\n", number_of(json, "replayed"));
		if (done && problem[0] != '\0')
			status = err_set(err, "%s", problem);
		cJSON_Delete(json);
		if (status == 0 && !done)
			(void)nanosleep(&pause, NULL);
	}
	buf_clear(&target);
	return status;
}

static int
replay_all(const struct command_call *call, const char *name, struct err *err)
{
	const struct sigaction action = { .sa_handler = on_interrupt };
	unsigned number;

	if (begin_replay(call, name, &number, err) < 0)
		return -1;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	return follow_replay(call, number, err);
}

static int
discard_all(const struct command_call *call, const char *name, struct err *err)
{
	struct buf target = { 0 };
	cJSON *json;

	buf_append_string(&target, "/v1/failed?function=");
	http_local_encode(&target, name);
	json = ask_json(call, "DELETE", &target, err);
	buf_clear(&target);
	if (json == NULL)
		return -1;
	printf("%.0f discarded\n", number_of(json, "discarded"));
	cJSON_Delete(json);
	return 0;
}

/* One by its id, or all of a function. */
static int
one_or_all(struct command_call *call,
    int (*one)(const struct command_call *call, const char *id, struct err *err),
    int (*all)(const struct command_call *call, const char *name, struct err *err))
{
	const char *name = command_value(call, "all");
	struct err err;
	int status;

	if ((name != NULL) == (call->count == 1)) {
		err_set(&err, "needs the id of a failed event (moonlet failed), or --all NAME");
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = name != NULL ? all(call, name, &err) : one(call, call->arguments[0], &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

static int
replay_one(const struct command_call *call, const char *id, struct err *err)
{
	return touch(call, "POST", id, "/replay", err);
}

static int
discard_one(const struct command_call *call, const char *id, struct err *err)
{
	return touch(call, "DELETE", id, "", err);
}

int
cmd_replay(struct command_call *call)
{
	if (command_value(call, "local") != NULL && call->count == 1)
		return cmd_replay_local(call);
	return one_or_all(call, replay_one, replay_all);
}

int
cmd_discard(struct command_call *call)
{
	return one_or_all(call, discard_one, discard_all);
}

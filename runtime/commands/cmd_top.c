/* SPDX-License-Identifier: MIT
 * moonlet top: what happens right now, made of two looks at the host's counters.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "runtime/api/api_parts.h"
#include "runtime/commands/command.h"

enum { INTERVAL_MS = 1000, HEAD_LINES = 3, LINES_DEFAULT = 24, SLOTS_MAX = 64 };

/* A function's figures between two looks. */
struct line {
	const char *name;
	double events, runs, failed, shed; /* a second */
	double p50_ms, p99_ms;		   /* -1: nothing was committed */
	double running, waiting;
};

struct top {
	const struct command_call *call;
	cJSON *before, *now;
	struct line *lines;
	size_t count;
	double seconds; /* between the two */
};

static double
number_of(const cJSON *json, const char *name)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, name);

	return cJSON_IsNumber(number) ? number->valuedouble : 0;
}

static const char *
name_of(const cJSON *function)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(function, "name"));

	return name != NULL ? name : "";
}

static const cJSON *
same_before(const cJSON *before, const char *name)
{
	const cJSON *function;

	cJSON_ArrayForEach(function, cJSON_GetObjectItemCaseSensitive(before, "functions"))
	{
		if (strcmp(name_of(function), name) == 0)
			return function;
	}
	return NULL;
}

/* The share `part` of the counts is below this; within a slot they are taken as even. -1: none. */
static double
quantile_ms(const double *counts, size_t slots, double part)
{
	double all = 0, below = 0;

	for (size_t i = 0; i < slots; i++)
		all += counts[i];
	for (size_t i = 0; i < slots && all > 0; i++) {
		double from = i == 0 ? 0 : (double)(1ull << (i - 1)), to = (double)(1ull << i);

		if (below + counts[i] >= part * all && counts[i] > 0)
			return (from + (to - from) * (part * all - below) / counts[i]) / 1000;
		below += counts[i];
	}
	return -1;
}

static void
take_latency(struct line *line, const cJSON *now, const cJSON *before)
{
	const cJSON *slot, *old = cJSON_GetObjectItemCaseSensitive(before, "latency");
	double counts[SLOTS_MAX];
	size_t slots = 0;

	old = old != NULL ? old->child : NULL;
	cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(now, "latency"))
	{
		if (slots == SLOTS_MAX)
			break;
		counts[slots++] = slot->valuedouble - (old != NULL ? old->valuedouble : 0);
		old = old != NULL ? old->next : NULL;
	}
	line->p50_ms = quantile_ms(counts, slots, 0.5);
	line->p99_ms = quantile_ms(counts, slots, 0.99);
}

static void
take_line(struct top *top, const cJSON *function)
{
	const cJSON *before = same_before(top->before, name_of(function));
	struct line *line = &top->lines[top->count++];

	line->name = name_of(function);
	line->events = (number_of(function, "events") - number_of(before, "events")) / top->seconds;
	line->runs = (number_of(function, "runs") - number_of(before, "runs")) / top->seconds;
	line->failed = (number_of(function, "failed") - number_of(before, "failed")) / top->seconds;
	line->shed = (number_of(function, "shed") - number_of(before, "shed")) / top->seconds;
	line->running = number_of(function, "running");
	line->waiting = number_of(function, "waiting");
	take_latency(line, function, before);
}

/* The busiest first. */
static int
compare_lines(const void *a, const void *b)
{
	const struct line *one = a, *other = b;

	if (one->events != other->events)
		return one->events < other->events ? 1 : -1;
	return strcmp(one->name, other->name);
}

static void
take_lines(struct top *top)
{
	const cJSON *functions = cJSON_GetObjectItemCaseSensitive(top->now, "functions"), *function;

	free(top->lines);
	top->lines = xcalloc((size_t)cJSON_GetArraySize(functions) + 1, sizeof(*top->lines));
	top->count = 0;
	cJSON_ArrayForEach(function, functions)
	{
		take_line(top, function);
	}
	if (top->count > 0)
		qsort(top->lines, top->count, sizeof(*top->lines), compare_lines);
}

static double
sum_of_events(const struct top *top)
{
	double sum = 0;

	for (size_t i = 0; i < top->count; i++)
		sum += top->lines[i].events;
	return sum;
}

static void
format_ms(double ms, char out[16])
{
	(void)snprintf(out, 16, ms < 0 ? "-" : ms < 10 ? "%.2f" : "%.0f", ms);
}

static void
print_text(const struct top *top, size_t rows)
{
	const struct command_colours *colours = command_colours();

	printf(
	    "%.0f events/s, %.0f in flight, %.0f wait for the disk, %.0f clients, %.0f workers\n\n",
	    sum_of_events(top), number_of(top->now, "in_flight"),
	    number_of(top->now, "store_waiting"), number_of(top->now, "clients"),
	    number_of(top->now, "workers"));
	printf("%s%-24s %9s %9s %8s %8s %8s %8s %8s%s\n", colours->bold, "function", "events/s",
	    "runs/s", "failed/s", "p50 ms", "p99 ms", "running", "waiting", colours->plain);
	for (size_t i = 0; i < top->count && i < rows; i++) {
		const struct line *line = &top->lines[i];
		char p50[16], p99[16];

		format_ms(line->p50_ms, p50);
		format_ms(line->p99_ms, p99);
		printf("%-24s %9.0f %9.0f %s%8.0f%s %8s %8s %8.0f %8.0f\n", line->name,
		    line->events, line->runs, line->failed > 0 ? colours->red : "", line->failed,
		    colours->plain, p50, p99, line->running, line->waiting);
	}
}

static void
print_json(const struct top *top)
{
	cJSON *json = api_object(), *list = api_array();
	char *text;

	api_add_number(json, "seconds", top->seconds);
	api_add_number(json, "events_per_s", sum_of_events(top));
	api_add_number(json, "in_flight", number_of(top->now, "in_flight"));
	api_add_number(json, "store_waiting", number_of(top->now, "store_waiting"));
	api_add_number(json, "clients", number_of(top->now, "clients"));
	api_add_number(json, "workers", number_of(top->now, "workers"));
	for (size_t i = 0; i < top->count; i++) {
		const struct line *line = &top->lines[i];
		cJSON *row = api_object();

		api_add_string(row, "function", line->name);
		api_add_number(row, "events_per_s", line->events);
		api_add_number(row, "runs_per_s", line->runs);
		api_add_number(row, "failed_per_s", line->failed);
		api_add_number(row, "shed_per_s", line->shed);
		if (line->p50_ms >= 0) {
			api_add_number(row, "p50_ms", line->p50_ms);
			api_add_number(row, "p99_ms", line->p99_ms);
		}
		api_add_number(row, "running", line->running);
		api_add_number(row, "waiting", line->waiting);
		(void)cJSON_AddItemToArray(list, row);
	}
	api_add(json, "functions", list);
	text = cJSON_PrintUnformatted(json);
	puts(text);
	cJSON_free(text);
	cJSON_Delete(json);
}

static int
look(struct top *top, struct err *err)
{
	struct buf reply = { 0 };
	int status = command_ask(
	    top->call, &(struct command_request){ "GET", "/v1/top", { 0 } }, &reply, err);

	cJSON_Delete(top->before);
	top->before = top->now;
	top->now = status == 0 ? cJSON_ParseWithLength((const char *)reply.data, reply.len) : NULL;
	buf_clear(&reply);
	if (status == 0 && top->now == NULL)
		return err_set(err, "the host's answer cannot be read");
	top->seconds = (number_of(top->now, "now_us") - number_of(top->before, "now_us")) / 1e6;
	/* Of a host that was started anew in between nothing can be said yet. */
	if (top->seconds <= 0)
		top->seconds = INTERVAL_MS / 1000.0;
	return status;
}

static size_t
rows_of_terminal(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > HEAD_LINES + 1)
		return size.ws_row - HEAD_LINES - 1;
	return LINES_DEFAULT;
}

/* On a terminal in place; else one look after another. */
static int
show(struct top *top)
{
	bool json = command_value(top->call, "json") != NULL;
	bool once = command_value(top->call, "once") != NULL;
	bool in_place = !json && !once && isatty(STDOUT_FILENO) == 1;

	take_lines(top);
	if (in_place)
		printf("\033[H\033[J");
	if (json)
		print_json(top);
	else
		print_text(top, in_place ? rows_of_terminal() : SIZE_MAX);
	return fflush(stdout) == 0 ? 0 : -1;
}

int
cmd_top(struct command_call *call)
{
	const struct timespec interval = { INTERVAL_MS / 1000, INTERVAL_MS % 1000 * 1000000L };
	struct top top = { .call = call };
	struct err err;
	int status = command_settle(call, &err);
	bool once = command_value(call, "once") != NULL, going_on = true;

	if (status == 0)
		status = look(&top, &err);
	while (status == 0 && going_on) {
		(void)nanosleep(&interval, NULL);
		status = look(&top, &err);
		/* Whoever reads has gone: that is no failure. */
		going_on = status == 0 && show(&top) == 0 && !once;
	}
	cJSON_Delete(top.before);
	cJSON_Delete(top.now);
	free(top.lines);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

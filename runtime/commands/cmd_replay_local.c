/* SPDX-License-Identifier: MIT
 * moonlet replay --local: a kept run once more, here and now, and what it does otherwise than then.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "net/http_local.h"
#include "runtime/api/api_parts.h"
#include "runtime/commands/command.h"
#include "runtime/effect_json.h"
#include "runtime/traces/replay.h"
#include "runtime/traces/trace_raw.h"
#include "runtime/traces/trace_story.h"

enum { SOURCE_BYTES_MAX = 1048576, TRACE_FILE_BYTES_MAX = 64 << 20, LINES_MAX = 3000 };

/* What a run said and did, a line each. */
struct lines {
	char *list[LINES_MAX];
	size_t count;
	struct buf raw; /* all of it, exactly; nothing of how long it took */
	bool whole;	/* it ends with how the handler ended */
};

static void
lines_clear(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->list[i]);
	buf_clear(&lines->raw);
}

static void
add_line(struct lines *lines, struct buf *text)
{
	if (lines->count < LINES_MAX)
		lines->list[lines->count++] = xstrdup(buf_string(text));
	buf_clear(text);
}

/* What came from devices must not speak to the terminal. */
static void
append_plain(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		buf_append_u8(out, c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : c);
	}
}

static void
add_words(struct lines *lines, const char *what, struct bytes words)
{
	struct buf text = { 0 };

	buf_append_string(&text, what);
	append_plain(&text, words);
	add_line(lines, &text);
}

static void
add_effects(struct lines *lines, const struct trace_outcome *outcome)
{
	cJSON *effects = effects_json(outcome->effects, outcome->effect_count);
	const cJSON *effect;

	cJSON_ArrayForEach(effect, effects)
	{
		char *text = cJSON_PrintUnformatted(effect);

		add_words(lines, "effect ", bytes_of_string(text));
		cJSON_free(text);
	}
	cJSON_Delete(effects);
	if (outcome->result_kind != RESULT_NONE)
		add_words(lines, "result ", outcome->result);
}

static void
add_traceback(struct lines *lines, struct bytes traceback)
{
	while (traceback.len > 0) {
		const uint8_t *end = memchr(traceback.data, '\n', traceback.len);
		size_t len = end != NULL ? (size_t)(end - traceback.data) : traceback.len;

		add_words(lines, "  ", bytes_of(traceback.data, len));
		len += end != NULL;
		traceback = bytes_of(traceback.data + len, traceback.len - len);
	}
}

static void
add_call(struct lines *lines, struct bytes fields)
{
	struct buf text = { 0 };
	struct trace_call call;

	if (!trace_call_read(fields, &call))
		return;
	trace_call_text(&call, &text);
	add_words(lines, "call ", buf_bytes(&text));
	buf_clear(&text);
	frame_u8(&lines->raw, (uint8_t)call.kind);
	frame_bytes(&lines->raw, call.fields);
}

static void
add_log(struct lines *lines, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	uint8_t level = cursor_u8(&cursor);
	struct buf text = { 0 };

	buf_printf(&text, "log %s: ",
	    log_level_name(level <= LOG_LEVEL_ERROR ? (enum log_level)level : LOG_LEVEL_INFO));
	append_plain(&text, cursor_bytes(&cursor));
	add_line(lines, &text);
	frame_bytes(&lines->raw, fields);
}

static void
add_end(struct lines *lines, const struct trace_entry *entry)
{
	struct trace_outcome outcome;
	/* Processor time, and the stage's size beside it. */
	size_t head = entry->kind == TRACE_RETURNED ? 8 : 4;

	if (!trace_outcome_read(entry, &outcome))
		return;
	lines->whole = true;
	frame_bytes(&lines->raw, bytes_of(entry->fields.data + head, entry->fields.len - head));
	if (outcome.returned) {
		add_effects(lines, &outcome);
	} else {
		add_words(lines, "error ", outcome.message);
		add_traceback(lines, outcome.traceback);
	}
}

static struct lines *
lines_of(struct bytes entries)
{
	struct lines *lines = xcalloc(1, sizeof(*lines));
	struct cursor cursor = cursor_of(entries);
	struct trace_entry entry;

	while (trace_entry_read(&cursor, &entry)) {
		if (entry.kind == TRACE_CALL)
			add_call(lines, entry.fields);
		else if (entry.kind == TRACE_LOG)
			add_log(lines, entry.fields);
		else
			add_end(lines, &entry);
	}
	return lines;
}

static struct lines *
lines_of_result(const struct replay_result *result)
{
	struct lines *lines = lines_of(buf_bytes(&result->entries));

	if (result->state == REPLAY_LOST) {
		lines->whole = true;
		add_words(
		    lines, "error the worker process was lost: ", bytes_of_string(result->problem));
		frame_string(&lines->raw, "lost");
	}
	return lines;
}

static struct lines *
lines_of_record(const struct trace_record *record)
{
	struct lines *lines = lines_of(record->entries);

	if (record->end == TRACE_LOST) {
		lines->whole = true;
		add_words(lines, "error ", record->message);
		frame_string(&lines->raw, "lost");
	}
	return lines;
}

/* Longest common subsequence, from the ends: lengths[i][j] of what is behind i and j. */
static uint16_t *
common(const struct lines *a, const struct lines *b)
{
	size_t width = b->count + 1;
	uint16_t *lengths = xcalloc((a->count + 1) * width, sizeof(*lengths));

	for (size_t i = a->count; i-- > 0;) {
		for (size_t j = b->count; j-- > 0;) {
			uint16_t down = lengths[(i + 1) * width + j];
			uint16_t right = lengths[i * width + j + 1];

			lengths[i * width + j] =
			    strcmp(a->list[i], b->list[j]) == 0
				? (uint16_t)(lengths[(i + 1) * width + j + 1] + 1)
			    : down > right ? down
					   : right;
		}
	}
	return lengths;
}

/* Gives each line of both in order: ' ' in both, '-' recorded only, '+' now only. */
static void
compare(const struct lines *then, const struct lines *now,
    void (*give)(void *arg, char mark, const char *line), void *arg)
{
	uint16_t *lengths = common(then, now);
	size_t width = now->count + 1, i = 0, j = 0;

	while (i < then->count || j < now->count) {
		bool both =
		    i < then->count && j < now->count && strcmp(then->list[i], now->list[j]) == 0;

		if (both) {
			give(arg, ' ', then->list[i++]);
			j++;
		} else if (i < then->count && (j == now->count || lengths[(i + 1) * width + j] >=
								      lengths[i * width + j + 1])) {
			give(arg, '-', then->list[i++]);
		} else {
			give(arg, '+', now->list[j++]);
		}
	}
	free(lengths);
}

static void
print_line(void *arg, char mark, const char *line)
{
	const struct command_colours *colours = command_colours();

	(void)arg;
	printf("%s%c %s%s\n",
	    mark == '-'	  ? colours->red
	    : mark == '+' ? colours->green
			  : "",
	    mark, line, mark != ' ' ? colours->plain : "");
}

static void
collect_line(void *arg, char mark, const char *line)
{
	cJSON *json = api_object();

	api_add_string(json, "in", mark == ' ' ? "both" : mark == '-' ? "recorded" : "replayed");
	api_add_string(json, "line", line);
	(void)cJSON_AddItemToArray(arg, json);
}

/* What a person should know before the lines. */
static void
add_remarks(const struct replay_case *given, bool baseline, struct replay_result *result)
{
	struct buf program = { 0 }, all = { 0 };

	buf_printf(&program, "moonlet %s, %s", PACKAGE_VERSION, result->lua);
	if (!bytes_equal(given->record.program, buf_bytes(&program)))
		buf_printf(&all, "recorded by %.*s, run again by %s: they may differ\n",
		    (int)given->record.program.len, (const char *)given->record.program.data,
		    buf_string(&program));
	if (given->record.redacted)
		buf_append_string(
		    &all, "secrets are not kept: the handler gets asterisks of their length\n");
	if (baseline)
		buf_append_string(&all,
		    "what the handler did then was not kept; it is what the recorded version "
		    "does again\n");
	buf_append_bytes(&all, buf_bytes(&result->notes));
	buf_reset(&result->notes);
	buf_append_bytes(&result->notes, buf_bytes(&all));
	buf_clear(&program);
	buf_clear(&all);
}

static void
print_json(const struct replay_result *result, const struct lines *then, const struct lines *now,
    bool same)
{
	cJSON *json = api_object(), *list = api_array(), *notes = api_array();
	struct bytes rest = buf_bytes(&result->notes);
	char *text;

	while (rest.len > 0) {
		size_t len =
		    (size_t)((const uint8_t *)memchr(rest.data, '\n', rest.len) - rest.data);
		char *note = bytes_to_string(bytes_of(rest.data, len));

		(void)cJSON_AddItemToArray(notes, cJSON_CreateString(note));
		free(note);
		rest = bytes_of(rest.data + len + 1, rest.len - len - 1);
	}
	compare(then, now, collect_line, list);
	api_add_bool(json, "same", same);
	api_add(json, "notes", notes);
	api_add(json, "lines", list);
	text = cJSON_PrintUnformatted(json);
	puts(text);
	cJSON_free(text);
	cJSON_Delete(json);
}

static void
print_text(const struct replay_result *result, const struct lines *then, const struct lines *now,
    bool same)
{
	const struct command_colours *colours = command_colours();

	printf("%s%s%s", colours->yellow,
	    result->notes.len > 0 ? (const char *)result->notes.data : "", colours->plain);
	compare(then, now, print_line, NULL);
	printf("%s%s%s\n", same ? colours->green : colours->red,
	    same ? "the same, to the bit" : "it differs: - recorded, + now", colours->plain);
}

/* 1: it differs. */
static int
show(const struct command_call *call, const struct lines *then, struct replay_result *result)
{
	struct lines *now = lines_of_result(result);
	bool same = bytes_equal(buf_bytes(&then->raw), buf_bytes(&now->raw));

	(void)buf_string(&result->notes);
	if (command_value(call, "json") != NULL)
		print_json(result, then, now, same);
	else
		print_text(result, then, now, same);
	lines_clear(now);
	free(now);
	return same ? 0 : 1;
}

/* Runs it, with the file if there is one. 0 or 1 as `show`; -1. */
static int
run_case(const struct command_call *call, const struct replay_case *given,
    const struct replay_file *file, struct err *err)
{
	struct replay_result result = { .problem = NULL }, again = { .problem = NULL };
	struct lines *then = lines_of_record(&given->record);
	bool baseline = !then->whole;
	int status = 0;

	if (baseline) {
		lines_clear(then);
		free(then);
		status = replay_run(given, NULL, &again, err);
		then = lines_of_result(&again);
	}
	if (status == 0)
		status = replay_run(given, file, &result, err);
	if (status == 0 && result.state == REPLAY_REFUSED)
		status = err_set(err, "it does not load: %s", result.problem);
	if (status == 0) {
		add_remarks(given, baseline, &result);
		status = show(call, then, &result);
	}
	lines_clear(then);
	free(then);
	replay_result_clear(&again);
	replay_result_clear(&result);
	return status;
}

/* From a file, from the running host, or from the data folder where none runs. */
static int
fetch(const struct command_call *call, struct buf *raw, struct err *err)
{
	const char *id = call->arguments[0], *name = command_value(call, "function");
	const char *run = command_value(call, "run");
	const struct trace_wanted wanted = { id, name, run != NULL ? strtoull(run, NULL, 10) : 0 };
	struct buf target = { 0 };
	int status;

	if (access(id, R_OK) == 0)
		return command_read(id, TRACE_FILE_BYTES_MAX, raw, err);
	buf_append_string(&target, "/v1/traces/");
	http_local_encode(&target, id);
	buf_printf(&target, "/raw?run=%llu", (unsigned long long)wanted.run);
	if (name != NULL) {
		buf_append_string(&target, "&function=");
		http_local_encode(&target, name);
	}
	status = command_ask(
	    call, &(struct command_request){ "GET", buf_string(&target), { 0 } }, raw, err);
	buf_clear(&target);
	if (status < 0 && strncmp(err->text, "no moonlet runs here", 20) == 0) {
		buf_reset(raw);
		return trace_raw_offline(
		    options_text(&call->options, OPTION_DATA), &wanted, raw, err);
	}
	return status;
}

int
cmd_replay_local(struct command_call *call)
{
	struct replay_file file = { .path = command_value(call, "with") };
	struct buf raw = { 0 }, source = { 0 };
	struct replay_case given;
	struct err err;
	int status = command_settle(call, &err);

	if (status == 0)
		status = fetch(call, &raw, &err);
	if (status == 0)
		status = replay_case_read(buf_bytes(&raw), &given, &err);
	if (status == 0 && file.path != NULL)
		status = command_read(file.path, SOURCE_BYTES_MAX, &source, &err);
	file.source = buf_bytes(&source);
	if (status == 0)
		status = run_case(call, &given, file.path != NULL ? &file : NULL, &err);
	buf_clear(&raw);
	buf_clear(&source);
	if (status < 0) {
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	return status == 0 ? EXIT_OK : EXIT_FAILED;
}

/* SPDX-License-Identifier: MIT
 * moonlet thing export and import: the whole registry as JSON lines.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/commands/command_word.h"

enum { LINES_AT_ONCE = 64, PROGRESS_LINES = 10000 };

/* --- export --- */

static int
print_line(void *arg, const char *line)
{
	struct buf *next = arg;
	cJSON *json;

	if (strncmp(line, "{\"next\":", 8) != 0)
		return puts(line) < 0 ? -1 : 0;
	json = cJSON_Parse(line);
	buf_append_string(next, command_text(json, "next"));
	cJSON_Delete(json);
	return 0;
}

int
cmd_thing_export(const struct command_call *call, struct err *err)
{
	struct buf target = { 0 }, next = { 0 };
	const struct command_lines lines = { print_line, &next };
	int status;

	buf_append_string(&target, "/v1/registry");
	do {
		buf_reset(&next);
		status = command_follow(call, buf_string(&target), &lines, err);
		buf_reset(&target);
		buf_printf(&target, "/v1/registry?after=%s", buf_string(&next));
	} while (status == 0 && next.len > 0);
	if (status == 0 && (fflush(stdout) != 0 || ferror(stdout) != 0))
		status = err_errno(err, "write");
	buf_clear(&target);
	buf_clear(&next);
	return status;
}

/* --- import --- */

struct importing {
	const struct command_call *call;
	const char *name; /* of the file */
	FILE *file;
	char *line;
	size_t line_cap;
	struct buf lines;	       /* not sent yet */
	size_t numbers[LINES_AT_ONCE]; /* of these in the file, from 1 */
	size_t count;
	size_t number; /* of the line that was read last */
	size_t stored;
	size_t told;
};

static void
tell_progress(struct importing *importing)
{
	if (importing->stored < importing->told + PROGRESS_LINES || !isatty(STDERR_FILENO))
		return;
	importing->told = importing->stored;
	(void)fprintf(stderr, "\r%zu entries", importing->stored);
}

static int
send_lines(struct importing *importing, struct err *err)
{
	const struct command_request request = { "POST", "/v1/registry",
		buf_bytes(&importing->lines) };
	const cJSON *lines;
	cJSON *reply = NULL;
	size_t stored;
	int status;

	if (importing->count == 0)
		return 0;
	status = command_ask_json(importing->call, &request, NULL, &reply, err);
	lines = cJSON_GetObjectItemCaseSensitive(reply, "lines");
	stored = cJSON_IsNumber(lines) ? (size_t)lines->valuedouble : 0;
	importing->stored += stored;
	if (status == 0 && stored < importing->count)
		status = err_set(err, "%s:%zu: %s", importing->name, importing->numbers[stored],
		    command_text(reply, "error"));
	cJSON_Delete(reply);
	buf_reset(&importing->lines);
	importing->count = 0;
	tell_progress(importing);
	return status;
}

static int
read_lines(struct importing *importing, struct err *err)
{
	ssize_t len;

	errno = 0;
	while ((len = getline(&importing->line, &importing->line_cap, importing->file)) >= 0) {
		importing->number++;
		if (strspn(importing->line, " \t\r\n") == (size_t)len)
			continue;
		buf_append(&importing->lines, importing->line, (size_t)len);
		if (importing->line[len - 1] != '\n')
			buf_append_u8(&importing->lines, '\n');
		importing->numbers[importing->count++] = importing->number;
		if (importing->count == LINES_AT_ONCE && send_lines(importing, err) < 0)
			return -1;
	}
	if (ferror(importing->file) != 0)
		return err_errno(err, "%s", importing->name);
	return send_lines(importing, err);
}

int
cmd_thing_import(const struct command_call *call, struct err *err)
{
	bool input = strcmp(call->arguments[1], "-") == 0;
	struct importing importing = { .call = call,
		.name = call->arguments[1],
		.file = input ? stdin : fopen(call->arguments[1], "re") };
	int status;

	if (importing.file == NULL)
		return err_errno(err, "%s", importing.name);
	status = read_lines(&importing, err);
	if (importing.told > 0)
		(void)fputs("\r", stderr);
	(void)printf("%zu entries imported\n", importing.stored);
	(void)fflush(stdout);
	free(importing.line);
	buf_clear(&importing.lines);
	if (!input)
		(void)fclose(importing.file);
	return status;
}

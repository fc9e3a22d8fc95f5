/* SPDX-License-Identifier: MIT
 * How commands talk to the running host and to the terminal.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http_local.h"
#include "runtime/commands/command.h"

/* A request that waits for its end. */
struct asking {
	const struct command_lines *lines; /* NULL: all into `reply` */
	struct buf *reply;
};

static int
give_lines(struct asking *asking)
{
	struct buf *reply = asking->reply;
	uint8_t *end;

	while (reply->len > 0 && (end = memchr(reply->data, '\n', reply->len)) != NULL) {
		size_t len = (size_t)(end - reply->data);

		*end = '\0';
		if (asking->lines->line(asking->lines->arg, (const char *)reply->data) < 0)
			return -1;
		buf_drain(reply, len + 1);
	}
	return 0;
}

static int
on_data(void *arg, int status, struct bytes piece)
{
	struct asking *asking = arg;

	buf_append_bytes(asking->reply, piece);
	return asking->lines != NULL && status < 400 ? give_lines(asking) : 0;
}

/* The host's {"error": "..."} as an error. */
static int
refusal(int status, struct buf *reply, struct err *err)
{
	cJSON *json = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "error"));

	if (text == NULL)
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "message"));
	if (text != NULL)
		err_set(err, "%s", text);
	else
		err_set(err, "the host answered %d", status);
	cJSON_Delete(json);
	return -1;
}

static int
ask(const struct command_call *call, const struct command_request *request, struct asking *asking,
    struct err *err)
{
	struct buf path = { 0 };
	struct http_local_request http = {
		.method = request->method,
		.target = request->target,
		.body = request->body,
		.data = on_data,
		.arg = asking,
	};
	int status;

	buf_printf(&path, "%s/moonlet.sock", options_text(&call->options, OPTION_DATA));
	http.socket_path = buf_string(&path);
	status = http_local_request(&http, err);
	buf_clear(&path);
	if (status >= 400)
		return refusal(status, asking->reply, err);
	return status < 0 ? -1 : 0;
}

int
command_ask(const struct command_call *call, const struct command_request *request,
    struct buf *reply, struct err *err)
{
	struct asking asking = { .reply = reply };

	return ask(call, request, &asking, err);
}

int
command_follow(const struct command_call *call, const char *target,
    const struct command_lines *lines, struct err *err)
{
	struct buf rest = { 0 };
	struct asking asking = { .lines = lines, .reply = &rest };
	struct command_request request = { .method = "GET", .target = target };
	int status = ask(call, &request, &asking, err);

	buf_clear(&rest);
	return status;
}

const struct command_colours *
command_colours(void)
{
	static const struct command_colours none = { "", "", "", "", "", "" };
	static const struct command_colours some = { "\033[1m", "\033[2m", "\033[31m", "\033[32m",
		"\033[33m", "\033[0m" };

	return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL ? &some : &none;
}

void
command_make_plain(char *text)
{
	unsigned char *at = (unsigned char *)text;

	for (; at != NULL && *at != '\0'; at++) {
		if ((*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f)
			*at = '?';
		else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			at[0] = at[1] = '?';
	}
}

int
command_read(const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	int status = 0;

	if (fd < 0)
		return err_errno(err, "%s", path);
	while ((got = read(fd, buf_reserve(out, 16384), 16384)) > 0 && out->len <= bytes_max)
		out->len += (size_t)got;
	if (got < 0)
		status = err_errno(err, "%s", path);
	else if (out->len > bytes_max)
		status = err_set(err, "%s: larger than %zu bytes", path, bytes_max);
	if (!input)
		close(fd);
	return status;
}

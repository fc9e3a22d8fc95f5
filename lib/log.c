/* SPDX-License-Identifier: MIT
 * The log's sink: builds a line in one buffer and writes it by one call.
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/utf8.h"

enum { LINE_BYTES_MAX = 16384, TEXT_BYTES_MAX = 4096 };

static struct {
	int fd;
	enum log_format format;
	enum log_level least;
	bool colour;
	void (*tap)(void *arg, const struct log_line *line);
	void *tap_arg;
	bool traced;
} sink = { .fd = STDERR_FILENO, .least = LOG_LEVEL_INFO };

static const struct {
	const char *name;
	const char *colour;
} levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", "\033[2m" },
	[LOG_LEVEL_INFO] = { "info", "" },
	[LOG_LEVEL_WARN] = { "warn", "\033[33m" },
	[LOG_LEVEL_ERROR] = { "error", "\033[31m" },
};

struct line {
	char bytes[LINE_BYTES_MAX];
	size_t len;
};

void
log_open(int fd, enum log_format format, enum log_level least)
{
	sink.fd = fd;
	sink.format = format;
	sink.least = least;
	sink.colour = isatty(fd) == 1;
}

void
log_set_level(enum log_level least)
{
	sink.least = least;
}

void
log_tap(void (*tap)(void *arg, const struct log_line *line), void *arg)
{
	sink.tap = tap;
	sink.tap_arg = arg;
}

void
log_trace(bool on)
{
	sink.traced = on;
}

bool
log_traced(void)
{
	return sink.traced;
}

bool
log_wanted(enum log_level level)
{
	return level >= sink.least;
}

const char *
log_level_name(enum log_level level)
{
	return levels[level].name;
}

int
log_level_parse(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(word, levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/* Leaves room for the line's end. */
static void
put(struct line *line, const char *text)
{
	size_t room = sizeof(line->bytes) - 8 - line->len;
	size_t len = strlen(text);

	if (len > room)
		len = room;
	memcpy(line->bytes + line->len, text, len);
	line->len += len;
}

/* What does not fit is left out by whole characters. */
static bool
takes(const struct line *line, char c)
{
	return c != '\0' && ((c & 0xc0) == 0x80 || line->len < sizeof(line->bytes) - 64);
}

/* Control characters would let a text forge lines or drive a terminal: they are shown as \xNN. */
static void
put_plain(struct line *line, const char *text)
{
	for (const char *p = text; takes(line, *p); p++) {
		unsigned char c = (unsigned char)*p;
		char piece[8];

		if (c >= 0x20 && c != 0x7f)
			(void)snprintf(piece, sizeof(piece), "%c", *p);
		else
			(void)snprintf(piece, sizeof(piece), c == '\n' ? "\\n" : "\\x%02x", c);
		put(line, piece);
	}
}

static void
put_json_string(struct line *line, const char *name, const char *text)
{
	put(line, line->len > 1 ? ",\"" : "\"");
	put(line, name);
	put(line, "\":\"");
	for (const char *p = text; takes(line, *p); p++) {
		unsigned char c = (unsigned char)*p;
		char piece[8];

		if (c == '"' || c == '\\')
			(void)snprintf(piece, sizeof(piece), "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			(void)snprintf(piece, sizeof(piece), "\\u%04x", c);
		else
			(void)snprintf(piece, sizeof(piece), "%c", c);
		put(line, piece);
	}
	put(line, "\"");
}

static void
format_time(char *out, size_t size, int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;
	size_t len;

	(void)gmtime_r(&seconds, &tm);
	len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + len, size - len, ".%03dZ", (int)(time_ms % 1000));
}

static void
build_human(struct line *line, const struct log_line *what, const char *when)
{
	if (sink.colour)
		put(line, levels[what->level].colour);
	put(line, when);
	put(line, " ");
	put(line, levels[what->level].name);
	put(line, strlen(levels[what->level].name) < 5 ? "  " : " ");
	if (what->function_name != NULL) {
		put_plain(line, what->function_name);
		if (what->invocation_id != NULL) {
			put(line, "[");
			put_plain(line, what->invocation_id);
			put(line, "]");
		}
	} else {
		put_plain(line, what->component != NULL ? what->component : "moonlet");
	}
	put(line, ": ");
	put_plain(line, what->text);
	if (sink.colour && levels[what->level].colour[0] != '\0')
		put(line, "\033[0m");
	put(line, "\n");
}

static void
build_json(struct line *line, const struct log_line *what, const char *when)
{
	put(line, "{");
	put_json_string(line, "time", when);
	put_json_string(line, "level", levels[what->level].name);
	if (what->component != NULL)
		put_json_string(line, "component", what->component);
	if (what->function_name != NULL)
		put_json_string(line, "function", what->function_name);
	if (what->invocation_id != NULL)
		put_json_string(line, "invocation", what->invocation_id);
	put_json_string(line, "message", what->text);
	if (what->detail != NULL)
		put_json_string(line, "traceback", what->detail);
	put(line, "}\n");
}

/* The text, or a copy of it in which U+FFFD stands for each byte that is of no character. */
static const char *
well_formed(const char *text, struct buf *copy)
{
	struct bytes rest = bytes_of_string(text != NULL ? text : "");

	if (utf8_is_valid(rest))
		return text;
	while (rest.len > 0) {
		size_t len = utf8_character(rest);

		if (len > 0)
			buf_append(copy, rest.data, len);
		else
			buf_append_string(copy, "\xef\xbf\xbd");
		rest = bytes_of(rest.data + (len > 0 ? len : 1), rest.len - (len > 0 ? len : 1));
	}
	return buf_string(copy);
}

static void
emit(const struct log_line *what)
{
	struct log_line stamped = *what;
	struct line line;
	char when[40];

	if (stamped.time_ms == 0) {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		stamped.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	}
	if (sink.tap != NULL)
		sink.tap(sink.tap_arg, &stamped);
	if (!log_wanted(stamped.level))
		return;
	line.len = 0;
	format_time(when, sizeof(when), stamped.time_ms);
	if (sink.format == LOG_FORMAT_JSON)
		build_json(&line, &stamped, when);
	else
		build_human(&line, &stamped, when);
	/* A log that cannot be written must not stop the daemon. */
	if (write(sink.fd, line.bytes, line.len) < 0)
		return;
}

void
log_emit(const struct log_line *what)
{
	struct log_line line = *what;
	struct buf text = { 0 }, detail = { 0 };

	line.text = well_formed(what->text, &text);
	line.detail = well_formed(what->detail, &detail);
	emit(&line);
	buf_clear(&text);
	buf_clear(&detail);
}

__attribute__((format(printf, 3, 0))) static void
emit_text(enum log_level level, const char *component, const char *format, va_list ap)
{
	char text[TEXT_BYTES_MAX];

	if (!log_wanted(level) && sink.tap == NULL)
		return;
	(void)vsnprintf(text, sizeof(text), format, ap);
	log_emit(&(struct log_line){ .level = level, .component = component, .text = text });
}

void
log_debug(const char *component, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit_text(LOG_LEVEL_DEBUG, component, format, ap);
	va_end(ap);
}

void
log_info(const char *component, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit_text(LOG_LEVEL_INFO, component, format, ap);
	va_end(ap);
}

void
log_warn(const char *component, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit_text(LOG_LEVEL_WARN, component, format, ap);
	va_end(ap);
}

void
log_error(const char *component, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit_text(LOG_LEVEL_ERROR, component, format, ap);
	va_end(ap);
}

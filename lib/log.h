/* SPDX-License-Identifier: MIT
 * The log: one line an event to standard error, for a person or as JSON. Its sink is the one piece
 * of global state in the program. Both threads may write; a line is written whole.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_format { LOG_FORMAT_HUMAN, LOG_FORMAT_JSON };

/* What a line is about, beside its text. NULL where it does not apply. */
struct log_line {
	enum log_level level;
	int64_t time_ms;	   /* since 1970, UTC; 0: now */
	const char *component;	   /* "gateway", "dispatch", "function", ... */
	const char *function_name; /* of the handler that speaks */
	const char *invocation_id;
	const char *text;
	/* More of it, in lines (a traceback): for readers that have room. A person's log leaves it
	 * out, for there each line is an event. */
	const char *detail;
};

/* Where to write, how, and from which level on. Colours only where `fd` is a terminal. */
void log_open(int fd, enum log_format format, enum log_level least);
void log_set_level(enum log_level least);

/* A second reader of every line (`moonlet logs`); NULL ends it. Called on the writing thread. */
void log_tap(void (*tap)(void *arg, const struct log_line *line), void *arg);

/* Whether somebody follows the log: then what is too much for it otherwise (a line for each
 * invocation) is worth emitting. Loop thread only. */
void log_trace(bool on);
bool log_traced(void);

void log_emit(const struct log_line *line);
bool log_wanted(enum log_level level);

void log_debug(const char *component, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_info(const char *component, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const char *component, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_error(const char *component, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "debug", "info", "warn", "error"; -1 for another word. */
int log_level_parse(const char *word, enum log_level *level);
const char *log_level_name(enum log_level level);

#endif

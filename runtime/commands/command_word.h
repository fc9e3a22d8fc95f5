/* SPDX-License-Identifier: MIT
 * Commands that have words of their own (moonlet thing create), and what such commands share.
 */
#ifndef RUNTIME_COMMANDS_COMMAND_WORD_H
#define RUNTIME_COMMANDS_COMMAND_WORD_H

#include <cjson/cJSON.h>

#include "runtime/commands/command.h"

struct command_word {
	const char *word;
	const char *arguments; /* that follow it: "NAME [FILE]" */
	uint8_t arguments_min, arguments_max;
	/* Returns the exit status, or -1 with the error. */
	int (*run)(const struct command_call *call, struct err *err);
};

/* Runs the row of call->arguments[0]; the words' own arguments begin at [1]. `words` ends with a
 * NULL word. Returns the exit status. */
int command_word_run(struct command_call *call, const struct command_word *words);

bool command_has(const struct command_call *call, const char *name);

/* A target from pieces: those that are preceded by "/" are encoded as one segment each. NULL ends.
 */
void command_target(struct buf *out, const char *path, ...) __attribute__((sentinel));

/* Asks the host with a JSON body (freed; NULL: none). `reply` (NULL: not wanted) is its JSON, to be
 * freed, where 0 is returned. */
int command_ask_json(const struct command_call *call, const struct command_request *request,
    cJSON *body, cJSON **reply, struct err *err) __attribute__((warn_unused_result));

/* "k=v;k=v" as an object of strings. NULL with the error where an element has no "=". */
cJSON *command_pairs(const char *text, const char *name, struct err *err);
/* "a;b" as an array of strings. */
cJSON *command_list(const char *text);

/* Pretty, without what would speak to the terminal. */
void command_print_json(const cJSON *json);
/* Of an object; "" where it is not there. Made plain. */
const char *command_text(const cJSON *object, const char *name);
/* A list of strings, joined by ", ". */
void command_join(const cJSON *list, struct buf *out);

/* Appends the id of the certificate that somebody names: by its file, by its id, as openssl writes
 * it too (19:8E:...), or by the beginning of that. -1: the file holds no certificate. */
int command_certificate(const char *text, struct buf *id, struct err *err)
    __attribute__((warn_unused_result));
/* The same for a target, as member "target" of `body`: "cert:ID", or anything else as it is. */
int command_add_target(cJSON *body, const char *text, struct err *err)
    __attribute__((warn_unused_result));

/* Words that have files of their own. */
int cmd_thing_export(const struct command_call *call, struct err *err);
int cmd_thing_import(const struct command_call *call, struct err *err);

#endif

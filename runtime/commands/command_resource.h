/* SPDX-License-Identifier: MIT
 * Commands that work on resources of one kind at the running host: things, groups, certificates ...
 * What their words have in common is here; a word's first argument names the resource.
 */
#ifndef RUNTIME_COMMANDS_COMMAND_RESOURCE_H
#define RUNTIME_COMMANDS_COMMAND_RESOURCE_H

#include "runtime/commands/command_word.h"

struct command_resource {
	const char *path; /* of all of them: "/v1/things" */
	/* Appends what the host calls the one that the user names by `text`; NULL: the same. */
	int (*identify)(const char *text, struct buf *name, struct err *err);
	void (*print_row)(const cJSON *row); /* of a list, where --json was not given */
};

/* As command_word_run, for words that work on such resources. */
int command_resource_run(struct command_call *call, const struct command_resource *resource,
    const struct command_word *words);

/* What create and update take of things and groups: an object with the option's text, where it is
 * given, as `member`, and with --attribute's pairs as "attributes". NULL: the error says why. */
cJSON *command_resource_wish(const struct command_call *call, const char *option,
    const char *member, struct err *err) __attribute__((warn_unused_result));
/* POST to the path of all of them. `body` is freed. */
int command_resource_create(const struct command_call *call, cJSON *body, struct err *err)
    __attribute__((warn_unused_result));
/* Asks `method` of the named one, with `more` appended to its target as it is ("/attach", "").
 * `body` is freed; NULL: none. */
int command_resource_change(const struct command_call *call, const char *method, const char *more,
    cJSON *body, struct err *err) __attribute__((warn_unused_result));
/* The named one, or all of them where none is named; to be freed. */
int command_resource_read(const struct command_call *call, cJSON **reply, struct err *err)
    __attribute__((warn_unused_result));

/* Words that are the same for all kinds. */
int command_resource_list(const struct command_call *call, struct err *err);
int command_resource_show(const struct command_call *call, struct err *err);
int command_resource_delete(const struct command_call *call, struct err *err);

#endif

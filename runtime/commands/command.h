/* SPDX-License-Identifier: MIT
 * What a command of the command line is: a row, from which its help, the reading of its arguments
 * and the shell's completion are made, and a function in a file of its own (cmd_<name>.c).
 */
#ifndef RUNTIME_COMMANDS_COMMAND_H
#define RUNTIME_COMMANDS_COMMAND_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "runtime/options.h"

enum { COMMAND_SWITCHES_MAX = 16, COMMAND_ARGUMENTS_MAX = 8 };

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* --name, or --name VALUE where `value` is set. */
struct command_switch {
	const char *name;
	/* What the value is called in help; NULL: it takes none. One that ends with "..." may be
	 * given several times: the values are joined by ";". */
	const char *value;
	const char *help;
	char letter; /* -f; 0: none */
};

struct cJSON;
struct command_call;
struct command_resource;
struct trigger;

struct command {
	const char *name;
	const char *arguments;		       /* "NAME [EVENT.json|-]"; "" */
	const char *help;		       /* one line, no full stop */
	const char *more;		       /* what --help says besides: lines; NULL: nothing */
	const struct command_switch *switches; /* ends with a NULL name; NULL: none */
	int (*run)(struct command_call *call); /* returns the exit status */
	uint8_t arguments_min, arguments_max;
	bool host_options; /* takes every option of the option table as a flag */
	bool hidden;
};

extern const struct command command_table[]; /* ends with a NULL name */

/* What main hands to the command line. */
struct program {
	/* Runs the host until it ends; SIGHUP reads `config_path` (NULL: none) again. 0, or -1 with
	 * why it could not. */
	int (*serve)(struct options *options, const char *config_path, struct err *err);
	const struct trigger *const *triggers;
	size_t trigger_count;
};

struct command_call {
	const struct command *command;
	const struct program *program;
	struct options options;
	const char *config_path;		  /* of -c; NULL: moonlet.lua where it is there */
	const char *values[COMMAND_SWITCHES_MAX]; /* by row; NULL: not given; "" for no value */
	char *joined[COMMAND_SWITCHES_MAX];	  /* of those given several times */
	const char *arguments[COMMAND_ARGUMENTS_MAX];
	size_t count;				 /* of arguments */
	const struct command_resource *resource; /* of command_resource_run; else NULL */
};

/* The value of a switch of the command ("json"): NULL where it was not given, "" where it takes no
 * value. */
const char *command_value(const struct command_call *call, const char *name);

/* Reads the command line and runs its command. Returns the exit status. */
int command_main(int count, char **words, const struct program *program);

/* "moonlet ls: <text>" to standard error; returns EXIT_FAILED. */
int command_fail(const struct command_call *call, const struct err *err);

/* Options from environment and file; flags have been set already. */
int command_settle(struct command_call *call, struct err *err) __attribute__((warn_unused_result));

/* Asks the running host. The reply's body is appended to `reply`. 0: its status was below 400;
 * -1: it could not be asked or refused, `err` says what it said. */
struct command_request {
	const char *method;
	const char *target;
	struct bytes body;
};
int command_ask(const struct command_call *call, const struct command_request *request,
    struct buf *reply, struct err *err) __attribute__((warn_unused_result));
/* The same for a reply of JSON lines, each given to `line` (terminated) as it comes. `line` returns
 * 0, or -1 to end. */
struct command_lines {
	int (*line)(void *arg, const char *line);
	void *arg;
};
int command_follow(const struct command_call *call, const char *target,
    const struct command_lines *lines, struct err *err) __attribute__((warn_unused_result));

/* Terminal codes where standard output is a terminal and NO_COLOR is not set, else "". */
struct command_colours {
	const char *bold, *dim, *red, *green, *yellow, *plain;
};
const struct command_colours *command_colours(void);

/* Takes out of a text what would speak to the terminal instead of being shown; line ends and tabs
 * stay. NULL is left alone. */
void command_make_plain(char *text);

/* The help texts, from the rows. */
void command_help(const struct command *command);
void commands_help(void);
void commands_completion(void); /* a bash script */
void options_markdown(void);	/* the option table for the manual */

/* Reads a file, or standard input for "-", up to `bytes_max`. */
int command_read(const char *path, size_t bytes_max, struct buf *out, struct err *err)
    __attribute__((warn_unused_result));

/* The commands, each in its file. */
int cmd_run(struct command_call *call);
int cmd_backup(struct command_call *call);
int cmd_ca(struct command_call *call);
int cmd_cert(struct command_call *call);
int cmd_check(struct command_call *call);
int cmd_verify(struct command_call *call);
int cmd_group(struct command_call *call);
int cmd_policy(struct command_call *call);
int cmd_init(struct command_call *call);
int cmd_forget(struct command_call *call);
/* A line on what a function that is no more has left. */
void leftover_print(const struct cJSON *leftover);
int cmd_ls(struct command_call *call);
int cmd_logs(struct command_call *call);
int cmd_invoke(struct command_call *call);
int cmd_pub(struct command_call *call);
int cmd_sub(struct command_call *call);
int cmd_db(struct command_call *call);
int cmd_shadow(struct command_call *call);
int cmd_user(struct command_call *call);
int cmd_token(struct command_call *call);
int cmd_thing(struct command_call *call);
int cmd_top(struct command_call *call);
int cmd_trace(struct command_call *call);
int cmd_type(struct command_call *call);
int cmd_failed(struct command_call *call);
int cmd_discard(struct command_call *call);
int cmd_replay(struct command_call *call);
int cmd_replay_local(struct command_call *call);

#endif

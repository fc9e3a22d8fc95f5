/* SPDX-License-Identifier: MIT
 * Reading the command line by the rows of the command and option tables.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/nearest.h"
#include "runtime/commands/command.h"

extern char **environ;

/* What is left of the words. */
struct words {
	char **at;
	int left;
};

static const struct command *
command_find(const char *name)
{
	for (const struct command *command = command_table; command->name != NULL; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

static int
usage_error(const struct command *command, const struct err *err)
{
	if (command == NULL)
		fprintf(stderr, "moonlet: %s (moonlet --help)\n", err->text);
	else
		fprintf(stderr, "moonlet %s: %s (moonlet %s --help)\n", command->name, err->text,
		    command->name);
	return EXIT_USAGE;
}

static int
unknown_command(const char *name)
{
	const char *names[32] = { NULL };
	const char *near;
	size_t count = 0;
	struct err err;

	for (const struct command *command = command_table; command->name != NULL; command++) {
		if (!command->hidden && count < 31)
			names[count++] = command->name;
	}
	near = name_nearest(name, names);
	if (near != NULL)
		err_set(&err, "there is no command %s: did you mean %s?", name, near);
	else
		err_set(&err, "there is no command %s", name);
	return usage_error(NULL, &err);
}

const char *
command_value(const struct command_call *call, const char *name)
{
	const struct command_switch *rows = call->command->switches;

	for (size_t i = 0; rows != NULL && rows[i].name != NULL; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return call->values[i];
	}
	return NULL;
}

/* "--name=value", "--name value", "-n value" or "-nvalue": the value, or NULL where none is left.
 */
static const char *
take_value(struct words *words, const char *attached)
{
	if (attached != NULL)
		return attached;
	if (words->left == 0)
		return NULL;
	words->left--;
	return *words->at++;
}

static bool
may_repeat(const struct command_switch *row)
{
	size_t len = row->value != NULL ? strlen(row->value) : 0;

	return len > 3 && strcmp(row->value + len - 3, "...") == 0;
}

/* What was given before, and this. */
static const char *
join_values(struct command_call *call, size_t row, const char *value)
{
	struct buf joined = { 0 };

	buf_printf(&joined, "%s;%s", call->values[row], value);
	free(call->joined[row]);
	call->joined[row] = xstrdup(buf_string(&joined));
	buf_clear(&joined);
	return call->joined[row];
}

static int
set_switch(struct command_call *call, size_t row, const char *value, struct err *err)
{
	struct broker_setting broker = { .url = (char *)(uintptr_t)value };

	if (call->values[row] != NULL && may_repeat(&call->command->switches[row]))
		value = join_values(call, row, value);
	call->values[row] = value;
	if (strcmp(call->command->switches[row].name, "broker") == 0)
		return options_add_broker(&call->options, &broker, SOURCE_FLAG, err);
	return 0;
}

/* The command's own switches. 1: it was none of them. */
static int
read_switch(struct command_call *call, struct words *words, struct bytes name, const char *attached,
    struct err *err)
{
	const struct command_switch *rows = call->command->switches;

	for (size_t i = 0; rows != NULL && rows[i].name != NULL; i++) {
		bool is_letter = name.len == 1 && name.data[0] == (uint8_t)rows[i].letter;
		const char *value = "";

		if (!is_letter && !bytes_equal_string(name, rows[i].name))
			continue;
		if (rows[i].value == NULL && attached != NULL)
			return err_set(err, "--%s takes no value", rows[i].name);
		if (rows[i].value != NULL && (value = take_value(words, attached)) == NULL)
			return err_set(err, "--%s needs %s", rows[i].name, rows[i].value);
		return set_switch(call, i, value, err);
	}
	return 1;
}

/* ": did you mean --log-level?", or nothing. */
static void
nearest_switch(const struct command *command, struct bytes name, char out[96])
{
	const char *names[OPTION_COUNT + COMMAND_SWITCHES_MAX + 4];
	char *wrong = bytes_to_string(name);
	const char *near;
	size_t count = 0;

	for (enum option_id id = 0; command->host_options && id < OPTION_COUNT; id++)
		names[count++] = option_table[id].name;
	for (size_t i = 0; command->switches != NULL && command->switches[i].name != NULL; i++)
		names[count++] = command->switches[i].name;
	names[count++] = "config";
	names[count++] = "data";
	names[count++] = "help";
	names[count] = NULL;
	near = name_nearest(wrong, names);
	free(wrong);
	out[0] = '\0';
	if (near != NULL)
		snprintf(out, 96, ": did you mean --%s?", near);
	for (char *at = out; *at != '\0'; at++) {
		if (*at == '_')
			*at = '-';
	}
}

/* The option table's flags, of which every command has --data and --config. */
static int
read_option(struct command_call *call, struct words *words, struct bytes name, const char *attached,
    struct err *err)
{
	bool config = bytes_equal_string(name, "config") || bytes_equal_string(name, "c");
	enum option_id id = option_find(name);
	const char *value;
	char near[96];

	if (!config &&
	    (id == OPTION_COUNT || (id != OPTION_DATA && !call->command->host_options))) {
		nearest_switch(call->command, name, near);
		return err_set(
		    err, "there is no option %.*s%s", (int)name.len, (const char *)name.data, near);
	}
	value = take_value(words, attached);
	if (value == NULL)
		return err_set(err, "--%.*s needs %s", (int)name.len, (const char *)name.data,
		    config ? "FILE" : option_table[id].value);
	if (config) {
		call->config_path = value;
		return 0;
	}
	if (options_set(&call->options, id, value, SOURCE_FLAG, err) < 0)
		return err_prefix(err, "--%.*s", (int)name.len, (const char *)name.data);
	return 0;
}

static int
read_flag(struct command_call *call, struct words *words, const char *word, struct err *err)
{
	const char *attached = NULL;
	struct bytes name;
	int status;

	if (word[1] == '-') {
		attached = strchr(word, '=');
		name = bytes_of(
		    word + 2, attached != NULL ? (size_t)(attached - word) - 2 : strlen(word) - 2);
		attached = attached != NULL ? attached + 1 : NULL;
	} else {
		name = bytes_of(word + 1, 1);
		attached = word[2] != '\0' ? word + 2 : NULL;
	}
	status = read_switch(call, words, name, attached, err);
	return status == 1 ? read_option(call, words, name, attached, err) : status;
}

static int
read_words(struct command_call *call, struct words *words, struct err *err)
{
	const struct command *command = call->command;
	bool flags = true;

	while (words->left > 0) {
		const char *word = *words->at++;

		words->left--;
		if (flags && strcmp(word, "--") == 0) {
			flags = false;
		} else if (flags && word[0] == '-' && word[1] != '\0') {
			if (read_flag(call, words, word, err) < 0)
				return -1;
		} else if (call->count == command->arguments_max) {
			return err_set(err, "'%s' is one argument too many", word);
		} else {
			call->arguments[call->count++] = word;
		}
	}
	if (call->count < command->arguments_min)
		return err_set(err, "needs %s", command->arguments);
	return 0;
}

static bool
wants_help(const struct words *words)
{
	for (int i = 0; i < words->left && strcmp(words->at[i], "--") != 0; i++) {
		if (strcmp(words->at[i], "--help") == 0 || strcmp(words->at[i], "-h") == 0)
			return true;
	}
	return false;
}

static int
run_command(struct command_call *call, struct words *words)
{
	struct err err;
	int status;

	if (wants_help(words)) {
		command_help(call->command);
		return EXIT_OK;
	}
	options_init(&call->options);
	if (read_words(call, words, &err) < 0)
		status = usage_error(call->command, &err);
	else
		status = call->command->run(call);
	options_clear(&call->options);
	for (size_t i = 0; i < COMMAND_SWITCHES_MAX; i++)
		free(call->joined[i]);
	/* "| head" may have gone; a full disk must be told. */
	if (fflush(stdout) != 0 && errno != EPIPE) {
		fprintf(stderr, "moonlet %s: write: %s\n", call->command->name, strerror(errno));
		return EXIT_FAILED;
	}
	return status;
}

static void
print_version(void)
{
	printf("moonlet %s\n", PACKAGE_VERSION);
#ifdef SYSTEM_LUA
	printf("WARNING: built with the system's Lua, which has known faults; ./bootstrap builds "
	       "one without them\n");
#endif
}

int
command_main(int count, char **words_of_main, const struct program *program)
{
	struct command_call *call;
	struct words words = { words_of_main + 2, count - 2 };
	const char *name = count > 1 ? words_of_main[1] : "--help";
	int status;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		commands_help();
		return count > 1 ? EXIT_OK : EXIT_USAGE;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		print_version();
		return EXIT_OK;
	}
	call = xcalloc(1, sizeof(*call));
	call->program = program;
	call->command = command_find(name);
	status = call->command != NULL ? run_command(call, &words) : unknown_command(name);
	free(call);
	return status;
}

int
command_fail(const struct command_call *call, const struct err *err)
{
	fprintf(stderr, "moonlet %s: %s\n", call->command->name, err->text);
	return EXIT_FAILED;
}

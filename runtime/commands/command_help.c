/* SPDX-License-Identifier: MIT
 * What is made from the rows: help, the completion for bash, the manual's table of options.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runtime/commands/command.h"

/* log_level becomes log-level. */
static const char *
flag_name(const char *name, char out[64])
{
	size_t i = 0;

	for (; name[i] != '\0' && i < 63; i++)
		out[i] = name[i] == '_' ? '-' : name[i];
	out[i] = '\0';
	return out;
}

static void
print_switch(char letter, const char *name, const char *value, const char *help)
{
	char left[96];
	int len;

	len = letter != 0 ? snprintf(left, sizeof(left), "-%c, --%s", letter, name)
			  : snprintf(left, sizeof(left), "    --%s", name);
	if (value != NULL)
		snprintf(left + len, sizeof(left) - (size_t)len, " %s", value);
	printf("  %-34s %s\n", left, help);
}

static void
print_options(bool limits)
{
	char name[64], help[256];

	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		if (option->limit != limits)
			continue;
		snprintf(help, sizeof(help), "%s (default %s)", option->help, option->initial);
		print_switch(0, flag_name(option->name, name), option->value, help);
	}
}

void
command_help(const struct command *command)
{
	printf("Usage: moonlet %s [OPTION...]%s%s\n\n%c%s.\n", command->name,
	    command->arguments[0] != '\0' ? " " : "", command->arguments,
	    toupper((unsigned char)command->help[0]), command->help + 1);
	if (command->more != NULL)
		printf("%s", command->more);
	printf("\nOptions:\n");
	for (const struct command_switch *row = command->switches; row != NULL && row->name != NULL;
	     row++)
		print_switch(row->letter, row->name, row->value, row->help);
	print_switch(
	    'c', "config", "FILE", "configuration (default: moonlet.lua where it is there)");
	if (command->host_options) {
		print_options(false);
		printf("\nLimits:\n");
		print_options(true);
	} else {
		print_switch(0, "data", "DIR", "the host's data folder (default data)");
	}
	print_switch('h', "help", NULL, "this text");
}

void
commands_help(void)
{
	printf("moonlet runs small Lua functions when things happen to devices.\n\n"
	       "Usage: moonlet COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (const struct command *command = command_table; command->name != NULL; command++) {
		if (!command->hidden)
			printf("  %-10s %s\n", command->name, command->help);
	}
	printf("\nmoonlet COMMAND --help tells more; moonlet --version which one this is.\n"
	       "First steps: moonlet init cars && cd cars && moonlet run\n");
}

static void
print_completion_words(const struct command *command)
{
	char name[64];

	for (const struct command_switch *row = command->switches; row != NULL && row->name != NULL;
	     row++)
		printf("--%s ", row->name);
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		if (command->host_options || id == OPTION_DATA)
			printf("--%s ", flag_name(option_table[id].name, name));
	}
	printf("--config --help");
}

void
commands_completion(void)
{
	printf("# bash completion for moonlet, made from its table of commands.\n"
	       "_moonlet() {\n"
	       "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "  COMPREPLY=()\n"
	       "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "    words='");
	for (const struct command *command = command_table; command->name != NULL; command++) {
		if (!command->hidden)
			printf("%s ", command->name);
	}
	printf("--help --version'\n"
	       "  elif [[ $word == -* ]]; then\n"
	       "    case ${COMP_WORDS[1]} in\n");
	for (const struct command *command = command_table; command->name != NULL; command++) {
		if (command->hidden)
			continue;
		printf("      %s) words='", command->name);
		print_completion_words(command);
		printf("' ;;\n");
	}
	printf(
	    "    esac\n"
	    "  elif [ \"${COMP_WORDS[1]}\" = shadow ] && [ \"$COMP_CWORD\" -eq 2 ]; then\n"
	    "    words='get update delete'\n"
	    "  fi\n"
	    "  [ -n \"$words\" ] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	    "}\n"
	    "complete -o default -F _moonlet moonlet\n");
}

static void
print_markdown(bool limits)
{
	printf("| name | default | what it is |\n|---|---|---|\n");
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		if (option->limit == limits)
			printf(
			    "| `%s` | `%s` | %s |\n", option->name, option->initial, option->help);
	}
}

void
options_markdown(void)
{
	print_markdown(false);
	printf("\n");
	print_markdown(true);
}

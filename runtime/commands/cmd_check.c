/* SPDX-License-Identifier: MIT
 * moonlet check: every function and the configuration, loaded by a confined worker of its own, so
 * that it says what a running host would say.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/commands/command.h"
#include "runtime/loader.h"
#include "runtime/manifest.h"

struct check {
	struct command_call *call;
	struct loader *loader;
	cJSON *found;	  /* an array of {"file", "message"} for --json */
	const char *what; /* that is looked at */
	unsigned functions;
	unsigned problems;
};

static void
problem(void *arg, const char *text)
{
	struct check *check = arg;
	cJSON *item = cJSON_CreateObject();
	bool named = strncmp(text, check->what, strlen(check->what)) == 0;

	check->problems++;
	cJSON_AddStringToObject(item, "what", check->what);
	cJSON_AddStringToObject(item, "message", text);
	cJSON_AddItemToArray(check->found, item);
	if (command_value(check->call, "json") == NULL)
		printf("%s%s%s%s%s\n", command_colours()->red, named ? "" : check->what,
		    named ? "" : ": ", text, command_colours()->plain);
}

static void
check_config(struct check *check, const char *path)
{
	struct config_read read = { path, problem, check };
	struct err err;

	check->what = path;
	if (loader_config(check->loader, &check->call->options, &read, &err) < 0 &&
	    check->problems == 0)
		problem(check, err.text);
}

/* What the worker made of the function's table: keys, triggers, limits. */
static void
check_manifest(struct check *check, const struct function_sources *sources, struct bytes json)
{
	const struct manifest_source source = { .file = sources->files[0].path,
		.source = buf_bytes(&sources->files[0].source),
		.json = json,
		.options = &check->call->options,
		.triggers = check->call->program->triggers,
		.trigger_count = check->call->program->trigger_count };
	struct err err;
	struct manifest *manifest = manifest_new(&source, &err);

	if (manifest == NULL)
		problem(check, err.text);
	manifest_free(manifest);
}

static void
check_sources(struct check *check, const struct function_sources *sources)
{
	struct loader_request request = { LOAD_FUNCTION, sources->name, sources->files,
		sources->count,
		(uint32_t)options_number(&check->call->options, OPTION_MEMORY_BYTES) };
	struct buf manifest = { 0 };
	struct err err;

	check->functions++;
	if (loader_load(check->loader, &request, &manifest, &err) < 0)
		problem(check, err.text);
	else
		check_manifest(check, sources, buf_bytes(&manifest));
	buf_clear(&manifest);
}

static void
check_function(struct check *check, const char *folder, const struct folder_entry *entry)
{
	struct function_sources *sources = xmalloc(sizeof(*sources));
	struct err err;

	check->what = entry->name;
	if (entry->problem != NULL) {
		problem(check, entry->problem);
	} else if (function_sources_read(folder, entry, sources, &err) < 0) {
		problem(check, err.text);
	} else {
		check_sources(check, sources);
		function_sources_clear(sources);
	}
	free(sources);
}

static void
check_functions(struct check *check, const char *folder)
{
	struct folder_list list = { 0 };
	struct err err;

	check->what = folder;
	if (folder_list_read(folder, &list, &err) < 0)
		problem(check, err.text);
	for (size_t i = 0; i < list.count; i++)
		check_function(check, folder, &list.entries[i]);
	folder_list_clear(&list);
}

static bool
is_there(const char *path)
{
	struct stat stat;

	return fstatat(AT_FDCWD, path, &stat, 0) == 0;
}

/* The argument is a folder like moonlet init makes it, or one of functions. */
static void
check_folder(struct check *check, const char *folder)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/moonlet.lua", folder);
	if (is_there(path))
		check_config(check, path);
	snprintf(path, sizeof(path), "%s/%s", folder,
	    options_text(&check->call->options, OPTION_FUNCTIONS));
	check_functions(check, is_there(path) ? path : folder);
}

static void
check_here(struct check *check)
{
	const char *config = check->call->config_path;

	if (config == NULL && is_there("moonlet.lua"))
		config = "moonlet.lua";
	if (config != NULL)
		check_config(check, config);
	check_functions(check, options_text(&check->call->options, OPTION_FUNCTIONS));
}

static void
print_summary(const struct check *check)
{
	char *text;

	if (command_value(check->call, "json") != NULL) {
		text = cJSON_Print(check->found);
		puts(text);
		cJSON_free(text);
	} else if (check->problems == 0) {
		printf("%s%u function%s checked, nothing found%s\n", command_colours()->green,
		    check->functions, check->functions == 1 ? "" : "s", command_colours()->plain);
	}
}

int
cmd_check(struct command_call *call)
{
	struct check check = { .call = call, .found = cJSON_CreateArray() };
	struct err err;

	check.loader = loader_start(&err);
	if (check.loader == NULL) {
		cJSON_Delete(check.found);
		return command_fail(call, &err);
	}
	if (call->count > 0)
		check_folder(&check, call->arguments[0]);
	else
		check_here(&check);
	print_summary(&check);
	loader_end(check.loader);
	cJSON_Delete(check.found);
	return check.problems == 0 ? EXIT_OK : EXIT_FAILED;
}

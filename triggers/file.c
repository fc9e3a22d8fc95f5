/* SPDX-License-Identifier: MIT
 * on = { file = "inbox/..." }: files below the folder of files that have been written or moved in,
 * by a pattern of paths (lib/path_glob.h).
 */
#include "lib/path_glob.h"
#include "runtime/files/files.h"
#include "triggers/triggers.h"

static const char *
pattern_of(const cJSON *spec)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "file"));
}

static int
check(const cJSON *spec, struct err *err)
{
	const char *pattern = pattern_of(spec);

	if (pattern == NULL)
		return err_set(err, "file is a pattern of paths: { file = \"inbox/*.csv\" }");
	if (spec->child->next != NULL)
		return err_set(err, "a file trigger has no other keys than file");
	return path_glob_check(pattern, err) < 0 ? err_prefix(err, "file") : 0;
}

static void *
bind_file(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	return files_attach(host->files, function, pattern_of(spec), err);
}

static void
unbind_file(struct host *host, void *binding)
{
	(void)host;
	files_detach(binding);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	buf_append_string(out, pattern_of(spec));
}

const struct trigger trigger_file = { "file", "files that are written or moved in", check,
	bind_file, unbind_file, describe };

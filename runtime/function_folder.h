/* SPDX-License-Identifier: MIT
 * The folder of the functions: which there are, and what their sources are.
 *
 *   overspeed.lua          the function overspeed
 *   geofence/init.lua      the function geofence; Lua files beside it can be required
 *   lib/geo.lua            can be required by all ("geo", "lib.geo")
 *
 * Names that begin with a dot, and all that does not end in .lua, are nobody's business.
 */
#ifndef RUNTIME_FUNCTION_FOLDER_H
#define RUNTIME_FUNCTION_FOLDER_H

#include "lib/bytes.h"
#include "lib/err.h"

enum {
	FUNCTION_NAME_BYTES_MAX = 64,
	FUNCTION_FILE_BYTES_MAX = 1048576,
	FUNCTION_FILES_MAX = 64, /* of one function, those of lib/ with it */
	FUNCTIONS_MAX = 100000,
};

struct source_file {
	char *path; /* as errors name it: "overspeed.lua", "geofence/init.lua" */
	struct buf source;
};

/* What a function is made of; the first file is the one that is run. */
struct function_sources {
	char name[FUNCTION_NAME_BYTES_MAX + 1];
	struct source_file files[FUNCTION_FILES_MAX];
	size_t count;
};

struct folder_entry {
	char *name;
	bool is_folder;	    /* name/init.lua; else name.lua */
	uint64_t signature; /* changes when one of its files may have changed */
	char *problem;	    /* why it cannot be a function; NULL: it can */
};

struct folder_list {
	struct folder_entry *entries; /* sorted by name */
	size_t count;
};

/* Reads the folder's names. -1: it cannot be read. */
int folder_list_read(const char *folder, struct folder_list *list, struct err *err)
    __attribute__((warn_unused_result));
void folder_list_clear(struct folder_list *list); /* an all zero one is empty */

/* Reads the sources of an entry without a problem. -1: "overspeed.lua: Permission denied". */
int function_sources_read(const char *folder, const struct folder_entry *entry,
    struct function_sources *sources, struct err *err) __attribute__((warn_unused_result));
void function_sources_clear(struct function_sources *sources);

/* Letters, digits, "-" and "_", at most FUNCTION_NAME_BYTES_MAX, not "lib". */
bool function_name_check(const char *name, struct err *err) __attribute__((warn_unused_result));

#endif

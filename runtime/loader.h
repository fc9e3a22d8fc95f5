/* SPDX-License-Identifier: MIT
 * A confined worker by itself, to load Lua files while no host runs: for the configuration and for
 * `moonlet check`. It waits.
 */
#ifndef RUNTIME_LOADER_H
#define RUNTIME_LOADER_H

#include "lib/protocol.h"
#include "runtime/function_folder.h"
#include "runtime/options.h"

struct loader;

/* Starts a worker. NULL: it cannot be started. */
struct loader *loader_start(struct err *err) __attribute__((warn_unused_result));
void loader_end(struct loader *loader); /* takes NULL */

struct loader_request {
	enum load_kind kind;
	const char *name;
	const struct source_file *files; /* the first is run */
	size_t count;
	uint32_t memory_bytes_max;
};

/* What the worker made of the files is appended to `loaded` (JSON, lib/protocol.h). -1: what is
 * wrong with them, or the worker died of them; the loader can be used again. */
int loader_load(struct loader *loader, const struct loader_request *request, struct buf *loaded,
    struct err *err) __attribute__((warn_unused_result));

/* The settings of the file at `path` into options. `problem` as in struct config_source. */
struct config_read {
	const char *path;
	void (*problem)(void *arg, const char *text);
	void *arg;
};
int loader_config(struct loader *loader, struct options *options, const struct config_read *read,
    struct err *err) __attribute__((warn_unused_result));

#endif

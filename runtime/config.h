/* SPDX-License-Identifier: MIT
 * The configuration file, moonlet.lua: assignments and tables, evaluated by a confined worker in a
 * closed state; here its result becomes options.
 *
 *   mqtt    = "0.0.0.0:1883"                       -- any option by its name
 *   limits  = { timeout = "5s", clients_max = 100 }
 *   broker  = "mqtt://10.0.0.2:1883"               -- or { url =, name =, client_id =, share = },
 *                                                  -- or a list of those
 *   secrets = { api_key = "s3cret", token = { file = "/run/token" }, pin = { env = "PIN" } }
 *   allow   = { publish = { "alerts/#" } }         -- the most that functions may declare
 *   tables  = { cars = { key = "id" } }            -- see runtime/config_tables.h
 */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include "runtime/options.h"

enum { CONFIG_FILE_BYTES_MAX = 1048576 };

/* Applies what a worker made of the file: {"settings": {...}, "lines": {"name": line}}. `path` is
 * named in errors ("moonlet.lua:3: unknown setting 'mqt': did you mean 'mqtt'?"). All problems
 * are found: `problem` is called for each, with one line. -1: there was one. `problem` may be
 * NULL where only the first is wanted, in `err`. */
struct config_source {
	const char *path;
	struct bytes loaded;
	void (*problem)(void *arg, const char *text);
	void *arg;
};

int config_apply(struct options *options, const struct config_source *source, struct err *err)
    __attribute__((warn_unused_result));

#endif

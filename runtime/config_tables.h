/* SPDX-License-Identifier: MIT
 * Tables as the configuration and the command line define them.
 *
 *   tables = { cars = { key = "id", sort = "ts", ttl = "expires",
 *                       index = { by_place = "place,ts", by_fleet = "fleet" } } }
 */
#ifndef RUNTIME_CONFIG_TABLES_H
#define RUNTIME_CONFIG_TABLES_H

#include <cjson/cJSON.h>

#include "lib/table_def.h"

/* One table of the configuration. -1: `err` names the field. `def` is to be cleared. */
int table_setting_read(const char *name, const cJSON *setting, struct table_def *def,
    struct err *err) __attribute__((warn_unused_result));

/* Adds an index: `attributes` is "place" or "place,ts". -1: there are too many, or it is none. */
int table_setting_index(struct table_def *def, const char *name, const char *attributes,
    struct err *err) __attribute__((warn_unused_result));

#endif

/* SPDX-License-Identifier: MIT
 * The SQL of the views by which a person reads tables: db_<table> has a column for each attribute
 * that is part of a key, an index or the time to live, the item's version, and the item.
 */
#ifndef STORE_SQLITE_VIEW_H
#define STORE_SQLITE_VIEW_H

#include "lib/table_def.h"

void sqlite_view_create(const struct table_def *def, struct buf *sql);
/* For states and timers, whose keys have three parts: run when the database is opened. */
extern const char sqlite_views_keyed[];

void sqlite_view_drop(struct bytes name, struct buf *sql);

#endif

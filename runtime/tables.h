/* SPDX-License-Identifier: MIT
 * The tables of this host, on the loop thread: their definitions, reads for handlers, and what
 * handlers' effects do to them.
 */
#ifndef RUNTIME_TABLES_H
#define RUNTIME_TABLES_H

#include "runtime/effect.h"
#include "runtime/records.h"
#include "store/tables.h"

struct host;
struct options;
struct tables;

struct tables *tables_new(struct host *host);
void tables_free(struct tables *tables); /* takes NULL */

/* Reads the definitions that are in the store; at start. */
int tables_restore(struct tables *tables, struct err *err) __attribute__((warn_unused_result));

/* Begins what goes on beside everything else: expiry, and the work that definitions have left. */
void tables_start(struct tables *tables);
void tables_stop(struct tables *tables); /* before the store is closed; takes NULL */

/* Defines the tables of the configuration: at start (waits for it), and when it was read again. */
int tables_declare(struct tables *tables, const struct options *options, struct err *err)
    __attribute__((warn_unused_result));
void tables_redeclare(struct tables *tables, const struct options *options);

struct host *tables_host(const struct tables *tables);
struct table *tables_find(const struct tables *tables, struct bytes name); /* NULL: none */
/* In order of their names: `at` from 0; NULL: no more. */
struct table *tables_at(const struct tables *tables, size_t at);

/* Defines a table, or changes the definition of one; takes over `def`. `done` (may be NULL) is
 * called with NULL, or with the error. */
void tables_define(struct tables *tables, struct table_def *def,
    void (*done)(void *arg, const struct err *err), void *arg);

/* Forgets a table and all its items; `done` as above. */
void tables_undefine(struct tables *tables, struct bytes name,
    void (*done)(void *arg, const struct err *err), void *arg);

/* Appends a HOST_TABLES frame: what workers must know. */
void tables_write(const struct tables *tables, struct buf *out);

/* What an EFFECT_DB_PUT or EFFECT_DB_DELETE does. -1: it is refused. */
int tables_take_effect(struct tables *tables, const struct effect *effect, struct table_ops *ops,
    struct err *err) __attribute__((warn_unused_result));
/* An EFFECT_READ of an item: it must still be so at the commit. */
int tables_take_read(struct tables *tables, const struct effect *effect, struct writes *writes,
    struct err *err) __attribute__((warn_unused_result));

/* An EFFECT_READ_ROWS: they must still be the same at the commit. */
int tables_take_rows(struct tables *tables, const struct effect *effect, struct table_ops *ops,
    struct err *err) __attribute__((warn_unused_result));

/* The job with these operations was submitted, has failed, is durable. */
void tables_submitted(struct tables *tables, const struct table_ops *ops, uint64_t version);
void tables_failed(struct tables *tables, const struct table_ops *ops, uint64_t version);
void tables_committed(struct tables *tables, const struct table_ops *ops);

/* Submits changes of their own, outside of any invocation: what `expectations` relies on must hold.
 * Takes over both lists. `done` gets the version that was written, or 0 with the error; `conflict`:
 * an expectation did not hold. */
struct tables_result {
	uint64_t version;
	bool conflict;
	const struct err *err; /* NULL: it is done */
};
typedef void tables_written_fn(void *arg, const struct tables_result *result);
void tables_submit(struct tables *tables, struct table_ops *ops, struct writes *expectations,
    tables_written_fn *done, void *arg);

/* Reads items for CALL_DB_GET: `fields` as in lib/protocol.h. `done` gets the reply's fields, or
 * (not ok) a message. False: the fields do not decode; `done` is not called. */
typedef void tables_done_fn(void *arg, bool ok, struct bytes fields);
bool tables_get(struct tables *tables, struct bytes fields, tables_done_fn *done, void *arg);
/* Likewise for CALL_DB_QUERY. */
bool tables_query(struct tables *tables, struct bytes fields, tables_done_fn *done, void *arg);

/* The table, or NULL with an error that names it. */
void tables_write_metrics(const struct tables *tables, struct buf *out);

struct table *tables_need(const struct tables *tables, struct bytes name, struct err *err);

#endif

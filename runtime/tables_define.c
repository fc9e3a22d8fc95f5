/* SPDX-License-Identifier: MIT
 * Definitions: from the control API, from the configuration; and the work that they leave, a chain
 * of jobs for each table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/log.h"
#include "runtime/tables_parts.h"

enum { WORK_PAUSE_US = 1000000 }; /* after a failure of the store */

struct defining {
	struct store_job job;
	struct tables *tables;
	struct table_def def;
	struct table_defined defined;
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

/* --- work --- */

/* A table with work left. */
struct working {
	struct store_job job;
	LIST_ENTRY(working) link;
	struct tables *tables;
	struct timer pause;
	struct table_work_done step;
	bool submitted;
	char name[TABLE_NAME_BYTES_MAX + 1];
};

static void work_begin(struct tables *tables, struct bytes name);

static void
working_free(struct working *working)
{
	LIST_REMOVE(working, link);
	timer_clear(&working->pause);
	free(working);
}

static int
work_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct working *working = (struct working *)(void *)job;

	table_def_clear(&working->step.def);
	return table_work_step(txn, bytes_of_string(working->name), &working->step, err) < 0 ? -1
											     : 0;
}

static void
work_submit(void *arg)
{
	struct working *working = arg;

	working->submitted = true;
	store_submit(working->tables->host->store, &working->job);
}

static void
work_done(struct store_job *job)
{
	struct working *working = (struct working *)(void *)job;
	struct tables *tables = working->tables;

	working->submitted = false;
	if (job->status == 0 && working->step.defined) {
		log_info("tables", "the indexes of table %s are filled", working->name);
		tables_set(tables, table_new(&working->step.def, job->version));
	}
	if (tables->stopped || (job->status == 0 && !working->step.left)) {
		table_def_clear(&working->step.def);
		working_free(working);
	} else if (job->status == 0) {
		work_submit(working);
	} else {
		log_warn("tables", "table %s: %s", working->name, job->err.text);
		timer_set(&working->pause, WORK_PAUSE_US);
	}
}

static void
work_begin(struct tables *tables, struct bytes name)
{
	struct working *working;

	if (tables->stopped || name.len > TABLE_NAME_BYTES_MAX)
		return;
	LIST_FOREACH (working, &tables->workings, link) {
		if (bytes_equal_string(name, working->name))
			return;
	}
	working = xcalloc(1, sizeof(*working));
	working->tables = tables;
	working->job.run = work_run;
	working->job.done = work_done;
	memcpy(working->name, name.data, name.len);
	timer_init(&working->pause, tables->host->loop, work_submit, working);
	LIST_INSERT_HEAD(&tables->workings, working, link);
	work_submit(working);
}

/* Those that the store has taken go when it has done them. */
void
tables_work_stop(struct tables *tables)
{
	struct working *working = LIST_FIRST(&tables->workings), *next;

	for (; working != NULL; working = next) {
		next = LIST_NEXT(working, link);
		if (!working->submitted)
			working_free(working);
	}
}

struct listing {
	struct store_job job;
	struct buf names; /* frame_bytes of each */
	struct tables *tables;
};

static void
list_name(void *arg, struct bytes name)
{
	frame_bytes(arg, name);
}

static int
list_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct listing *listing = (struct listing *)(void *)job;

	return table_work_list(txn, list_name, &listing->names, err);
}

static void
list_done(struct store_job *job)
{
	struct listing *listing = (struct listing *)(void *)job;
	struct cursor cursor = cursor_of(buf_bytes(&listing->names));

	while (job->status == 0 && !cursor_end(&cursor))
		work_begin(listing->tables, cursor_bytes(&cursor));
	buf_clear(&listing->names);
	free(listing);
}

void
tables_work_resume(struct tables *tables)
{
	struct listing *listing = xcalloc(1, sizeof(*listing));

	listing->tables = tables;
	listing->job.run = list_run;
	listing->job.done = list_done;
	store_submit(tables->host->store, &listing->job);
}

/* --- definitions --- */

static int
define_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct defining *defining = (struct defining *)(void *)job;

	return table_define(txn, &defining->def, &defining->defined, err);
}

static void
define_take(struct defining *defining)
{
	struct tables *tables = defining->tables;
	char *name = xstrdup(defining->def.name);

	log_info("tables", "table %s is defined", name);
	tables_set(tables, table_new(&defining->def, defining->defined.version));
	if (defining->defined.work)
		work_begin(tables, bytes_of_string(name));
	free(name);
}

static void
define_done(struct store_job *job)
{
	struct defining *defining = (struct defining *)(void *)job;

	defining->tables->defining--;
	if (job->status == 0)
		define_take(defining);
	if (defining->done != NULL)
		defining->done(defining->arg, job->status == 0 ? NULL : &job->err);
	table_def_clear(&defining->def);
	free(defining);
}

/* Names that differ only in capitals would be one view. */
static int
check_room(const struct tables *tables, const char *name, struct err *err)
{
	if (tables_find(tables, bytes_of_string(name)) != NULL)
		return 0;
	for (size_t i = 0; i < tables->count; i++) {
		if (strcasecmp(tables->list[i]->def.name, name) == 0)
			return err_set(err,
			    "table %s: there is a table %s already; names must differ in more "
			    "than capitals",
			    name, tables->list[i]->def.name);
	}
	if (tables->count + tables->defining < TABLES_MAX)
		return 0;
	return err_set(err, "there are %d tables already, which is the most", TABLES_MAX);
}

void
tables_define(struct tables *tables, struct table_def *def,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct defining *defining = xcalloc(1, sizeof(*defining));
	struct err err;

	*defining = (struct defining){ .tables = tables, .def = *def, .done = done, .arg = arg };
	*def = (struct table_def){ 0 };
	defining->job.run = define_run;
	defining->job.done = define_done;
	if (check_room(tables, defining->def.name, &err) == 0) {
		tables->defining++;
		store_submit(tables->host->store, &defining->job);
		return;
	}
	if (done != NULL)
		done(arg, &err);
	table_def_clear(&defining->def);
	free(defining);
}

struct undefining {
	struct store_job job;
	struct tables *tables;
	int found;
	void (*done)(void *arg, const struct err *err);
	void *arg;
	char *name;
};

static int
undefine_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct undefining *undefining = (struct undefining *)(void *)job;

	undefining->found = table_undefine(txn, bytes_of_string(undefining->name), err);
	return undefining->found < 0 ? -1 : 0;
}

static void
undefine_done(struct store_job *job)
{
	struct undefining *undefining = (struct undefining *)(void *)job;
	struct bytes name = bytes_of_string(undefining->name);
	struct err err = job->err;

	if (job->status == 0 && undefining->found == 0)
		(void)err_set(&err, "there is no table \"%s\"", undefining->name);
	if (job->status == 0 && undefining->found == 1) {
		log_info("tables", "table %s is dropped", undefining->name);
		tables_unset(undefining->tables, name);
		work_begin(undefining->tables, name);
	}
	undefining->done(undefining->arg, job->status == 0 && undefining->found == 1 ? NULL : &err);
	free(undefining->name);
	free(undefining);
}

void
tables_undefine(struct tables *tables, struct bytes name,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct undefining *undefining = xcalloc(1, sizeof(*undefining));

	*undefining = (struct undefining){
		.tables = tables, .done = done, .arg = arg, .name = bytes_to_string(name)
	};
	undefining->job.run = undefine_run;
	undefining->job.done = undefine_done;
	store_submit(tables->host->store, &undefining->job);
}

/* --- the configuration's --- */

static bool
is_defined(const struct tables *tables, const struct table_def *def)
{
	const struct table *table = tables_find(tables, bytes_of_string(def->name));

	return table != NULL && table_def_equal(&table->def, def);
}

static void
nothing_done(struct store_job *job)
{
	(void)job;
}

/* Work of an earlier run is ended first, for a table that has some cannot be defined anew. */
static int
end_work(struct tables *tables, const char *name, struct err *err)
{
	struct working working = { .job = { .run = work_run, .done = nothing_done } };

	(void)snprintf(working.name, sizeof(working.name), "%s", name);
	do {
		if (store_run(tables->host->store, &working.job, err) < 0)
			return -1;
	} while (working.step.left);
	if (working.step.defined)
		tables_set(tables, table_new(&working.step.def, working.job.version));
	return 0;
}

static int
declare(struct tables *tables, const struct table_def *def, struct err *err)
{
	struct defining defining = { .job = { .run = define_run, .done = nothing_done },
		.tables = tables };
	int status;

	if (is_defined(tables, def))
		return 0;
	if (check_room(tables, def->name, err) < 0 || end_work(tables, def->name, err) < 0)
		return -1;
	table_def_copy(&defining.def, def);
	status = store_run(tables->host->store, &defining.job, err);
	if (status == 0)
		tables_set(tables, table_new(&defining.def, defining.defined.version));
	table_def_clear(&defining.def);
	return status;
}

int
tables_declare(struct tables *tables, const struct options *options, struct err *err)
{
	for (size_t i = 0; i < options->table_count; i++) {
		if (declare(tables, &options->tables[i], err) < 0)
			return -1;
	}
	return 0;
}

static void
redeclared(void *arg, const struct err *err)
{
	(void)arg;
	if (err != NULL)
		log_error("tables", "%s", err->text);
}

void
tables_redeclare(struct tables *tables, const struct options *options)
{
	struct table_def def;

	for (size_t i = 0; i < options->table_count; i++) {
		if (is_defined(tables, &options->tables[i]))
			continue;
		table_def_copy(&def, &options->tables[i]);
		tables_define(tables, &def, redeclared, NULL);
	}
}

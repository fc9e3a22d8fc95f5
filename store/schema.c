/* SPDX-License-Identifier: MIT
 * Migrating: rows that steps write have a version of their own, as if a job had written them.
 */
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

/* A database without a number is new, or from before there were numbers: its rows are as they are
 * now. */
static int
nothing(struct txn *txn, struct err *err)
{
	(void)txn;
	(void)err;
	return 0;
}

static const struct schema_step steps[] = {
	{ 1, "numbers the schema", nothing },
};

const struct schema schema_present = { steps, sizeof(steps) / sizeof(*steps) };

/* 0 where there is none. */
static int
number_read(struct txn *txn, const char *key, uint64_t *number, struct err *err)
{
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_META, bytes_of_string(key), &value, NULL, err);

	*number = found == 1 ? strtoull(buf_string(&value), NULL, 10) : 0;
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static int
number_write(struct txn *txn, const char *key, uint64_t number, struct err *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return txn_put(txn, SPACE_META, bytes_of_string(key), bytes_of_string(text), err);
}

static int
run_step(struct txn *txn, const struct schema_step *step, const char *name, struct err *err)
{
	struct err why;

	if (step->run(txn, &why) < 0)
		return err_set(err,
		    "%s: bringing it from schema %u to %u (%s) failed, and nothing was changed: "
		    "%.600s; run the Moonlet that wrote it, or restore a backup",
		    name, step->to - 1, step->to, step->what, why.text);
	return 0;
}

int
schema_migrate(struct txn *txn, const struct schema *schema, const char *name, struct err *err)
{
	unsigned newest = schema->steps[schema->count - 1].to;
	uint64_t number, version;

	if (number_read(txn, "schema", &number, err) < 0 ||
	    number_read(txn, "version", &version, err) < 0)
		return -1;
	if (number > newest)
		return err_set(err,
		    "%s: was written by a newer Moonlet (schema %llu, this one knows %u); "
		    "run that one, or move the file away to start empty",
		    name, (unsigned long long)number, newest);
	if (number == newest)
		return 0;
	txn->version = version > 0 ? version + 1 : 0; /* 0: it is new */
	for (size_t i = 0; i < schema->count; i++) {
		if (schema->steps[i].to > number && run_step(txn, &schema->steps[i], name, err) < 0)
			return -1;
	}
	if (version > 0)
		log_info("store", "%s: brought from schema %llu to %u", name,
		    (unsigned long long)number, newest);
	if ((version > 0 && number_write(txn, "version", txn->version, err) < 0) ||
	    number_write(txn, "schema", newest, err) < 0)
		return -1;
	return 1;
}

/* SPDX-License-Identifier: MIT
 * What the store's unit tests share: a store in a fresh folder over either engine.
 */
#ifndef TESTS_STORE_UNIT_H
#define TESTS_STORE_UNIT_H

#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/engine.h"

struct place {
	char folder[64];
	struct store_config config;
	struct store *store;
};

static inline struct bytes
text(const char *string)
{
	return bytes_of_string(string);
}

static inline void
place_open(struct place *place)
{
	struct err err;

	place->store = store_open(&place->config, &err);
	if (place->store == NULL)
		fail_msg("%s", err.text);
}

static inline void
place_reopen(struct place *place)
{
	store_close(place->store);
	place_open(place);
}

static inline int
place_make(void **state, const struct engine *engine)
{
	struct place *place = xcalloc(1, sizeof(*place));

	(void)strcpy(place->folder, "/tmp/moonlet-store.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->config.folder = place->folder;
	place->config.sys = &sys_posix;
	place->config.engine = engine;
	place->config.disk = memory_disk_new();
	place_open(place);
	*state = place;
	return 0;
}

static inline int
on_memory(void **state)
{
	return place_make(state, &engine_memory);
}

static inline int
on_sqlite(void **state)
{
	return place_make(state, &engine_sqlite);
}

static inline void
place_unlink(const struct place *place)
{
	static const char *const names[] = { "moonlet.db", "moonlet.db-wal", "moonlet.db-shm",
		"moonlet.lock", "moonlet.mark" };
	char path[96];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", place->folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(place->folder);
}

static inline int
place_end(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	place_unlink(place);
	memory_disk_free(place->config.disk);
	free(place);
	return 0;
}

/* A job that calls a function with the transaction and waits for it. */
struct call {
	struct store_job job;
	int (*run)(struct txn *txn, void *arg, struct err *err);
	void *arg;
};

static inline int
call_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct call *call = (struct call *)job;

	return call->run(txn, call->arg, err);
}

static inline int
place_call(struct place *place, int (*run)(struct txn *txn, void *arg, struct err *err), void *arg)
{
	struct call call = { .job = { .run = call_run }, .run = run, .arg = arg };
	struct err err;

	return store_run(place->store, &call.job, &err);
}

#define ON_BOTH(test)                                                                   \
	cmocka_unit_test_setup_teardown(test, on_memory, place_end),                    \
	{                                                                               \
		.name = #test "_on_sqlite", .test_func = test, .setup_func = on_sqlite, \
		.teardown_func = place_end,                                             \
	}

#endif

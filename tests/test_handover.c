/* SPDX-License-Identifier: MIT
 * Handing jobs over between two threads: nothing is lost, nothing changes places, nobody sleeps
 * while there is something to do.
 */
#include "tests/unit.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/bytes.h"
#include "store/handover.h"

enum { JOBS = 200000, ON_THEIR_WAY = 64 };

struct world {
	struct pile there, back;
	struct bed bed;
	bool stopping;
	size_t taken; /* the taker's */
	uint64_t last;
	bool in_order;
};

static void *
take_all(void *arg)
{
	struct world *world = arg;
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);
	struct store_job *job;

	for (;;) {
		if (pile_take(&world->there, &jobs) == 0) {
			if (__atomic_load_n(&world->stopping, __ATOMIC_SEQ_CST))
				return NULL;
			bed_sleep(&world->bed, &world->there, &world->stopping);
			continue;
		}
		STAILQ_FOREACH (job, &jobs, link) {
			world->in_order = world->in_order && job->version == ++world->last;
			world->taken++;
		}
		pile_put(&world->back, &jobs);
	}
}

static void
every_job_goes_there_and_back_in_order(void **state)
{
	struct world world = { .in_order = true };
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);
	struct store_job *job, *all = xcalloc(ON_THEIR_WAY, sizeof(*all));
	uint64_t given = 0, back = 0, slept = 0;
	pthread_t taker;

	(void)state;
	assert_int_equal(0, pthread_create(&taker, NULL, take_all, &world));
	while (back < JOBS) {
		if (given < JOBS && given - back < ON_THEIR_WAY) {
			job = &all[given % ON_THEIR_WAY];
			job->version = ++given;
			STAILQ_INSERT_TAIL(&jobs, job, link);
		}
		if (given % 3 == 0 || given - back >= ON_THEIR_WAY / 2 || given == JOBS) {
			pile_put(&world.there, &jobs);
			slept += bed_wake(&world.bed);
		}
		struct store_jobs finished = STAILQ_HEAD_INITIALIZER(finished);

		(void)pile_take(&world.back, &finished);
		STAILQ_FOREACH (job, &finished, link)
			assert_int_equal(++back, job->version);
	}
	__atomic_store_n(&world.stopping, true, __ATOMIC_SEQ_CST);
	(void)bed_wake(&world.bed);
	assert_int_equal(0, pthread_join(taker, NULL));
	assert_true(world.in_order);
	assert_int_equal(JOBS, world.taken);
	assert_true(slept <= JOBS);
	free(all);
}

static void
pile_keeps_the_order_of_what_is_put_together(void **state)
{
	struct pile pile = { NULL };
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);
	struct store_job list[6] = { { .version = 0 } }, *job;
	uint64_t expected = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		list[i].version = i;
		STAILQ_INSERT_TAIL(&jobs, &list[i], link);
		if (i == 0 || i == 3)
			pile_put(&pile, &jobs);
	}
	pile_put(&pile, &jobs);
	pile_put(&pile, &jobs);
	assert_int_equal(6, pile_take(&pile, &jobs));
	assert_true(pile_is_empty(&pile));
	STAILQ_FOREACH (job, &jobs, link)
		assert_int_equal(expected++, job->version);
	assert_int_equal(6, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pile_keeps_the_order_of_what_is_put_together),
		cmocka_unit_test(every_job_goes_there_and_back_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

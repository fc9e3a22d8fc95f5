/* SPDX-License-Identifier: MIT
 * Who goes to sleep says so first and looks once more then; who puts something looks whether the
 * other sleeps afterwards. Both in one order that all threads see (SEQ_CST), so that one of them
 * sees the other.
 */
#include "store/handover.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void
pile_put(struct pile *pile, struct store_jobs *jobs)
{
	struct store_job *last = STAILQ_FIRST(jobs), *job = last, *top = NULL;

	if (job == NULL)
		return;
	while (job != NULL) { /* turned round: the last one leads to those before it */
		struct store_job *next = STAILQ_NEXT(job, link);

		STAILQ_NEXT(job, link) = top;
		top = job;
		job = next;
	}
	STAILQ_INIT(jobs);
	job = __atomic_load_n(&pile->top, __ATOMIC_RELAXED);
	do {
		STAILQ_NEXT(last, link) = job;
	} while (!__atomic_compare_exchange_n(
	    &pile->top, &job, top, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

size_t
pile_take(struct pile *pile, struct store_jobs *jobs)
{
	struct store_job *job = __atomic_exchange_n(&pile->top, NULL, __ATOMIC_SEQ_CST);
	struct store_jobs turned = STAILQ_HEAD_INITIALIZER(turned);
	size_t count = 0;

	while (job != NULL) {
		struct store_job *before = STAILQ_NEXT(job, link);

		STAILQ_INSERT_HEAD(&turned, job, link);
		job = before;
		count++;
	}
	STAILQ_CONCAT(jobs, &turned);
	return count;
}

bool
pile_is_empty(const struct pile *pile)
{
	return __atomic_load_n(&pile->top, __ATOMIC_SEQ_CST) == NULL;
}

void
bed_sleep(struct bed *bed, const struct pile *pile, const bool *stopping)
{
	__atomic_store_n(&bed->asleep, 1, __ATOMIC_SEQ_CST);
	if (pile_is_empty(pile) && !__atomic_load_n(stopping, __ATOMIC_SEQ_CST))
		(void)syscall(SYS_futex, &bed->asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	__atomic_store_n(&bed->asleep, 0, __ATOMIC_SEQ_CST);
}

bool
bed_wake(struct bed *bed)
{
	if (__atomic_load_n(&bed->asleep, __ATOMIC_SEQ_CST) == 0 ||
	    __atomic_exchange_n(&bed->asleep, 0, __ATOMIC_SEQ_CST) == 0)
		return false;
	(void)syscall(SYS_futex, &bed->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return true;
}

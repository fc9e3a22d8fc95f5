/* SPDX-License-Identifier: MIT
 * A library that is loaded before all others (LD_PRELOAD) and gives the host another world: a slow
 * disk, another wall clock, an allocation that is its last. Its workers live in the real one.
 *
 * TEST_WORLD names a file of 64-bit numbers in the machine's order, which a test changes while the
 * host runs:
 *
 *   0  how long each sync takes, in microseconds; waiting ends when the number shrinks
 *   1  by how much the wall clock differs, in milliseconds
 *   2  how many syncs were made (written here)
 *
 * TEST_ALLOCATION=N:kill ends the process by SIGKILL at its N-th allocation; N:null lets that one
 * fail (TEST_BACKTRACE: and tells where). TEST_ALLOCATIONS names a file that gets the number of all
 * allocations when the host ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_US, WALL_MS, SYNCS, NUMBERS };

static _Atomic int64_t *world;
static atomic_long allocations;
static long fatal; /* 0: none */
static int kills;

/* Before main; nothing else of the host runs yet. */
__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("TEST_WORLD"), *allocation = getenv("TEST_ALLOCATION");
	int fd;

	if (strcmp(program_invocation_short_name, "moonlet") != 0)
		return;
	fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0) {
		void *at = mmap(
		    NULL, NUMBERS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		(void)close(fd);
		world = at != MAP_FAILED ? at : NULL;
	}
	if (allocation == NULL)
		return;
	kills = strstr(allocation, ":kill") != NULL;
	fatal = atol(allocation) + atomic_load(&allocations);
}

__attribute__((destructor)) static void
end(void)
{
	const char *path = getenv("TEST_ALLOCATIONS");
	char text[32];
	int fd, len;

	if (path == NULL || strcmp(program_invocation_short_name, "moonlet") != 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	len = snprintf(text, sizeof(text), "%ld\n", atomic_load(&allocations));
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		abort();
	(void)close(fd);
}

/* --- the disk --- */

static void
dawdle(void)
{
	const struct timespec moment = { .tv_nsec = 5000000 };

	if (world == NULL)
		return;
	for (int64_t waited = 0; waited < atomic_load(&world[SYNC_US]); waited += 5000)
		(void)nanosleep(&moment, NULL);
	atomic_fetch_add(&world[SYNCS], 1);
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	dawdle();
	return real(fd);
}

int
fsync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	dawdle();
	return real(fd);
}

/* --- the wall clock --- */

static int64_t
offset_ms(void)
{
	return world != NULL ? atomic_load(&world[WALL_MS]) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	int64_t ms = offset_ms();
	int code;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	code = real(clock, now);
	if (code == 0 && ms != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		now->tv_sec += ms / 1000;
		now->tv_nsec += ms % 1000 * 1000000;
		if (now->tv_nsec < 0) {
			now->tv_sec--;
			now->tv_nsec += 1000000000;
		}
		if (now->tv_nsec >= 1000000000) {
			now->tv_sec++;
			now->tv_nsec -= 1000000000;
		}
	}
	return code;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
		return -1;
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* --- memory --- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* Whether this one fails. */
static int
count(void)
{
	long number = atomic_fetch_add(&allocations, 1) + 1;

	if (fatal == 0 || number != fatal)
		return 0;
	if (kills)
		(void)raise(SIGKILL);
	if (getenv("TEST_BACKTRACE") != NULL) {
		void *frames[32];

		backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
	}
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return count() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t number, size_t size)
{
	return count() ? NULL : __libc_calloc(number, size);
}

void *
realloc(void *old, size_t size)
{
	return count() ? NULL : __libc_realloc(old, size);
}

/* SPDX-License-Identifier: MIT
 * Tries every system call, each in a process of its own behind the worker's cage, and counts what
 * survives.
 */
#include "tests/unit.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/protocol.h"
#include "sandbox/cage.h"

enum { NUMBERS = 1024, SURVIVED = 42, NO_CAGE = 43, X32_BIT = 0x40000000 };

struct call {
	long number;
	long arguments[6];
};

static int channel;

/* In a caged process; never returns. */
static void __attribute__((noreturn)) make_call(const struct call *call)
{
	const long *a = call->arguments;
	uint32_t layers;
	struct err err;

	if (cage_close(channel, &layers, &err) < 0 || (layers & CAGE_SECCOMP) == 0)
		_exit(NO_CAGE);
	(void)syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	for (;;)
		(void)syscall(SYS_exit_group, SURVIVED);
}

static int
status_of(void (*body)(const struct call *call), const struct call *call)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(120);
		body(call);
		_exit(SURVIVED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == NO_CAGE);
	return status;
}

static bool
is_killed(const struct call *call)
{
	int status = status_of(make_call, call);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool
is_listed(long number)
{
	static const long listed[] = { SYS_rt_sigreturn, SYS_exit_group, SYS_clock_gettime, SYS_brk,
		SYS_munmap, SYS_mremap, SYS_sched_yield };

	for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
		if (listed[i] == number)
			return true;
	}
	return false;
}

/* Newer kernels lead uretprobe and uprobe past every filter; they do nothing but for a process that
 * root traces with such probes. */
static bool
is_passed_by_the_kernel(long number)
{
	return number == 335 || number == 336;
}

static void
system_calls_end_the_process_but_for_a_short_list(void **state)
{
	(void)state;
	for (long number = 0; number < NUMBERS; number++) {
		const struct call call = { .number = number };

		if (!is_passed_by_the_kernel(number) && is_killed(&call) == is_listed(number))
			fail_msg("system call %ld: %s", number,
			    is_listed(number) ? "killed" : "survives");
	}
}

static void
system_calls_of_the_x32_world_end_the_process(void **state)
{
	(void)state;
	for (long number = 0; number < NUMBERS; number++) {
		const struct call call = { .number = number | X32_BIT };

		if (!is_killed(&call))
			fail_msg("x32 system call %ld survives", number);
	}
}

static void
arguments_are_checked_too(void **state)
{
	const long rw = PROT_READ | PROT_WRITE, rwx = rw | PROT_EXEC;
	const long anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	const struct {
		struct call call;
		bool survives;
	} cases[] = {
		{ { SYS_read, { channel } }, true },
		{ { SYS_read, { channel + 1 } }, false },
		{ { SYS_recvfrom, { channel, 0, 0, MSG_DONTWAIT } }, true },
		{ { SYS_recvfrom, { channel, 0, 0, 0 } }, false },
		{ { SYS_recvfrom, { channel + 1, 0, 0, MSG_DONTWAIT } }, false },
		{ { SYS_write, { channel } }, true },
		{ { SYS_write, { 2 } }, false },
		{ { SYS_mmap, { 0, 4096, rw, anonymous, -1 } }, true },
		{ { SYS_mmap, { 0, 4096, rwx, anonymous, -1 } }, false },
		{ { SYS_mmap, { 0, 4096, PROT_EXEC, anonymous, -1 } }, false },
		{ { SYS_mmap, { 0, 4096, rw, MAP_SHARED | MAP_ANONYMOUS, -1 } }, false },
		{ { SYS_mmap, { 0, 4096, rw, MAP_PRIVATE, channel } }, false },
		{ { SYS_mmap, { 4096, 4096, rw, anonymous | MAP_FIXED, -1 } }, false },
		{ { SYS_madvise, { 0, 0, MADV_DONTNEED } }, true },
		{ { SYS_madvise, { 0, 0, MADV_DOFORK } }, false },
		{ { SYS_mprotect, { 0, 0, rwx } }, false },
		{ { SYS_kill, { 1, SIGKILL } }, false },
		{ { SYS_openat, { -100 } }, false },
		{ { SYS_socket, { AF_UNIX, SOCK_STREAM } }, false },
		{ { SYS_clone3, { 0 } }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_killed(&cases[i].call) == cases[i].survives)
			fail_msg("case %zu, system call %ld", i, cases[i].call.number);
	}
}

#ifdef __x86_64__
/* getpid of the 32-bit world. */
static void
call_by_interrupt(const struct call *call)
{
	uint32_t layers;
	struct err err;
	long result = 20;

	(void)call;
	if (cage_close(channel, &layers, &err) < 0)
		_exit(NO_CAGE);
	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	(void)syscall(SYS_exit_group, SURVIVED);
}
#else
static void
call_by_interrupt(const struct call *call)
{
	(void)call;
	(void)raise(SIGSYS);
}
#endif

static void
the_older_way_into_the_kernel_is_closed(void **state)
{
	int status = status_of(call_by_interrupt, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
}

static void
grow_for_ever(const struct call *call)
{
	uint32_t layers;
	struct err err;
	size_t mapped = 0;

	(void)call;
	if (cage_close(channel, &layers, &err) < 0)
		_exit(NO_CAGE);
	while (mapped < (size_t)1 << 40 && mmap(NULL, 1 << 26, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		mapped += 1 << 26;
	(void)syscall(SYS_exit_group, mapped < (size_t)1 << 40 ? SURVIVED : 1);
}

static void
memory_has_an_end(void **state)
{
	int status = status_of(grow_for_ever, NULL);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == SURVIVED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_calls_end_the_process_but_for_a_short_list),
		cmocka_unit_test(system_calls_of_the_x32_world_end_the_process),
		cmocka_unit_test(arguments_are_checked_too),
		cmocka_unit_test(the_older_way_into_the_kernel_is_closed),
		cmocka_unit_test(memory_has_an_end),
	};
	int ends[2];

	/* The other end is closed: a read of the channel ends at once. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || shutdown(ends[0], SHUT_RDWR) < 0)
		return 1;
	channel = ends[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}

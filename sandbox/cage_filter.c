/* SPDX-License-Identifier: MIT
 * What a worker may ask of the kernel, as one list. Everything else ends the process.
 */
#include "sandbox/cage_filter.h"

#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/protocol.h"
#include "sandbox/stage.h"

/* Beside the stage: images and waiting invocations, whose bound comes with SETUP, and frames. */
#define BESIDE_STAGE_BYTES_MAX ((rlim_t)2 << 30)

struct rule {
	int call;
	unsigned checks;
	struct scmp_arg_cmp check[2];
};

static int
add_rules(scmp_filter_ctx filter, int channel)
{
	const struct rule rules[] = {
		{ SCMP_SYS(read), 1, { SCMP_A0_32(SCMP_CMP_EQ, (unsigned)channel) } },
		/* Whether there is input, and the processor to who needs it: while it stays awake.
		 */
		{ SCMP_SYS(recvfrom), 2,
		    { SCMP_A0_32(SCMP_CMP_EQ, (unsigned)channel),
			SCMP_A3_32(SCMP_CMP_EQ, (unsigned)MSG_DONTWAIT) } },
		{ SCMP_SYS(sched_yield), 0, { { 0 } } },
		{ SCMP_SYS(write), 1, { SCMP_A0_32(SCMP_CMP_EQ, (unsigned)channel) } },
		{ SCMP_SYS(exit_group), 0, { { 0 } } },
		{ SCMP_SYS(rt_sigreturn), 0, { { 0 } } },
		/* Time, where the kernel's page for it is missing. */
		{ SCMP_SYS(clock_gettime), 0, { { 0 } } },
		/* Memory: anonymous, private, never executable. */
		{ SCMP_SYS(mmap), 2,
		    { SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
			SCMP_A3_32(SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS) } },
		{ SCMP_SYS(munmap), 0, { { 0 } } },
		{ SCMP_SYS(mremap), 0, { { 0 } } },
		{ SCMP_SYS(madvise), 1, { SCMP_A2_32(SCMP_CMP_EQ, MADV_DONTNEED) } },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (seccomp_rule_add_array(
			filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].checks, rules[i].check) < 0)
			return -1;
	}
	/* glibc takes a failure of brk as an address; 0 tells it that the heap cannot grow there.
	 */
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(brk), 0);
}

rlim_t
cage_address_bytes_max(void)
{
	return STAGE_BYTES_MAX + BESIDE_STAGE_BYTES_MAX;
}

uint32_t
cage_filter(int channel)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int result;

	if (filter == NULL)
		return 0;
	(void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	result = add_rules(filter, channel);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result == 0 ? CAGE_SECCOMP : 0;
}

/* SPDX-License-Identifier: MIT
 * The cage's layers but the system call filter, which stands in cage_filter.c.
 */
#include "sandbox/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/protocol.h"
#include "sandbox/cage_filter.h"

enum {
	NOBODY = 65534,
	NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
};

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* An ordinary user needs a user namespace to make the others. */
static bool
unshare_as_user(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	if (unshare(CLONE_NEWUSER | NAMESPACES) < 0)
		return false;
	(void)write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	(void)write_file("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	(void)write_file("/proc/self/gid_map", map);
	return true;
}

uint32_t
cage_namespaces(void)
{
	if (geteuid() == 0 ? unshare(NAMESPACES) == 0 : unshare_as_user())
		return CAGE_NAMESPACES;
	return 0;
}

uint32_t
cage_empty_root(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/tmp", "tmpfs", flags, "size=4k,mode=0555") < 0 || chdir("/tmp") < 0)
		return 0;
	/* The old root is stacked on the new one and then let go. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return 0;
	return CAGE_EMPTY_ROOT;
}

static bool
limit(int resource, rlim_t value)
{
	const struct rlimit bound = { value, value };

	return setrlimit((__rlimit_resource_t)resource, &bound) == 0;
}

/* NOFILE 0 keeps the descriptor that is open and forbids any other. */
static uint32_t
take_rlimits(void)
{
	bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_FSIZE, 0) &&
		  limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_MEMLOCK, 0) &&
		  limit(RLIMIT_MSGQUEUE, 0) && limit(RLIMIT_AS, cage_address_bytes_max());

	return ok ? CAGE_RLIMITS : 0;
}

static uint32_t
become_nobody(void)
{
	if (geteuid() != 0)
		return CAGE_UNPRIVILEGED;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 0;
	return CAGE_UNPRIVILEGED;
}

/* A ruleset that handles every right that this kernel knows and grants none. Its structure grew
 * with the kernel's versions; the header at hand may be older than the kernel. */
static uint32_t
take_landlock(void)
{
	static const struct {
		uint64_t files, network, scopes;
		size_t size;
	} versions[] = {
		{ 0x1fff, 0, 0, 8 },
		{ 0x3fff, 0, 0, 8 },
		{ 0x7fff, 0, 0, 8 },
		{ 0x7fff, 3, 0, 16 },
		{ 0xffff, 3, 0, 16 },
		{ 0xffff, 3, 3, 24 },
	};
	const long count = sizeof(versions) / sizeof(versions[0]);
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* asks for the version */);
	long fd, result;

	if (version <= 0)
		return 0;
	version = version < count ? version : count;
	fd = syscall(
	    SYS_landlock_create_ruleset, &versions[version - 1], versions[version - 1].size, 0);
	if (fd < 0)
		return 0;
	result = syscall(SYS_landlock_restrict_self, (int)fd, 0);
	(void)close((int)fd);
	return result == 0 ? CAGE_LANDLOCK : 0;
}

static void
close_others(int channel)
{
	if (channel > 0)
		(void)close_range(0, (unsigned)channel - 1, 0);
	(void)close_range((unsigned)channel + 1, ~0u, 0);
}

int
cage_close(int channel, uint32_t *layers, struct err *err)
{
	*layers = 0;
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(channel);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "set no_new_privs");
	*layers |= CAGE_NO_NEW_PRIVS;
	*layers |= become_nobody();
	*layers |= take_landlock();
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Becoming another user clears the parent-death signal. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0)
		*layers |= CAGE_MDWE;
	*layers |= take_rlimits();
	*layers |= cage_filter(channel);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Becoming an ordinary user.
 *
 * glibc changes user and groups in all threads, and the kernel takes the capabilities of each that
 * leaves user 0. Root opens nothing in the data folder: its user could have put links there.
 */
#include "runtime/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/give_folder.h"

/* The sanitizer looks for leaks by tracing its own process. */
#ifdef SANITIZED
enum { DUMPABLE = 1 };
#else
enum { DUMPABLE = 0 };
#endif

static bool
is_local_socket(int fd)
{
	struct sockaddr_storage bound = { 0 };
	const struct sockaddr_in *four = (const void *)&bound;
	const struct sockaddr_in6 *six = (const void *)&bound;
	socklen_t len = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
		return false;
	return bound.ss_family == AF_INET
		   ? ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
		   : bound.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static bool
is_local(const char *address)
{
	static const char *const local[] = { "127.", "[::1]:", "localhost:" };

	if (strncmp(address, "fd:", 3) == 0)
		return is_local_socket(atoi(address + 3));
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (strncmp(address, local[i], strlen(local[i])) == 0)
			return true;
	}
	return strcmp(address, "off") == 0;
}

static bool
is_for_this_machine(const struct options *options)
{
	static const enum option_id ids[] = { OPTION_MQTT, OPTION_MQTTS, OPTION_HTTP,
		OPTION_HTTPS };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (!is_local(options_text(options, ids[i])))
			return false;
	}
	return true;
}

/* Root without anybody to become: well enough for a try on one's own machine. */
static int
stay_root(const struct options *options, const char *name, struct err *err)
{
	if (options->values[OPTION_USER].source != SOURCE_DEFAULT)
		return err_set(err, "user: there is no user \"%s\"", name);
	if (!is_for_this_machine(options))
		return err_set(err,
		    "started as root to serve a network, and there is no user \"%s\" to become: "
		    "make one (useradd --system --shell /usr/sbin/nologin %s), name another "
		    "(--user NAME), or insist "
		    "(--user root)",
		    name, name);
	log_warn("moonlet",
	    "runs as root, for there is no user \"%s\" to become; it serves this machine alone",
	    name);
	return 0;
}

static int
choose(struct privilege *privilege, const struct options *options, struct err *err)
{
	const char *name = options_text(options, OPTION_USER);
	bool asked = options->values[OPTION_USER].source != SOURCE_DEFAULT;
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (geteuid() != 0) {
		if (asked && (user == NULL || user->pw_uid != geteuid()))
			return err_set(err,
			    "user: only root can become \"%s\"; start as root, or as that user",
			    name);
		return 0;
	}
	if (user == NULL)
		return stay_root(options, name, err);
	if (user->pw_uid == 0) {
		log_warn("moonlet",
		    "RUNS AS ROOT, as `user` says: a hole in it is a hole in the machine");
		return 0;
	}
	privilege->change = true;
	privilege->uid = user->pw_uid;
	privilege->gid = user->pw_gid;
	(void)snprintf(privilege->name, sizeof(privilege->name), "%s", user->pw_name);
	return 0;
}

/* No program that is run from here on gets any; this one keeps those that it has for now. Threads
 * have this from the one that starts them. */
static void
bound_capabilities(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		(void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

int
privilege_begin(struct privilege *privilege, const struct options *options, struct err *err)
{
	const struct rlimit none = { 0, 0 };

	*privilege = (struct privilege){ 0 };
	/* The database holds what strangers on the machine shall not read, also in a folder that
	 * was there before. */
	(void)umask(umask(0777) | 0027);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "set no_new_privs");
	/* A dump would hold keys, passwords and secrets. */
	if (DUMPABLE == 0) {
		(void)prctl(PR_SET_DUMPABLE, 0);
		(void)setrlimit(RLIMIT_CORE, &none);
	}
	if (choose(privilege, options, err) < 0)
		return -1;
	if (privilege->change)
		bound_capabilities();
	return 0;
}

static int
take_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	/* Each is gone with user 0 already, unless somebody has set bits that keep them. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return err_errno(err, "drop capabilities");
	return 0;
}

static int
become(const struct privilege *privilege, struct err *err)
{
	if (initgroups(privilege->name, privilege->gid) < 0 ||
	    setresgid(privilege->gid, privilege->gid, privilege->gid) < 0 ||
	    setresuid(privilege->uid, privilege->uid, privilege->uid) < 0)
		return err_errno(err, "become user %s", privilege->name);
	if (take_capabilities(err) < 0)
		return -1;
	if (setresuid(0, 0, 0) == 0 || geteuid() != privilege->uid)
		return err_set(err, "become user %s: root could be had back", privilege->name);
	return 0;
}

int
privilege_drop(const struct privilege *privilege, const char *data, struct err *err)
{
	if (!privilege->change)
		return 0;
	if (give_folder(data, privilege->uid, privilege->gid, err) < 0 ||
	    become(privilege, err) < 0)
		return -1;
	if (DUMPABLE == 0)
		(void)prctl(PR_SET_DUMPABLE, 0);
	if (access(data, R_OK | W_OK | X_OK) < 0)
		return err_errno(err,
		    "user %s cannot write in the data folder %s (who owns it, and may the user "
		    "pass the folders above it?)",
		    privilege->name, data);
	log_info("moonlet", "runs as user %s from here on", privilege->name);
	return 0;
}

void
privilege_explain(const struct privilege *privilege, struct err *err)
{
	size_t len = strlen(err->text);

	if (privilege->change && strstr(err->text, strerror(EACCES)) != NULL)
		(void)snprintf(err->text + len, sizeof(err->text) - len,
		    " (started by root, moonlet is user %s since: let that user read it)",
		    privilege->name);
}

/* SPDX-License-Identifier: MIT
 * Starts the zygote and speaks with it (sandbox/zygote.h has the other side).
 */
#include "runtime/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/zygote_report.h"

enum { CHANNEL = 3, HOW_BYTES = 64 };

struct zygote {
	struct loop *loop;
	struct zygote_hooks hooks;
	struct watch watch;
	pid_t pid;
};

int
zygote_program(char *out, size_t size, struct err *err)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len < 0)
		return err_errno(err, "find this program's own file");
	self[len] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	(void)snprintf(out, size, "%s/moonlet-worker", self);
	if (access(out, X_OK) == 0)
		return 0;
	(void)snprintf(out, size, "%s/moonlet-worker", PKGLIBEXECDIR);
	if (access(out, X_OK) == 0)
		return 0;
	return err_set(err, "moonlet-worker is missing: it belongs beside moonlet (%s) or into %s",
	    self, PKGLIBEXECDIR);
}

static int
spawn_program(const char *program, int channel, pid_t *pid)
{
	char *const arguments[] = { (char *)program, (char *)"--zygote", NULL };
	char *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int result;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL);
	(void)posix_spawn_file_actions_addclosefrom_np(&actions, CHANNEL + 1);
	(void)posix_spawnattr_init(&attributes);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	/* A session of its own: a terminal's interrupt is for the host, which then lets it finish. */
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	result = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return result;
}

static void
describe(const struct zygote_report *report, char *how)
{
	const char *name;

	if (report->event == ZYGOTE_KILLED) {
		name = sigabbrev_np(report->detail);
		/* The kernel tells nobody but its own log which call it was. */
		(void)snprintf(how, HOW_BYTES, "killed by SIG%s%s", name != NULL ? name : "?",
		    report->detail == SIGSYS ? " (forbidden system call: journalctl -k)" : "");
	} else if (report->event == ZYGOTE_FAILED) {
		(void)snprintf(
		    how, HOW_BYTES, "could not be started: %s", strerror(report->detail));
	} else {
		(void)snprintf(how, HOW_BYTES, "exited with %d", report->detail);
	}
}

static void
take_report(struct zygote *zygote, const struct zygote_report *report, int fd)
{
	char how[HOW_BYTES];

	if (report->event == ZYGOTE_READY) {
		zygote->hooks.ready(zygote->hooks.arg, (uint32_t)report->detail);
	} else if (report->event == ZYGOTE_STARTED) {
		zygote->hooks.started(zygote->hooks.arg, report->id, fd);
	} else {
		describe(report, how);
		zygote->hooks.ended(zygote->hooks.arg, report->id, how);
	}
}

static void
zygote_ready(void *arg, bool readable, bool writable)
{
	struct zygote *zygote = arg;
	struct zygote_report report;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { &report, sizeof(report) };

	(void)readable;
	(void)writable;
	for (;;) {
		struct msghdr message = { .msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes) };
		ssize_t got = recvmsg(zygote->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
		int fd = -1;

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got != (ssize_t)sizeof(report)) {
			watch_want(&zygote->watch, false, false);
			zygote->hooks.gone(zygote->hooks.arg);
			return;
		}
		if (header != NULL)
			memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		take_report(zygote, &report, fd);
	}
}

struct zygote *
zygote_start(
    struct loop *loop, const char *program, const struct zygote_hooks *hooks, struct err *err)
{
	struct zygote *zygote;
	int pair[2], result;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		(void)err_errno(err, "make a socket pair");
		return NULL;
	}
	result = spawn_program(program, pair[1], &pid);
	(void)close(pair[1]);
	if (result != 0) {
		(void)close(pair[0]);
		(void)err_set(err, "start %s: %s", program, strerror(result));
		return NULL;
	}
	zygote = xcalloc(1, sizeof(*zygote));
	zygote->loop = loop;
	zygote->hooks = *hooks;
	zygote->pid = pid;
	watch_init(&zygote->watch, loop, pair[0], zygote_ready, zygote);
	watch_want(&zygote->watch, true, false);
	return zygote;
}

int
zygote_spawn(struct zygote *zygote, uint64_t id, int channel, struct err *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec part = { &id, sizeof(id) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int result = 0;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &channel, sizeof(channel));
	if (sendmsg(zygote->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		result = err_errno(err, "ask for a worker");
	(void)close(channel);
	return result;
}

void
zygote_stop(struct zygote *zygote)
{
	if (zygote == NULL)
		return;
	watch_clear(&zygote->watch);
	(void)close(zygote->watch.fd);
	(void)kill(zygote->pid, SIGKILL);
	(void)waitpid(zygote->pid, NULL, 0);
	free(zygote);
}

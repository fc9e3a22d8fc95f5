/* SPDX-License-Identifier: MIT
 * The zygote's loop.
 *
 * The process that the host started makes the namespaces and forks: its child is process 1 of
 * them and does the work, it itself only waits. When the host goes, the channel closes; when
 * either of the two dies, the kernel takes the other and all workers along.
 */
#include "sandbox/zygote.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/zygote_report.h"
#include "sandbox/cage.h"

enum { CHILDREN_MAX = 4096 };

struct zygote {
	int channel;
	int signals;
	struct {
		pid_t pid; /* 0: free */
		uint64_t id;
	} children[CHILDREN_MAX];
};

static void
report(const struct zygote *zygote, const struct zygote_report *what, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { (void *)what, sizeof(*what) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	if (sendmsg(zygote->channel, &message, MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* A request's id and descriptor; -1 where the host is gone, 0 where it is not for us. */
static int
receive(const struct zygote *zygote, uint64_t *id, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { id, sizeof(*id) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t got = recvmsg(zygote->channel, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (got == 0 || (got < 0 && errno != EINTR))
		return -1;
	if (got != (ssize_t)sizeof(*id) || header == NULL || header->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return 1;
}

/* Filters of system calls cannot look into clone3's arguments, so some (systemd's
 * RestrictNamespaces, containers') deny that it is there. clone's first three arguments are in this
 * order everywhere but on s390. */
static pid_t
fork_with_pidfd(int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0 && errno == ENOSYS)
		pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
	return pid;
}

static void
remember(struct zygote *zygote, pid_t pid, uint64_t id)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (zygote->children[i].pid == 0) {
			zygote->children[i].pid = pid;
			zygote->children[i].id = id;
			return;
		}
	}
}

static void
start_worker(struct zygote *zygote, uint64_t id, int fd, int (*worker)(int channel))
{
	struct zygote_report what = { .id = id, .event = ZYGOTE_STARTED };
	int pidfd = -1;
	pid_t self = getpid(), pid = fork_with_pidfd(&pidfd);

	if (pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have died before that. */
		_exit(getppid() == self ? worker(fd) : 1);
	}
	if (pid < 0) {
		what.event = ZYGOTE_FAILED;
		what.detail = errno;
	} else {
		remember(zygote, pid, id);
	}
	(void)close(fd);
	report(zygote, &what, pidfd);
	if (pidfd >= 0)
		(void)close(pidfd);
}

static void
report_exit(struct zygote *zygote, pid_t pid, int status)
{
	struct zygote_report what = { .event =
					  WIFSIGNALED(status) ? ZYGOTE_KILLED : ZYGOTE_EXITED };

	what.detail = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (zygote->children[i].pid == pid) {
			what.id = zygote->children[i].id;
			zygote->children[i].pid = 0;
			report(zygote, &what, -1);
			return;
		}
	}
}

static void
reap(struct zygote *zygote)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(zygote->signals, &info, sizeof(info)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		report_exit(zygote, pid, status);
}

static int
serve(struct zygote *zygote, int (*worker)(int channel))
{
	struct pollfd fds[2] = { { .fd = zygote->channel, .events = POLLIN },
		{ .fd = zygote->signals, .events = POLLIN } };

	for (;;) {
		uint64_t id;
		int fd, got;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (fds[1].revents != 0)
			reap(zygote);
		if (fds[0].revents == 0)
			continue;
		got = receive(zygote, &id, &fd);
		if (got < 0)
			return 0;
		if (got > 0)
			start_worker(zygote, id, fd, worker);
	}
}

static int
wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int
zygote_run(int channel, int (*worker)(int channel))
{
	struct zygote *zygote = calloc(1, sizeof(*zygote));
	struct zygote_report ready = { .event = ZYGOTE_READY };
	uint32_t layers = cage_namespaces();
	sigset_t children;
	pid_t inner;

	if (zygote == NULL)
		return 1;
	inner = fork();
	if (inner < 0)
		return 1;
	if (inner > 0) {
		(void)close(channel);
		/* Not by exit(): whoever waits for this one may end it while it tidies up. */
		_exit(wait_for(inner));
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (layers != 0)
		layers |= cage_empty_root();
	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &children, NULL);
	zygote->channel = channel;
	zygote->signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	ready.detail = (int32_t)layers;
	report(zygote, &ready, -1);
	_exit(serve(zygote, worker));
}

/* SPDX-License-Identifier: MIT
 * Starting and killing the program under test.
 */
#include "tests/reliability/victim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_MS = 15000 };

int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
keep_log(const struct victim *victim, const char *text, size_t len)
{
	FILE *file = fopen(victim->log, "a");

	if (file == NULL)
		return;
	(void)fwrite(text, 1, len, file);
	(void)fclose(file);
}

static bool
await_ready(struct victim *victim)
{
	char said[65536] = "";
	size_t len = 0;
	int64_t end_us = now_us() + READY_MS * 1000;

	while (now_us() < end_us && len < sizeof(said) - 1) {
		struct pollfd fd = { .fd = victim->log_fd, .events = POLLIN };
		const char *at;
		ssize_t got;

		if (poll(&fd, 1, 100) != 1)
			continue;
		got = read(victim->log_fd, said + len, sizeof(said) - 1 - len);
		if (got <= 0)
			return false;
		keep_log(victim, said + len, (size_t)got);
		len += (size_t)got;
		said[len] = '\0';
		at = strstr(said, "MQTT on 127.0.0.1:");
		if (at != NULL && strstr(said, "ready") != NULL) {
			victim->port = atoi(at + strlen("MQTT on 127.0.0.1:"));
			return true;
		}
	}
	return false;
}

static bool
spawn(struct victim *victim)
{
	int fds[2];

	if (pipe(fds) != 0)
		return false;
	victim->pid = fork();
	if (victim->pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)execvp(victim->command[0], victim->command);
		perror(victim->command[0]);
		_exit(127);
	}
	(void)close(fds[1]);
	victim->log_fd = fds[0];
	(void)fcntl(victim->log_fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(victim->log_fd, F_SETFL, O_NONBLOCK);
	return victim->pid > 0;
}

bool
victim_start(struct victim *victim)
{
	return spawn(victim) && await_ready(victim);
}

void
victim_stumble(struct victim *victim, int64_t after_us)
{
	if (!spawn(victim))
		return;
	(void)usleep((useconds_t)after_us);
	(void)victim_end(victim, SIGKILL);
}

void
victim_listen(struct victim *victim)
{
	char said[4096];
	ssize_t got;

	while ((got = read(victim->log_fd, said, sizeof(said))) > 0)
		keep_log(victim, said, (size_t)got);
}

int
victim_end(struct victim *victim, int signo)
{
	int status = 0;

	(void)kill(victim->pid, signo);
	(void)waitpid(victim->pid, &status, 0);
	victim_listen(victim);
	(void)close(victim->log_fd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

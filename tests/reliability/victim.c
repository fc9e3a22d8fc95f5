/* SPDX-License-Identifier: MIT
 * Starting and killing the program under test.
 */
#include "tests/reliability/victim.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_MS = 15000, END_MS = 15000, PROCESSES_MAX = 4096, WORKERS_MAX = 64 };

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
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
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

	int64_t end_us = now_us() + END_MS * 1000;

	(void)kill(victim->pid, signo);
	while (waitpid(victim->pid, &status, WNOHANG) == 0) {
		if (now_us() > end_us)
			(void)kill(victim->pid, SIGKILL);
		victim_listen(victim);
		(void)usleep(1000);
	}
	victim_listen(victim);
	(void)close(victim->log_fd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct process {
	pid_t pid;
	pid_t parent;
};

static pid_t
parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	const char *at;
	FILE *file;
	int parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	if (fread(text, 1, sizeof(text) - 1, file) > 0) {
		at = strrchr(text, ')');
		if (at == NULL || sscanf(at + 1, " %*c %d", &parent) != 1)
			parent = 0;
	}
	(void)fclose(file);
	return parent;
}

static size_t
list_processes(struct process *list)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (folder != NULL && count < PROCESSES_MAX && (entry = readdir(folder)) != NULL) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0)
			list[count++] = (struct process){ pid, parent_of(pid) };
	}
	if (folder != NULL)
		(void)closedir(folder);
	return count;
}

static pid_t
listed_parent(const struct process *list, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].pid == pid)
			return list[i].parent;
	}
	return 0;
}

/* How many steps it stands below the victim; 0: it does not. */
static int
depth_below(const struct process *list, size_t count, pid_t pid, pid_t victim)
{
	int depth = 1;

	for (pid = listed_parent(list, count, pid); pid > 1; depth++) {
		if (pid == victim)
			return depth;
		pid = listed_parent(list, count, pid);
	}
	return 0;
}

/* Workers stand lowest, below what starts them; that is left alone when it has none. */
bool
victim_kill_worker(struct victim *victim, unsigned chance)
{
	static struct process list[PROCESSES_MAX];
	pid_t workers[WORKERS_MAX];
	size_t count = list_processes(list), found = 0;

	for (size_t i = 0; i < count && found < WORKERS_MAX; i++) {
		int depth = depth_below(list, count, list[i].pid, victim->pid);

		if (depth < 2 || depth < victim->worker_depth)
			continue;
		if (depth > victim->worker_depth)
			found = 0;
		victim->worker_depth = depth;
		workers[found++] = list[i].pid;
	}
	return found > 0 && kill(workers[chance % found], SIGKILL) == 0;
}

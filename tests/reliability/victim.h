/* SPDX-License-Identifier: MIT
 * The program under test: started, heard until it is ready, killed.
 */
#ifndef TESTS_RELIABILITY_VICTIM_H
#define TESTS_RELIABILITY_VICTIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct victim {
	char **command;
	pid_t pid;
	int log_fd;	  /* its standard error */
	int port;	  /* of MQTT */
	int worker_depth; /* how far below it workers were found */
	const char *log;  /* a file that gets all it says */
};

int64_t now_us(void);

/* Starts it and waits for "MQTT on ADDRESS:PORT" and "ready". False: it ended or said nothing. */
bool victim_start(struct victim *victim);
/* Starts it and kills it again after a moment, ready or not. */
void victim_stumble(struct victim *victim, int64_t after_us);
/* Kills with SIGKILL one of its workers (what stands lowest below it), by chance. False: there is
 * none. */
bool victim_kill_worker(struct victim *victim, unsigned chance);
/* Takes what it has said since. */
void victim_listen(struct victim *victim);
/* Sends the signal and waits; what does not end within 15 seconds is killed. Returns the exit
 * status, or 128 + the signal that ended it. */
int victim_end(struct victim *victim, int signo);

#endif

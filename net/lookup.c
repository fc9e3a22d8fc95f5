/* SPDX-License-Identifier: MIT
 * One question to the resolver. It is shared by the loop and the thread that asks; who lets go of
 * it last frees it, so that a question that hangs can be forgotten.
 */
#include "net/lookup.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"

struct question {
	atomic_int refs;
	int answered[2]; /* a pipe: the thread closes its end when it has the answer */
	char *host;
	char port[6];
	struct addrinfo *addresses;
	int code; /* of getaddrinfo */
};

struct lookup {
	struct question *question;
	struct watch watch;
	struct task task; /* where the answer was there at once */
	struct loop *loop;
	void (*found)(void *arg, const struct addrinfo *addresses, const char *error);
	void *arg;
};

static void
question_unref(struct question *question)
{
	if (atomic_fetch_sub(&question->refs, 1) > 1)
		return;
	if (question->addresses != NULL)
		freeaddrinfo(question->addresses);
	free(question->host);
	free(question);
}

static void
ask(struct question *question, int flags)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };

	question->code = getaddrinfo(question->host, question->port, &hints, &question->addresses);
}

static void *
ask_on_thread(void *arg)
{
	struct question *question = arg;

	ask(question, AI_ADDRCONFIG | AI_NUMERICSERV);
	(void)close(question->answered[1]);
	question_unref(question);
	return NULL;
}

/* The loop's thread alone takes signals. */
static int
start_thread(struct question *question)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	code = pthread_create(&thread, &attributes, ask_on_thread, question);
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code == 0 ? 0 : -1;
}

static void
report(void *arg)
{
	struct lookup *lookup = arg;
	const struct question *question = lookup->question;

	lookup->found(lookup->arg, question->code == 0 ? question->addresses : NULL,
	    gai_strerror(question->code));
}

static void
on_answer(void *arg, bool readable, bool writable)
{
	struct lookup *lookup = arg;

	(void)readable;
	(void)writable;
	watch_clear(&lookup->watch);
	(void)close(lookup->question->answered[0]);
	lookup->question->answered[0] = -1;
	report(lookup);
}

/* False where neither a pipe nor a thread can be had. */
static bool
ask_apart(struct lookup *lookup)
{
	struct question *question = lookup->question;

	if (pipe2(question->answered, O_CLOEXEC | O_NONBLOCK) < 0) {
		question->answered[0] = -1;
		return false;
	}
	atomic_fetch_add(&question->refs, 1);
	if (start_thread(question) < 0) {
		(void)close(question->answered[0]);
		(void)close(question->answered[1]);
		question->answered[0] = -1;
		question_unref(question);
		return false;
	}
	watch_init(&lookup->watch, lookup->loop, question->answered[0], on_answer, lookup);
	watch_want(&lookup->watch, true, false);
	return true;
}

struct lookup *
lookup_start(struct loop *loop, const char *host, uint16_t port,
    void (*found)(void *arg, const struct addrinfo *addresses, const char *error), void *arg)
{
	struct lookup *lookup = xcalloc(1, sizeof(*lookup));
	struct question *question = xcalloc(1, sizeof(*question));

	atomic_init(&question->refs, 1);
	question->answered[0] = -1;
	question->host = xstrdup(host);
	(void)snprintf(question->port, sizeof(question->port), "%u", port);
	*lookup = (struct lookup){ .question = question, .loop = loop, .found = found, .arg = arg };
	task_init(&lookup->task, report, lookup);
	ask(question, AI_NUMERICHOST | AI_NUMERICSERV);
	if (question->code == 0)
		task_schedule(&lookup->task, loop);
	else if (!ask_apart(lookup)) {
		question->code = EAI_AGAIN;
		task_schedule(&lookup->task, loop);
	}
	return lookup;
}

void
lookup_free(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	task_cancel(&lookup->task);
	watch_clear(&lookup->watch);
	if (lookup->question->answered[0] >= 0)
		(void)close(lookup->question->answered[0]);
	question_unref(lookup->question);
	free(lookup);
}

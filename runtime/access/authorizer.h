/* SPDX-License-Identifier: MIT
 * Custom authorizers: functions that are asked who a client is and what it may do (the authorizer
 * trigger, the option `authorizer`). Their answers are remembered for as long as they say.
 *
 * How many may be asked at a time is bounded, and so is how long one may take: from the question to
 * its answer, whatever it waits for.
 */
#ifndef RUNTIME_ACCESS_AUTHORIZER_H
#define RUNTIME_ACCESS_AUTHORIZER_H

#include "runtime/access/authorizer_answer.h"
#include "runtime/access/authorizer_event.h"

struct function;
struct host;
struct authorizers;

enum {
	AUTHORIZER_WAITING_MAX = 1024, /* questions without an answer */
	AUTHORIZER_CACHE_MAX = 1024,   /* answers that are remembered */
	AUTHORIZER_US_MAX = 5000000,
};

struct authorizers *authorizers_new(struct host *host);
/* Who waits is answered: with a problem. While the broker is there. Takes NULL. */
void authorizers_stop(struct authorizers *authorizers);
void authorizers_free(struct authorizers *authorizers); /* after dispatch_free; takes NULL */

/* For the trigger: that a function is one. */
void authorizers_bind(struct authorizers *authorizers, struct function *function);
void authorizers_unbind(struct authorizers *authorizers, struct function *function);

/* Whether the option names any. */
bool authorizers_wanted(const struct host *host);
/* The authorizer of that name; empty: the first that the option names. NULL: the option does not
 * name it, or no function of the name is one; `err` says which. */
struct function *authorizers_find(
    const struct authorizers *authorizers, struct bytes name, struct err *err);

enum authorizer_problem {
	AUTHORIZER_ANSWERED,
	AUTHORIZER_BUSY,   /* too many are asked */
	AUTHORIZER_FAILED, /* an error, nothing that is understood, or too late */
};

struct authorizer_reply {
	enum authorizer_problem problem;
	const struct authorizer_answer *answer; /* NULL where there is a problem */
	const char *text;			/* of the problem; holds no secret */
};

struct authorizer_question {
	struct function *function;
	struct authorizer_event *event;
	const char *address; /* of the client */
	const char *door;    /* "mqtt", "http" */
	bool anew;	     /* not out of memory */
	/* Once, in the call or later. All is borrowed. */
	void (*done)(void *arg, const struct authorizer_reply *reply);
	void *arg;
};

struct asking;
/* NULL: it has been answered in the call. */
struct asking *authorizer_ask(
    struct authorizers *authorizers, const struct authorizer_question *question);
/* `done` will not be called any more. */
void asking_forget(struct asking *asking);

#endif

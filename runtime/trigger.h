/* SPDX-License-Identifier: MIT
 * Triggers, the sources of events: the row that each of them is, and the event that it makes.
 *
 * A row's `bind` is given each element of a function's `on` that names it, as its manifest has it.
 * What it returns stays bound until `unbind`. Binding and unbinding of two versions of a function
 * happen within one turn of the loop: no event falls between them.
 */
#ifndef RUNTIME_TRIGGER_H
#define RUNTIME_TRIGGER_H

#include <cjson/cJSON.h>
#include <string.h>

#include "lib/ack.h"
#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/protocol.h"
#include "lib/writes.h"

struct host;
struct function;
struct occurrence;
struct failed_row;

struct trigger {
	const char *name; /* the key in `on`, and context.trigger */
	const char *help;
	/* Whether the element can be bound at all; everything but clashes with other functions. */
	int (*check)(const cJSON *spec, struct err *err);
	/* NULL with the error. */
	void *(*bind)(
	    struct host *host, struct function *function, const cJSON *spec, struct err *err);
	void (*unbind)(struct host *host, void *binding);
	/* Appends what it listens to, for a person: "iot/ccar-ad/+". */
	void (*describe)(const cJSON *spec, struct buf *out);
};

/* How an invocation ended. Views are borrowed. */
struct outcome {
	bool ok;
	enum result_kind result_kind;
	struct bytes result;
	enum fail_reason reason; /* where not ok */
	struct bytes message;
	struct bytes traceback;
	/* Of one that is ok and that somebody waits for: as in a DONE frame (runtime/effect.h). */
	struct bytes effects;
	uint16_t effect_count;
};

/* Of events that stand durably where they come from until they are handled (a change in the log, a
 * timer, a file), so that they need no row in the queue. Each is for one function. */
struct event_source {
	/* Appends what marks the event as handled: in the transaction that commits its effects, or
	 * that makes it a dead letter. It may rely on versions (writes_expect): where that fails
	 * the event starts anew, with `is_void`. */
	void (*mark)(void *arg, const struct occurrence *event, struct writes *writes);
	/* True where the event has lost its reason meanwhile (a timer was cancelled): it is dropped
	 * and not run. Asked just before it is sent to a worker. May be NULL. */
	bool (*is_void)(void *arg, const struct occurrence *event);
	/* A handler failed. True where the source takes the event back (to submit the parts of a
	 * batch one by one): nothing else becomes of it. May be NULL. */
	bool (*take_failure)(
	    void *arg, const struct occurrence *event, const struct outcome *outcome);
	/* The event becomes the dead letter `failed`, which may be given another id: in place of
	 * `mark`, in the same transaction; again where that has failed. May be NULL: `mark`. */
	void (*give_up)(void *arg, const struct occurrence *event, struct failed_row *failed,
	    struct writes *writes);
	/* Once, the last that is heard of the event: it is handled, or stands in the dead letters
	 * (true), or was dropped, taken back, or the host stops (false). It must not submit events
	 * at once, but in a task. */
	void (*settled)(void *arg, const struct occurrence *event, bool handled);
};

/* What a trigger hands over; views are borrowed and copied by occurrence_new. */
struct happening {
	const char *trigger;
	struct bytes subject; /* topic, "POST /path", ... */
	struct bytes key;     /* for order; empty: the subject */
	struct bytes client_id;
	struct bytes extra; /* JSON object of further context, or empty */
	struct bytes payload;
	enum payload_kind payload_kind;
	uint8_t qos;
	bool retain;
	uint8_t hops;
	unsigned tried;		 /* attempts that have failed before it was handed over */
	int64_t time_ms;	 /* 0: now */
	const uint8_t *event_id; /* EVENT_ID_BYTES; NULL: a new one */
	struct ack *ack; /* held until each function has committed it, or it is stored; or NULL */
	/* For somebody who waits for the result (one function only): called once. Such an event is
	 * not retried. May be NULL. */
	void (*ended)(void *arg, const struct outcome *outcome);
	/* Masks what of the event is secret, in texts that will be logged or traced. Until `ended`
	 * is called. May be NULL: nothing. */
	void (*mask)(void *arg, uint8_t *text, size_t len);
	void *arg;
	const struct event_source *source; /* NULL: it stands nowhere, or in the queue */
	void *source_arg;
	bool dry_run; /* its effects are checked and forgotten */
	bool is_secret; /* nothing of it is traced */
};

/* Shared by the functions that it is for. */
struct occurrence {
	uint32_t refs;
	const char *trigger;
	struct bytes subject;
	struct bytes key;
	struct bytes client_id;
	struct bytes extra;
	struct bytes payload;
	struct ack *ack;
	void (*ended)(void *arg, const struct outcome *outcome);
	void (*mask)(void *arg, uint8_t *text, size_t len);
	void *arg;
	const struct event_source *source;
	void *source_arg;
	int64_t time_ms;
	enum payload_kind payload_kind;
	uint8_t qos;
	bool retain;
	bool dry_run;
	bool is_secret;
	bool handled; /* its mark is durable */
	uint8_t hops;
	unsigned tried;
	uint8_t id[EVENT_ID_BYTES];
	uint8_t data[];
};

struct occurrence *occurrence_new(struct host *host, const struct happening *happening);
struct occurrence *occurrence_hold(struct occurrence *event);
void occurrence_drop(struct occurrence *event); /* takes NULL */

/* For the durable queue. */
void occurrence_encode(const struct occurrence *event, struct buf *out);
/* The event's id alone. False: it does not decode. */
bool occurrence_id(struct bytes encoded, uint8_t id[EVENT_ID_BYTES]);
struct occurrence *occurrence_decode(
    struct host *host, struct bytes encoded); /* NULL: does not decode */

/* Whether it must not be lost: somebody waits for an acknowledgement, or it is stored. */
static inline bool
occurrence_is_kept(const struct occurrence *event)
{
	return event->ack != NULL || event->qos > 0 || event->source != NULL;
}

/* The text is the caller's own. */
static inline void
occurrence_mask(const struct occurrence *event, char *text)
{
	if (event->mask != NULL)
		event->mask(event->arg, (uint8_t *)text, strlen(text));
}

/* Asks its source, if it has one. */
static inline bool
occurrence_is_void(const struct occurrence *event)
{
	return event->source != NULL && event->source->is_void != NULL &&
	       event->source->is_void(event->source_arg, event);
}

#endif

/* SPDX-License-Identifier: MIT
 * One run of a handler as it is kept: all that the worker was sent and all that it said, frame by
 * frame as they were, so that it can be run again.
 */
#ifndef RUNTIME_TRACES_TRACE_RECORD_H
#define RUNTIME_TRACES_TRACE_RECORD_H

#include "lib/frame.h"
#include "lib/protocol.h"

enum trace_end {
	TRACE_DONE = 1, /* it was committed */
	TRACE_FAILED,	/* the handler failed */
	TRACE_REFUSED,	/* it returned, and its commit was refused */
	TRACE_CONFLICT, /* it returned, and ran again for what it had read was changed */
	TRACE_LOST,	/* its worker died */
	TRACE_ENDS
};

extern const char *const trace_end_names[TRACE_ENDS]; /* "done", "failed", ... */

struct trace_record {
	enum trace_end end;
	bool cut;      /* something was too large to be kept: it cannot be run again */
	bool redacted; /* secrets stand as asterisks */
	uint8_t hops;
	uint32_t version;     /* of the function, in that run of the host */
	uint32_t conflicts;   /* before it, of the same attempt */
	int64_t begun_ms;     /* when its event was given to dispatch */
	int64_t took_us;      /* from then to its end */
	uint64_t seed[2];     /* as in HOST_SETUP */
	struct bytes program; /* version of moonlet, of Lua */
	struct bytes function_name;
	struct bytes file;    /* of the function */
	struct bytes key;     /* for order */
	struct bytes invoke;  /* the fields of HOST_INVOKE */
	struct bytes message; /* why it was refused, how its worker died */
	struct bytes entries;
};

void trace_record_write(const struct trace_record *record, struct buf *out);
/* Views are borrowed. False: it is not of this form, or of a later version. */
bool trace_record_read(struct bytes bytes, struct trace_record *record);

enum trace_entry_kind {
	TRACE_CALL = 1, /* WORKER_CALL behind its invocation */
	TRACE_REPLY,	/* HOST_REPLY behind its invocation */
	TRACE_LOG,	/* WORKER_LOG behind its invocation */
	TRACE_RETURNED, /* WORKER_DONE behind its invocation */
	TRACE_RAISED,	/* WORKER_FAILED behind its invocation */
	TRACE_ENTRIES
};

struct trace_entry {
	enum trace_entry_kind kind;
	int64_t at_us; /* since begun_ms */
	struct bytes fields;
};

void trace_entry_write(const struct trace_entry *entry, struct buf *out);
/* False: there are no more. */
bool trace_entry_read(struct cursor *cursor, struct trace_entry *entry);

/* The fields of HOST_INVOKE. */
struct trace_invoke {
	uint32_t timeout_ms;
	uint16_t attempt;
	uint8_t payload_kind;
	uint8_t qos;
	uint8_t retain;
	int64_t time_ms;
	uint8_t id[EVENT_ID_BYTES];
	uint64_t seed[2];
	struct bytes trigger;
	struct bytes subject;
	struct bytes client_id;
	struct bytes extra;
	struct bytes payload;
};

bool trace_invoke_read(struct bytes fields, struct trace_invoke *invoke);

/* What TRACE_CALL begins with, and what is left are the fields of its kind. */
struct trace_call {
	uint32_t number;
	int64_t elapsed_us;
	enum call_kind kind;
	struct bytes fields;
};

bool trace_call_read(struct bytes fields, struct trace_call *call);

/* The same of TRACE_REPLY. */
struct trace_reply {
	uint32_t number;
	int64_t elapsed_us;
	bool ok;
	struct bytes fields;
};

bool trace_reply_read(struct bytes fields, struct trace_reply *reply);

/* Where the bit that says "redacted" stands in what trace_record_write made. */
enum { TRACE_FLAGS_AT = 2, TRACE_FLAG_REDACTED = 2 };

/* Writes asterisks over secrets in the record (as trace_record_write made it): each that its
 * answers hold, wherever it stands, those of less than SECRET_BYTES_MIN in the answer alone; and
 * what its name tells to be one (lib/redact.h) among headers and in URLs, of requests, their
 * answers, left webhooks and the HTTP request that was the event. Lengths stay. */
enum { SECRET_BYTES_MIN = 6 };
void trace_redact(struct buf *record);
/* For events that are secrets in part: by the names in their payload, and by `mask`, wherever it
 * stands in the record. */
void trace_redact_event(
    struct buf *record, void (*mask)(void *arg, uint8_t *text, size_t len), void *arg);
/* What its name tells to be one, in the fields of one entry. True: there was something. Once more
 * changes nothing, so what a repeated run does can be compared with what is in a record. */
bool trace_redact_fields(enum trace_entry_kind kind, uint8_t *fields, size_t len);
/* The same for what comes behind the head of a TRACE_CALL. */
bool trace_redact_call(enum call_kind kind, uint8_t *fields, size_t len);

#endif

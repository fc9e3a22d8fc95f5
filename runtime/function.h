/* SPDX-License-Identifier: MIT
 * Functions and their versions.
 *
 *   function overspeed ─┬─ current: version 3 ── manifest, sources, bindings to triggers
 *                       └─ (version 2 lives on in the invocations that run it)
 *
 * Deploying sends the sources to a worker, which answers with the manifest or says what is wrong;
 * only then does the new version take the place of the old one, within one turn of the loop.
 */
#ifndef RUNTIME_FUNCTION_H
#define RUNTIME_FUNCTION_H

#include "lib/hash.h"
#include "lib/queue.h"
#include "runtime/backlog.h"
#include "runtime/function_folder.h"
#include "runtime/host.h"
#include "runtime/manifest.h"
#include "runtime/metrics.h"

struct worker;

/* One version: what a worker is given to make an image of. */
struct version {
	uint32_t refs;
	uint32_t number; /* unique in this run of the host */
	char hash[17];	 /* of its sources: the same wherever and whenever they run */
	struct function *function;
	struct buf load;  /* the LOAD frame */
	struct blob *traced; /* what of it stands in traces, and the digest; NULL: in none yet */
	uint8_t traced_digest[16];
	uint64_t workers; /* bits: which workers hold its image */
	uint32_t image_bytes;
	TAILQ_ENTRY(version) coming_link; /* in unsent or unanswered, while it is coming */
	struct worker *loader;		  /* NULL: in unsent */
	bool suspect;			  /* a worker was lost while it loaded this and others */
	int64_t used_us;
	struct manifest *manifest; /* NULL until it is loaded */
	char *file;		   /* as errors name it */
	struct buf source;	   /* of the file, to find lines in */
};

struct function {
	struct hash_node link; /* by name */
	struct host *host;
	struct version *current; /* NULL: none could be loaded yet */
	struct version *coming;	 /* being loaded */
	void *bindings[MANIFEST_TRIGGERS_MAX];
	uint64_t seed[2]; /* what its events' random numbers are made of, with their ids */
	uint32_t home;	  /* which worker it prefers */
	uint32_t refs; /* the table's own, events' and invocations' */
	bool removed;
	char *problem;	  /* why its newest file does not serve; NULL: it does */
	uint32_t crashes; /* in a row */
	struct function_metrics metrics;
	struct counter *counters;
	size_t counter_count;
	/* dispatch.c */
	struct hash_map lanes;
	uint32_t load;	       /* events that run or wait */
	uint32_t running;      /* sent to workers */
	int64_t full_since_us; /* 0: not full */
	struct backlog_part backlog;
	uint32_t timers_firing; /* runtime/timers.c */
	bool timers_behind;	/* some were passed over for those */
	uint32_t stuck;	       /* workers whose stage it has kept too long right now */
	char name[FUNCTION_NAME_BYTES_MAX + 1];
};

struct functions {
	struct host *host;
	struct hash_map map;
	uint32_t next_version;
	uint32_t next_home;
	uint32_t loading; /* length of both lists */
	TAILQ_HEAD(versions, version) unsent;
	struct versions unanswered;
	/* Called when nothing is being loaded any more (start), once. */
	void (*settled)(void *arg);
	void *settled_arg;
};

struct functions *functions_new(struct host *host);
void functions_free(struct functions *functions);

struct function *function_find(struct functions *functions, struct bytes name); /* NULL: none */
void function_hold(struct function *function);
void function_drop(struct function *function);

/* Loads the sources as the function's next version. Ends with a log line, and the function's
 * problem where it failed. */
void function_deploy(struct functions *functions, const struct function_sources *sources);
/* It is there and cannot be read. */
void function_broken(struct functions *functions, const char *name, const char *problem);
void function_remove(struct functions *functions, const char *name);

void version_hold(struct version *version);
void version_drop(struct version *version);

/* From the worker's link. `version` is the one whose LOAD was sent. */
void function_loaded(struct version *version, uint32_t image_bytes, struct bytes manifest);
void function_refused(struct version *version, const char *message);

#endif

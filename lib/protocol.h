/* SPDX-License-Identifier: MIT
 * What host and worker say to each other, frame by frame (lib/frame.h). The fields stand behind
 * each type in their order. The host is trusted by the worker; nothing that a worker sends is
 * trusted by the host: a frame that does not decode, or that the worker may not send in its
 * state, ends the worker.
 *
 * Numbers: `invocation` is given by the host, unique in the life of a worker and never 0; a run
 * again gets a new one. `function` stands for one version of one function; it is never reused.
 */
#ifndef LIB_PROTOCOL_H
#define LIB_PROTOCOL_H

enum { PROTOCOL_VERSION = 1, EVENT_ID_BYTES = 16, DB_GETS_MAX = 100, FILES_READ_BYTES_MAX = 262144 };

/* Of state and timers. */
enum { KEYED_NAME_BYTES_MAX = 128, KEYED_VALUE_BYTES_MAX = 65536 };
/* About ten years. */
#define TIMER_DELAY_MS_MAX ((int64_t)3660 * 86400 * 1000)

enum host_frame {
	/* First, once: u32 protocol version; u64 seed, u64 seed (of strings' hashes, and of random
	 * numbers while a file is loaded: images depend on them); u64 image_bytes_max (all images
	 * and waiting invocations together). */
	HOST_SETUP = 1,
	/* Make an image: u32 function; u8 enum load_kind; bytes name; u32 memory_bytes_max;
	 * u32 load_timeout_ms; u16 files; files times: bytes path, bytes source.
	 * The first file is the one that is run; `path` is what errors name ("overspeed.lua").
	 * The others are what `require` finds ("lib/geo.lua" is require "lib.geo" or "geo"). */
	HOST_LOAD = 2,
	/* Forget an image: u32 function. */
	HOST_DROP = 3,
	/* Run: u64 invocation; u32 function; u32 lane (0: in no order); u32 lane_epoch;
	 * u32 timeout_ms; u16 attempt (1 is the first); u8 enum payload_kind; u8 qos; u8 retain;
	 * i64 time_ms; EVENT_ID_BYTES raw bytes: event id; u64 seed, u64 seed (of its random
	 * numbers); bytes trigger ("topic", "http", ...);
	 * bytes subject (the topic; for http "POST /path"); bytes client_id;
	 * bytes extra (empty, or a JSON object whose members become members of `context`);
	 * bytes payload. */
	HOST_INVOKE = 4,
	/* Answers WORKER_CALL: u64 invocation; u32 call; u64 elapsed_us (what the handler's clock
	 * shows from now on: the call's own and the time that the answer took); u8 ok; then, where ok is 0: bytes message;
	 * where it is 1 what stands with the enum call_kind. */
	HOST_REPLY = 5,
	/* Give up a waiting or queued invocation: u64 invocation. Answered by WORKER_FAILED with
	 * FAIL_CANCELLED unless it has ended already. */
	HOST_CANCEL = 6,
	/* The tables that there are, in place of those told before: u16 tables; tables times:
	 * a definition (lib/table_def.h). */
	HOST_TABLES = 7,
};

enum load_kind {
	LOAD_FUNCTION,	    /* the file returns a function's table */
	LOAD_CONFIGURATION, /* the file assigns settings; LOADED carries them, no image is kept */
};

enum payload_kind {
	PAYLOAD_AUTO, /* JSON where it parses, else the raw string */
	PAYLOAD_RAW,  /* the raw string */
};

enum worker_frame {
	/* First, once: u32 protocol version; u32 bits of enum cage_layer; bytes Lua version. */
	WORKER_READY = 1,
	/* u32 function; u32 image_bytes; bytes manifest (JSON; functions stand as true). For
	 * LOAD_CONFIGURATION: {"settings": {...}, "lines": {"name": line, ...}}. */
	WORKER_LOADED = 2,
	/* u32 function; bytes message ("overspeed.lua:12: unexpected symbol near '='"). */
	WORKER_REFUSED = 3,
	/* Something that waits: u64 invocation; u32 call (counts up from 1 in each invocation);
	 * u64 elapsed_us (since its run began); u8 enum call_kind; fields of the kind. */
	WORKER_CALL = 4,
	/* A line: u64 invocation (0 while loading); u8 enum log_level; bytes text. */
	WORKER_LOG = 5,
	/* The handler returned: u64 invocation; u32 cpu_us; u32 stage_bytes (used at the end);
	 * u8 enum result_kind; bytes result; u16 effects; effects times: u8 enum effect_kind and
	 * its fields, in the order in which the handler made them. */
	WORKER_DONE = 6,
	/* u64 invocation; u32 cpu_us; u8 enum fail_reason; bytes message; bytes traceback. */
	WORKER_FAILED = 7,
	/* Not run, for an earlier one of its lane and epoch failed: u64 invocation. */
	WORKER_SKIPPED = 8,
};

enum result_kind { RESULT_NONE, RESULT_JSON, RESULT_RAW };

enum fail_reason {
	FAIL_ERROR = 1, /* the handler raised */
	FAIL_TIMEOUT,
	FAIL_MEMORY,
	FAIL_LIMIT, /* too many effects, log lines, calls, a result too large */
	FAIL_CANCELLED,
	FAIL_NO_FUNCTION, /* no image of that number */
};

enum call_kind {
	/* bytes method; bytes url; u32 timeout_ms (0: default); u8 redirects_max; u16 headers;
	 * headers times: bytes name, bytes value; bytes body.
	 * Reply: u16 status; u16 headers; headers times: bytes name, bytes value; bytes body. */
	CALL_HTTP = 1,
	/* bytes thing; bytes shadow name (empty: classic).
	 * Reply: u64 version of its row (0: there never was one); bytes document (JSON); empty where
	 * there is none. */
	CALL_SHADOW_GET,
	/* bytes function name; bytes payload. Reply: u8 enum result_kind; bytes result. */
	CALL_INVOKE,
	/* bytes name. Reply: bytes secret. */
	CALL_SECRET,
	/* u16 gets, 1 to DB_GETS_MAX; gets times: bytes table; bytes key (lib/item_key.h).
	 * Reply, for each: u64 version (0: no such row); bytes item (JSON; empty: there is none,
	 * or it has expired). */
	CALL_DB_GET,
	/* bytes name. Reply: u64 version (0: there is none); bytes value (JSON). */
	CALL_STATE_GET,
	/* A query's fields (lib/table_query.h); u16 pending, up to QUERY_PENDING_MAX; pending
	 * times, what the run has written to the table: bytes key; bytes item (empty: deleted).
	 * Reply: u32 rows; u64 digest; bytes lower; bytes upper; bytes next; u32 items; items times:
	 * bytes item (JSON). */
	CALL_DB_QUERY,
	/* bytes path; i64 offset; u32 length, 1 to FILES_READ_BYTES_MAX. Reply: i64 size of the file;
	 * bytes content (less than length only at the file's end). */
	CALL_FILES_READ,
};

enum effect_kind {
	/* u8 qos; u8 retain; u32 expiry_s (0: none); bytes topic; bytes payload;
	 * bytes properties (as in an MQTT 5 PUBLISH, without their length; may be empty). */
	EFFECT_PUBLISH = 1,
	/* u8 enum shadow_operation; bytes thing; bytes shadow name; bytes document (JSON). */
	EFFECT_SHADOW,
	/* bytes function name; bytes payload. */
	EFFECT_INVOKE,
	/* bytes name; i64 value times 1000 (a counter of the handler's own; may be negative). */
	EFFECT_METRIC,
	/* bytes table; bytes item (JSON). */
	EFFECT_DB_PUT,
	/* bytes table; bytes key. */
	EFFECT_DB_DELETE,
	/* What the handler has read, and relies on: u8 enum read_kind; bytes table (of a state: its
	 * name; of a shadow: the thing); bytes key (of a shadow: its name);
	 * u64 version (0: there was none). Of a state: its name, nothing, version. */
	EFFECT_READ,
	/* bytes name; bytes value (JSON; empty: it is deleted). */
	EFFECT_STATE,
	/* u8 enum timer_operation; bytes name; bytes payload (JSON, or empty); i64 delay_ms. */
	EFFECT_TIMER,
	/* The rows that a query has looked at: u8 reverse; bytes table; bytes index; bytes lower;
	 * bytes upper; u32 rows; u64 digest. */
	EFFECT_READ_ROWS,
	/* bytes url; bytes request: the fields of CALL_HTTP. */
	EFFECT_WEBHOOK,
};

enum read_kind { READ_ITEM, READ_STATE, READ_SHADOW };

enum timer_operation { TIMER_SET, TIMER_CANCEL };

enum shadow_operation { SHADOW_UPDATE, SHADOW_DELETE };

/* Bits of WORKER_READY: what confines this worker, as far as this kernel lets it. */
enum cage_layer {
	CAGE_RLIMITS = 1 << 0,
	CAGE_NAMESPACES = 1 << 1,
	CAGE_EMPTY_ROOT = 1 << 2,
	CAGE_NO_NEW_PRIVS = 1 << 3,
	CAGE_LANDLOCK = 1 << 4,
	CAGE_SECCOMP = 1 << 5,
	CAGE_MDWE = 1 << 6,
	CAGE_UNPRIVILEGED = 1 << 7, /* runs under an unprivileged user and group */
};

#endif

/* SPDX-License-Identifier: MIT
 * What an operator can set: one row for each option, from which the command line's help, the
 * configuration file's names, the environment's names and the manual are made.
 *
 * A value comes from the highest source that names it: flag, environment, file, default.
 */
#ifndef RUNTIME_OPTIONS_H
#define RUNTIME_OPTIONS_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/table_def.h"

enum option_id {
	OPTION_FUNCTIONS,
	OPTION_DATA,
	OPTION_FILES,
	OPTION_MQTT,
	OPTION_HTTP,
	OPTION_MQTTS,
	OPTION_HTTPS,
	OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY,
	OPTION_TLS_CA,
	OPTION_TLS_CLIENT,
	OPTION_HTTPS_CLIENT,
	OPTION_ANONYMOUS,
	OPTION_PLAIN_PASSWORDS,
	OPTION_JWT_JWKS_URL,
	OPTION_JWT_ISSUER,
	OPTION_JWT_AUDIENCE,
	OPTION_JWT_POLICIES,
	OPTION_AUTHORIZER,
	OPTION_WS_ORIGINS,
	OPTION_METRICS,
	OPTION_USER,
	OPTION_WORKERS,
	OPTION_LOG,
	OPTION_LOG_LEVEL,
	/* limits */
	OPTION_TIMEOUT_MS,
	OPTION_TIMEOUT_MS_MAX,
	OPTION_MEMORY_BYTES,
	OPTION_MEMORY_BYTES_MAX,
	OPTION_RETRIES,
	OPTION_IN_FLIGHT_MAX,
	OPTION_EVENT_AGE_MS_MAX,
	OPTION_HOPS_MAX,
	OPTION_PAYLOAD_BYTES_MAX,
	OPTION_CLIENTS_MAX,
	OPTION_CONNECTS_PER_SECOND_MAX,
	OPTION_ADDRESS_CONNECTIONS_MAX,
	OPTION_ADDRESS_CONNECTS_PER_SECOND_MAX,
	OPTION_ADDRESS_EXEMPT,
	OPTION_TCP_KEEP_ALIVE_MS,
	OPTION_SESSIONS_MAX,
	OPTION_IDENTITY_SESSIONS_MAX,
	OPTION_CONNECT_TIMEOUT_MS,
	OPTION_PACKET_TIMEOUT_MS,
	OPTION_STUCK_TIMEOUT_MS,
	OPTION_CLIENT_MESSAGES_PER_SECOND_MAX,
	OPTION_CLIENT_BYTES_PER_SECOND_MAX,
	OPTION_CLIENT_PATIENCE_MS,
	OPTION_SUBSCRIPTIONS_MAX,
	OPTION_SUBSCRIPTIONS_TOTAL_MAX,
	OPTION_TOPIC_BYTES_MAX,
	OPTION_TOPIC_LEVELS_MAX,
	OPTION_TLS_HANDSHAKES_MAX,
	OPTION_KEEP_ALIVE_MS_MAX,
	OPTION_RECEIVE_MAXIMUM,
	OPTION_SEND_MAXIMUM,
	OPTION_TOPIC_ALIAS_MAXIMUM,
	OPTION_SESSION_MESSAGES_MAX,
	OPTION_SESSION_BYTES_MAX,
	OPTION_SESSION_EXPIRY_MS_MAX,
	OPTION_MESSAGES_BYTES_MAX,
	OPTION_RETAINED_MAX,
	OPTION_RETAINED_BYTES_MAX,
	OPTION_OUTPUT_BYTES_MAX,
	OPTION_OUTPUT_TOTAL_BYTES_MAX,
	OPTION_INPUT_TOTAL_BYTES_MAX,
	OPTION_HTTP_CLIENTS_MAX,
	OPTION_HTTP_BODY_BYTES_MAX,
	OPTION_HTTP_HEAD_TIMEOUT_MS,
	OPTION_HTTP_BODY_TIMEOUT_MS,
	OPTION_HTTP_IDLE_TIMEOUT_MS,
	OPTION_HTTP_REQUESTS_MAX,
	OPTION_IMAGES_BYTES_MAX,
	OPTION_STORE_JOBS_MAX,
	OPTION_DATABASE_BYTES_MAX,
	OPTION_RECORDS_BYTES_MAX,
	OPTION_SHADOWS_MAX,
	OPTION_STATES_MAX,
	OPTION_TIMERS_MAX,
	OPTION_TIMERS_PER_SECOND_MAX,
	OPTION_WEBHOOK_RETRIES,
	OPTION_WEBHOOK_BACKOFF_MS,
	OPTION_WEBHOOK_BACKOFF_MS_MAX,
	OPTION_WEBHOOK_AGE_MS_MAX,
	OPTION_WEBHOOKS_MAX,
	OPTION_WEBHOOKS_BYTES_MAX,
	OPTION_FORGET_AFTER_MS,
	OPTION_FAILED_MAX,
	OPTION_FAILED_AGE_MS_MAX,
	OPTION_CHANGES_BYTES_MAX,
	OPTION_CHANGES_AGE_MS_MAX,
	OPTION_DRAIN_TIMEOUT_MS,
	OPTION_TRACE_SAMPLE,
	OPTION_TRACE_COUNT_MAX,
	OPTION_TRACE_BYTES_MAX,
	OPTION_TRACE_AGE_MS_MAX,
	OPTION_COUNT
};

enum option_type {
	OPTION_TEXT,	 /* any text, not empty */
	OPTION_FOLDERS,	 /* "files", "inbox=/srv/in,scans=/mnt/scans" (runtime/files/file_folders.h)
			  */
	OPTION_ADDRESS,	 /* "127.0.0.1:1883", "[::1]:0", "off" */
	OPTION_CHOICE,	 /* one of `choices` */
	OPTION_NUMBER,	 /* "4" */
	OPTION_BYTES,	 /* "256KiB", "16MB" (1 MB is 1 MiB here), "262144" */
	OPTION_DURATION, /* "500ms", "3s", "15min", "6h", "2d"; kept in milliseconds */
};

struct option {
	const char *name;    /* in the file; --name with dashes; MOONLET_NAME in capitals */
	const char *value;   /* what its value is called in help: "DIR" */
	const char *initial; /* the default, as a user would write it */
	const char *help;    /* one line, no full stop */
	const char *choices; /* of OPTION_CHOICE: "human json" */
	int64_t min, max;    /* of numbers, inclusive */
	enum option_type type;
	bool limit;    /* stands in the file's table `limits` */
	bool at_start; /* read when the host starts; a change holds from the next start */
};

extern const struct option option_table[OPTION_COUNT];

enum option_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

/* An existing broker to take events from. */
struct broker_setting {
	char *name;	 /* how logs and `moonlet ls` call it */
	char *url;	 /* mqtt://[user:pass@]host[:port]; mqtts:// for TLS */
	char *client_id; /* NULL: made up */
	char *share;	 /* name of the shared subscription; "off": not shared */
	char *ca;	 /* TLS: who may have signed the broker's certificate; NULL: the system's */
	char *cert;	 /* that is shown to the broker; NULL: none */
	char *key;
};

/* The kinds of access that functions declare. */
enum allow_kind {
	ALLOW_PUBLISH,
	ALLOW_SHADOW,
	ALLOW_HTTP,
	ALLOW_INVOKE,
	ALLOW_SECRETS,
	ALLOW_DB,
	ALLOW_FILES,
	ALLOW_KINDS
};
extern const char *const allow_kind_names[ALLOW_KINDS]; /* "publish", ... */

/* The most that functions may declare: patterns for each kind. A kind that is named and has no
 * pattern is refused to all; a kind that is not named is not narrowed. */
struct allow_setting {
	enum allow_kind kind;
	char *pattern;
};

struct secret_setting {
	char *name;
	char *value;
};

enum { BROKERS_MAX = 16, SECRETS_MAX = 256, ALLOWS_MAX = 1024 };

struct option_value {
	char *text;
	int64_t number; /* of numbers, bytes and durations */
	enum option_source source;
};

struct options {
	struct option_value values[OPTION_COUNT];
	struct broker_setting brokers[BROKERS_MAX];
	size_t broker_count;
	enum option_source broker_source;
	struct secret_setting secrets[SECRETS_MAX];
	size_t secret_count;
	struct allow_setting allows[ALLOWS_MAX];
	size_t allow_count;
	struct table_def *tables; /* as the configuration defines them */
	size_t table_count;
	/* The host writes where MQTT listens and a line end to it when it is ready, and closes it;
	 * -1: nobody waits for that. */
	int ready_fd;
	uint32_t allow_kinds; /* bits by enum allow_kind: which are named */
};

void options_init(struct options *options); /* the defaults */
void options_clear(struct options *options);
/* Sets what flags have set in `from`. */
void options_copy_flags(struct options *options, const struct options *from);
/* Takes over what `fresh` has: all but options that are read at start and brokers. */
void options_take(struct options *options, struct options *fresh);

/* Sets from text. A source below the one that has set it already changes nothing, but the text is
 * checked all the same. -1: what is wrong with the text ("must be a number from 1 to 256"). */
int options_set(struct options *options, enum option_id id, const char *text,
    enum option_source source, struct err *err) __attribute__((warn_unused_result));
/* Adds a broker. A higher source's brokers replace a lower one's. */
int options_add_broker(struct options *options, const struct broker_setting *broker,
    enum option_source source, struct err *err) __attribute__((warn_unused_result));
/* Every MOONLET_* variable that names an option. -1: one has a wrong value, or names nothing. */
int options_from_environment(struct options *options, char *const *environment, struct err *err)
    __attribute__((warn_unused_result));

static inline const char *
options_text(const struct options *options, enum option_id id)
{
	return options->values[id].text;
}

static inline int64_t
options_number(const struct options *options, enum option_id id)
{
	return options->values[id].number;
}

/* NULL where there is no such secret. Borrowed from options. */
const char *options_secret(const struct options *options, struct bytes name);

/* Writes asterisks over the configuration's secrets in the text, those of six bytes and more. */
void options_mask_secrets(const struct options *options, uint8_t *text, size_t len);

/* The row of a name as it stands in the file ("log_level") or as a flag ("log-level"); OPTION_COUNT
 * where there is none. */
enum option_id option_find(struct bytes name);
/* The option's name that is nearest to a wrong one; NULL where none is near. */
const char *option_nearest(struct bytes name);

/* Reading values; also for functions' tables ("3s", "8MB"). -1: not of this form. */
int duration_parse(const char *text, int64_t *ms) __attribute__((warn_unused_result));
int size_parse(const char *text, int64_t *bytes) __attribute__((warn_unused_result));

#endif

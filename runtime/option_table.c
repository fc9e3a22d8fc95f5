/* SPDX-License-Identifier: MIT
 * The rows of the option table.
 */
#include "runtime/options.h"

#define KIB (1024LL)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND (1000LL)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* clang-format off */
const struct option option_table[OPTION_COUNT] = {
	[OPTION_FUNCTIONS] = { "functions", "DIR", "functions",
	    "folder of the functions", .type = OPTION_TEXT },
	[OPTION_DATA] = { "data", "DIR", "data",
	    "folder of what is kept; one running host for each", .type = OPTION_TEXT },
	[OPTION_MQTT] = { "mqtt", "ADDR:PORT", "127.0.0.1:1883",
	    "where MQTT clients connect; port 0 picks a free one, off: nowhere", .type = OPTION_ADDRESS },
	[OPTION_HTTP] = { "http", "ADDR:PORT", "127.0.0.1:8080",
	    "where HTTP is served; port 0 picks a free one, off: nowhere", .type = OPTION_ADDRESS },
	[OPTION_WORKERS] = { "workers", "N", "0",
	    "worker processes; 0: one for each core", .type = OPTION_NUMBER, .min = 0, .max = 256 },
	[OPTION_LOG] = { "log", "FORMAT", "human",
	    "how lines of the log look: human, json", .type = OPTION_CHOICE, .choices = "human json" },
	[OPTION_LOG_LEVEL] = { "log_level", "LEVEL", "info",
	    "least level that is logged: debug, info, warn, error", .type = OPTION_CHOICE,
	    .choices = "debug info warn error" },

	[OPTION_TIMEOUT_MS] = { "timeout", "DURATION", "3s",
	    "of an invocation, where its function names none", .type = OPTION_DURATION,
	    .min = 1, .max = 15 * MINUTE, .limit = true },
	[OPTION_TIMEOUT_MS_MAX] = { "timeout_max", "DURATION", "15min",
	    "longest timeout that a function may name", .type = OPTION_DURATION,
	    .min = 1, .max = 15 * MINUTE, .limit = true },
	[OPTION_MEMORY_BYTES] = { "memory", "SIZE", "16MiB",
	    "of a function's Lua state, where it names none", .type = OPTION_BYTES,
	    .min = 256 * KIB, .max = GIB, .limit = true },
	[OPTION_MEMORY_BYTES_MAX] = { "memory_max", "SIZE", "256MiB",
	    "most memory that a function may name", .type = OPTION_BYTES,
	    .min = 256 * KIB, .max = GIB, .limit = true },
	[OPTION_RETRIES] = { "retries", "N", "2",
	    "of a failed event, where its function names none", .type = OPTION_NUMBER,
	    .min = 0, .max = 100, .limit = true },
	[OPTION_IN_FLIGHT_MAX] = { "in_flight_max", "N", "1000",
	    "events of one function that run or wait; beyond, sources are held back", .type = OPTION_NUMBER,
	    .min = 1, .max = 1000000, .limit = true },
	[OPTION_EVENT_AGE_MS_MAX] = { "event_age_max", "DURATION", "6h",
	    "older events are not retried, they go to the failed ones", .type = OPTION_DURATION,
	    .min = SECOND, .max = 365 * DAY, .limit = true },
	[OPTION_HOPS_MAX] = { "hops_max", "N", "16",
	    "how often functions may trigger each other in a row", .type = OPTION_NUMBER,
	    .min = 1, .max = 255, .limit = true },
	[OPTION_PAYLOAD_BYTES_MAX] = { "payload_bytes_max", "SIZE", "256KiB",
	    "of a message", .type = OPTION_BYTES, .min = 128, .max = 8 * MIB, .limit = true },
	[OPTION_CLIENTS_MAX] = { "clients_max", "N", "20000",
	    "MQTT clients that are connected", .type = OPTION_NUMBER, .min = 1, .max = 1000000,
	    .limit = true },
	[OPTION_CONNECT_TIMEOUT_MS] = { "connect_timeout", "DURATION", "10s",
	    "until a new MQTT connection must have said who it is", .type = OPTION_DURATION,
	    .min = 100, .max = HOUR, .limit = true },
	[OPTION_RECEIVE_MAXIMUM] = { "receive_maximum", "N", "100",
	    "QoS 1 and 2 messages of one client on their way to the host", .type = OPTION_NUMBER,
	    .min = 1, .max = 65535, .limit = true },
	[OPTION_TOPIC_ALIAS_MAXIMUM] = { "topic_alias_maximum", "N", "32",
	    "topic aliases of one client", .type = OPTION_NUMBER, .min = 0, .max = 65535, .limit = true },
	[OPTION_SESSION_MESSAGES_MAX] = { "session_messages_max", "N", "1000",
	    "messages kept for a client that is away or slow", .type = OPTION_NUMBER,
	    .min = 1, .max = 1000000, .limit = true },
	[OPTION_SESSION_EXPIRY_MS_MAX] = { "session_expiry_max", "DURATION", "7d",
	    "how long a session may outlive its connection", .type = OPTION_DURATION,
	    .min = 0, .max = 49710 * DAY, .limit = true },
	[OPTION_OUTPUT_BYTES_MAX] = { "output_bytes_max", "SIZE", "8MiB",
	    "waiting for a client that reads slowly; beyond, QoS 0 is dropped", .type = OPTION_BYTES,
	    .min = 64 * KIB, .max = GIB, .limit = true },
	[OPTION_HTTP_CLIENTS_MAX] = { "http_clients_max", "N", "1000",
	    "HTTP connections", .type = OPTION_NUMBER, .min = 1, .max = 100000, .limit = true },
	[OPTION_HTTP_BODY_BYTES_MAX] = { "http_body_bytes_max", "SIZE", "256KiB",
	    "of an HTTP request, and of the response to a handler's", .type = OPTION_BYTES,
	    .min = KIB, .max = 8 * MIB, .limit = true },
	[OPTION_IMAGES_BYTES_MAX] = { "images_bytes_max", "SIZE", "512MiB",
	    "images and waiting invocations of one worker", .type = OPTION_BYTES,
	    .min = MIB, .max = 64 * GIB, .limit = true },
	[OPTION_STORE_JOBS_MAX] = { "store_jobs_max", "N", "20000",
	    "transactions that wait for the disk; beyond, sources are held back", .type = OPTION_NUMBER,
	    .min = 1, .max = 1000000, .limit = true },
	[OPTION_DRAIN_TIMEOUT_MS] = { "drain_timeout", "DURATION", "10s",
	    "for what runs to end when the host is stopped", .type = OPTION_DURATION,
	    .min = 0, .max = HOUR, .limit = true },
};
/* clang-format on */

const char *const allow_kind_names[ALLOW_KINDS] = { "publish", "shadow", "http", "invoke",
	"secrets" };

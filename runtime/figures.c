/* SPDX-License-Identifier: MIT
 * Tables of figures. Most are rows of (name, help, where it stands in its struct).
 */
#include "runtime/figures.h"

#include <dirent.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const type_names[] = {
	[FIGURE_COUNTER] = "counter",
	[FIGURE_GAUGE] = "gauge",
	[FIGURE_HISTOGRAM] = "histogram",
};

void
figures_family(struct buf *out, const char *name, enum figure_type type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_names[type]);
}

void
figures_sample(struct buf *out, const char *name, const char *labels, double value)
{
	buf_append_string(out, name);
	if (labels[0] != '\0')
		buf_printf(out, "{%s}", labels);
	if (isinf(value))
		buf_append_string(out, value > 0 ? " +Inf\n" : " -Inf\n");
	else if (value == floor(value) && fabs(value) < 1e15)
		buf_printf(out, " %lld\n", (long long)value);
	else
		buf_printf(out, " %.9g\n", value);
}

void
figures_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	figures_family(out, name, FIGURE_COUNTER, help);
	figures_sample(out, name, "", (double)value);
}

void
figures_gauge(struct buf *out, const char *name, const char *help, double value)
{
	figures_family(out, name, FIGURE_GAUGE, help);
	figures_sample(out, name, "", value);
}

void
figures_label(struct buf *labels, const char *name, struct bytes value)
{
	buf_printf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c == '\n')
			buf_append_string(labels, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(labels, "\\%c", c);
		else
			buf_append_u8(labels, c);
	}
	buf_append_string(labels, "\"");
}

void
figures_histogram(
    struct buf *out, const char *name, const struct latency *latency, struct buf *label)
{
	size_t own = label->len;
	uint64_t below = 0;
	char text[64];
	struct buf sample = { 0 };

	for (int i = 0; i <= LATENCY_SLOTS; i++) {
		below = i < LATENCY_SLOTS ? below + latency->slots[i] : latency->count;
		if (i < LATENCY_SLOTS)
			(void)snprintf(text, sizeof(text), "%.6g", (double)(1ull << i) / 1e6);
		else
			(void)snprintf(text, sizeof(text), "+Inf");
		label->len = own;
		figures_label(label, "le", bytes_of_string(text));
		buf_reset(&sample);
		buf_printf(&sample, "%s_bucket", name);
		figures_sample(out, buf_string(&sample), buf_string(label), (double)below);
	}
	label->len = own;
	buf_reset(&sample);
	buf_printf(&sample, "%s_sum", name);
	figures_sample(out, buf_string(&sample), buf_string(label), (double)latency->sum_us / 1e6);
	buf_reset(&sample);
	buf_printf(&sample, "%s_count", name);
	figures_sample(out, buf_string(&sample), buf_string(label), (double)latency->count);
	buf_clear(&sample);
}

static const struct {
	const char *name;
	const char *help;
	size_t offset;
} broker_counters[] = {
	{ "moonlet_mqtt_connections_total", "Connections that were accepted.",
	    offsetof(struct broker_metrics, connections_total) },
	{ "moonlet_mqtt_connections_refused_total", "Connections that were refused.",
	    offsetof(struct broker_metrics, refused_connections) },
	{ "moonlet_mqtt_messages_received_total", "Messages from clients.",
	    offsetof(struct broker_metrics, messages_in) },
	{ "moonlet_mqtt_messages_sent_total", "Messages to clients.",
	    offsetof(struct broker_metrics, messages_out) },
	{ "moonlet_mqtt_received_bytes_total", "Bytes from clients.",
	    offsetof(struct broker_metrics, bytes_in) },
	{ "moonlet_mqtt_sent_bytes_total", "Bytes to clients.",
	    offsetof(struct broker_metrics, bytes_out) },
	{ "moonlet_mqtt_dropped_slow_total", "QoS 0 messages that a slow client did not get.",
	    offsetof(struct broker_metrics, dropped_slow) },
	{ "moonlet_mqtt_dropped_queue_full_total", "Messages that a full session did not get.",
	    offsetof(struct broker_metrics, dropped_queue_full) },
	{ "moonlet_mqtt_dropped_expired_total", "Messages whose expiry was over.",
	    offsetof(struct broker_metrics, dropped_expired) },
	{ "moonlet_mqtt_refused_retained_total",
	    "Retained messages refused, for there are too many.",
	    offsetof(struct broker_metrics, refused_retained) },
	{ "moonlet_mqtt_held_back_total", "How often a client was too quick and not read.",
	    offsetof(struct broker_metrics, held_back) },
	{ "moonlet_mqtt_cut_rate_total", "Clients that were too quick for too long.",
	    offsetof(struct broker_metrics, ended_rate) },
	{ "moonlet_mqtt_cut_stuck_total", "Clients that took nothing of what they were sent.",
	    offsetof(struct broker_metrics, ended_stuck) },
	{ "moonlet_mqtt_cut_input_total",
	    "Connections cut for unfinished packets, of all too many.",
	    offsetof(struct broker_metrics, ended_input) },
	{ "moonlet_mqtt_cut_silent_total",
	    "Connections cut for no CONNECT, half a packet or no word in time.",
	    offsetof(struct broker_metrics, ended_silent) },
	{ "moonlet_mqtt_refused_subscriptions_total",
	    "Subscriptions refused, for there are too many.",
	    offsetof(struct broker_metrics, refused_subscriptions) },
	{ "moonlet_mqtt_refused_sessions_total",
	    "Clients refused, for there are too many sessions.",
	    offsetof(struct broker_metrics, refused_sessions) },
	{ "moonlet_mqtt_refused_topics_total", "Topics and filters that were too long or too deep.",
	    offsetof(struct broker_metrics, refused_topics) },
	{ "moonlet_mqtt_protocol_errors_total", "Connections ended for what they sent.",
	    offsetof(struct broker_metrics, protocol_errors) },
};

void
figures_broker(struct buf *out, const struct broker_metrics *metrics)
{
	for (size_t i = 0; i < sizeof(broker_counters) / sizeof(broker_counters[0]); i++) {
		uint64_t value;

		memcpy(&value, (const char *)metrics + broker_counters[i].offset, sizeof(value));
		figures_counter(out, broker_counters[i].name, broker_counters[i].help, value);
	}
	figures_gauge(out, "moonlet_mqtt_clients", "Clients that are connected.", metrics->clients);
	figures_gauge(out, "moonlet_mqtt_messages_bytes",
	    "Messages that are kept, retained ones too.", (double)metrics->kept_bytes);
	figures_gauge(out, "moonlet_mqtt_sessions", "Sessions, those of clients that are away too.",
	    metrics->sessions);
	figures_gauge(out, "moonlet_mqtt_subscriptions", "Subscriptions.", metrics->subscriptions);
	figures_gauge(out, "moonlet_mqtt_retained", "Retained messages.", metrics->retained);
}

void
figures_store(struct buf *out, const struct store_figures *figures, enum store_health health)
{
	struct buf label = { 0 };

	figures_counter(
	    out, "moonlet_store_jobs_total", "Transactions that were run.", figures->jobs);
	figures_counter(out, "moonlet_store_jobs_failed_total", "Transactions that failed.",
	    figures->jobs_failed);
	figures_counter(out, "moonlet_store_commits_total",
	    "Commits to the disk; each carries all transactions that waited.", figures->groups);
	figures_family(out, "moonlet_store_busy_seconds_total", FIGURE_COUNTER,
	    "Time in transactions and commits.");
	figures_sample(out, "moonlet_store_busy_seconds_total", "", (double)figures->busy_us / 1e6);
	figures_gauge(out, "moonlet_store_waiting_jobs", "Transactions that wait.",
	    (double)figures->waiting_jobs);
	figures_gauge(out, "moonlet_store_waiting_bytes", "What waiting transactions hold.",
	    (double)figures->waiting_bytes);
	figures_gauge(out, "moonlet_store_commit_age_seconds",
	    "How long the commit under way has taken so far; 0 where none is.",
	    (double)figures->age_us / 1e6);
	figures_family(out, "moonlet_store_loop_blocked_seconds", FIGURE_HISTOGRAM,
	    "What the loop waited for the store's thread when it handed over or took back work.");
	figures_histogram(out, "moonlet_store_loop_blocked_seconds", &figures->blocked, &label);
	buf_clear(&label);
	figures_gauge(out, "moonlet_store_healthy", "1 where the last commit succeeded, else 0.",
	    health == STORE_GREEN ? 1 : 0);
}

void
figures_http(struct buf *out, const struct http_server *server, const struct http_client *client)
{
	figures_gauge(out, "moonlet_http_connections", "HTTP connections that are open.",
	    http_server_connections(server));
	figures_counter(out, "moonlet_http_refused_total",
	    "HTTP connections refused, for there were too many.",
	    http_server_figures(server)->refused);
	figures_counter(out, "moonlet_http_cut_slow_total",
	    "HTTP connections whose request took too long.", http_server_figures(server)->cut_slow);
	figures_counter(out, "moonlet_http_cut_idle_total",
	    "HTTP connections without a request that made room for others.",
	    http_server_figures(server)->cut_idle);
	figures_gauge(out, "moonlet_http_requests_active",
	    "HTTP requests of handlers that are under way or wait.", http_client_active(client));
}

/* The second word of /proc/self/statm: pages in memory. */
static double
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long total = 0, resident = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double
open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	double count = 0;

	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count - 3; /* ".", ".." and the folder's own */
}

void
figures_process(struct buf *out)
{
	struct rusage usage;

	figures_gauge(out, "process_resident_memory_bytes", "Memory of the host's process.",
	    resident_bytes());
	figures_gauge(out, "process_open_fds", "Open descriptors of the host.", open_descriptors());
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	figures_family(out, "process_cpu_seconds_total", FIGURE_COUNTER,
	    "Processor time of the host's process.");
	figures_sample(out, "process_cpu_seconds_total", "",
	    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

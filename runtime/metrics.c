/* SPDX-License-Identifier: MIT
 * Functions' and workers' families, one row each.
 */
#include "runtime/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/changes/change_follower.h"
#include "runtime/dead_letters.h"
#include "runtime/dispatch.h"
#include "runtime/figures.h"
#include "runtime/function.h"
#include "runtime/leftovers.h"
#include "runtime/pool.h"
#include "runtime/traces/tracer.h"
#include "runtime/webhooks.h"

enum { NAMES_MAX = 100 };

void
metrics_count(struct function *function, struct bytes name, int64_t thousandths)
{
	struct counter *counter = function->counters;

	while (counter != NULL && !bytes_equal_string(name, counter->name))
		counter = counter->next;
	if (counter == NULL) {
		if (function->counter_count == NAMES_MAX)
			return;
		function->counter_count++;
		counter = xcalloc(1, sizeof(*counter) + name.len + 1);
		memcpy(counter->name, name.data, name.len);
		counter->next = function->counters;
		function->counters = counter;
	}
	counter->thousandths += thousandths;
}

void
metrics_forget(struct function *function)
{
	while (function->counters != NULL) {
		struct counter *counter = function->counters;

		function->counters = counter->next;
		free(counter);
	}
}

static const struct {
	const char *name;
	const char *help;
	size_t at;
} counters[] = {
	{ "moonlet_function_events_total", "Events that a function was given.",
	    offsetof(struct function_metrics, events) },
	{ "moonlet_function_invocations_total", "Runs of a function, runs again included.",
	    offsetof(struct function_metrics, invocations) },
	{ "moonlet_function_errors_total", "Runs that failed, timeouts apart.",
	    offsetof(struct function_metrics, errors) },
	{ "moonlet_function_timeouts_total", "Runs that were ended by their deadline.",
	    offsetof(struct function_metrics, timeouts) },
	{ "moonlet_function_crashes_total", "Runs that took their worker process along.",
	    offsetof(struct function_metrics, crashes) },
	{ "moonlet_function_retries_total", "Runs again after a failure.",
	    offsetof(struct function_metrics, retries) },
	{ "moonlet_function_conflicts_total",
	    "Invocations run again, for what they had read was changed meanwhile.",
	    offsetof(struct function_metrics, conflicts) },
	{ "moonlet_function_dead_letters_total", "Events given up.",
	    offsetof(struct function_metrics, dead_letters) },
	{ "moonlet_function_shed_total", "Events refused because the function had too much to do.",
	    offsetof(struct function_metrics, shed) },
};

static void
label_of(const struct function *function, struct buf *label)
{
	buf_reset(label);
	figures_label(label, "function", bytes_of_string(function->name));
}

#define EACH_FUNCTION(functions, at, function)                                          \
	for (struct hash_node *at = hash_next(&(functions)->map, NULL); at != NULL;     \
	     at = hash_next(&(functions)->map, at))                                     \
		for (struct function *function = HASH_OWNER(at, struct function, link); \
		     function != NULL; function = NULL)

static void
write_counters(struct functions *functions, struct buf *out, struct buf *label)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		figures_family(out, counters[i].name, FIGURE_COUNTER, counters[i].help);
		EACH_FUNCTION(functions, at, function)
		{
			uint64_t value;

			memcpy(&value, (const char *)&function->metrics + counters[i].at,
			    sizeof(value));
			label_of(function, label);
			figures_sample(out, counters[i].name, buf_string(label), (double)value);
		}
	}
}

static void
write_histograms(struct functions *functions, struct buf *out, struct buf *label)
{
	static const struct {
		const char *name;
		const char *help;
		size_t at;
	} histograms[] = {
		{ "moonlet_function_latency_seconds", "From an event's arrival to its commit.",
		    offsetof(struct function_metrics, latency) },
		{ "moonlet_function_busy_seconds", "Time of a run on its worker's stage.",
		    offsetof(struct function_metrics, busy) },
	};

	for (size_t i = 0; i < sizeof(histograms) / sizeof(histograms[0]); i++) {
		figures_family(out, histograms[i].name, FIGURE_HISTOGRAM, histograms[i].help);
		EACH_FUNCTION(functions, at, function)
		{
			const struct latency *latency = (const struct latency *)(const void
				*)((const char *)&function->metrics + histograms[i].at);

			label_of(function, label);
			figures_histogram(out, histograms[i].name, latency, label);
		}
	}
}

static void
write_own(struct functions *functions, struct buf *out, struct buf *label)
{
	figures_family(out, "moonlet_function_metric_total", FIGURE_COUNTER,
	    "What functions count themselves (metric.add).");
	EACH_FUNCTION(functions, at, function)
	{
		for (struct counter *own = function->counters; own != NULL; own = own->next) {
			label_of(function, label);
			figures_label(label, "name", bytes_of_string(own->name));
			figures_sample(out, "moonlet_function_metric_total", buf_string(label),
			    (double)own->thousandths / 1000);
		}
	}
}

static void
write_depth(struct functions *functions, struct buf *out, struct buf *label)
{
	figures_family(out, "moonlet_function_queue_depth", FIGURE_GAUGE,
	    "Events of a function that run or wait.");
	EACH_FUNCTION(functions, at, function)
	{
		label_of(function, label);
		figures_sample(
		    out, "moonlet_function_queue_depth", buf_string(label), function->load);
	}
}

static void
write_webhooks(const struct host *host, struct buf *out)
{
	struct webhook_figures figures;

	if (host->webhooks == NULL)
		return;
	figures = webhooks_figures(host->webhooks);
	figures_counter(
	    out, "moonlet_webhooks_sent_total", "Webhooks that were taken.", figures.sent);
	figures_counter(out, "moonlet_webhook_attempts_failed_total",
	    "Attempts to send a webhook that failed.", figures.failed);
	figures_counter(out, "moonlet_webhooks_given_up_total",
	    "Webhooks that were given up; they stand among the failed events.", figures.given_up);
	figures_gauge(out, "moonlet_webhooks_waiting",
	    "Webhooks that are due or under way, as far as they are in memory.", figures.waiting);
	figures_gauge(out, "moonlet_webhooks_stored",
	    "Webhooks that are stored and not sent; webhooks_max bounds them.",
	    (double)figures.stored.count);
	figures_gauge(out, "moonlet_webhooks_stored_bytes",
	    "The same, by their size; webhooks_bytes_max bounds it.", (double)figures.stored.bytes);
	figures_counter(out, "moonlet_webhooks_refused_total",
	    "Commits that were refused because too many webhooks wait.", figures.refused);
}

static void
write_leftovers(const struct host *host, struct buf *out)
{
	const struct leftovers_figures figures = leftovers_figures(host->leftovers);

	figures_gauge(out, "moonlet_gone_functions",
	    "Functions that are no more and of which something is stored.",
	    (double)figures.functions);
	figures_gauge(out, "moonlet_gone_functions_waiting",
	    "Events, timers and parked changes that wait for such a function.",
	    (double)figures.waiting);
}

void
metrics_write(struct host *host, struct buf *out)
{
	struct buf label = { 0 };

	write_counters(host->functions, out, &label);
	write_depth(host->functions, out, &label);
	write_histograms(host->functions, out, &label);
	write_own(host->functions, out, &label);
	change_followers_figures(host->change_followers, out);
	figures_gauge(
	    out, "moonlet_workers", "Worker processes that serve.", pool_serving(host->pool));
	figures_counter(out, "moonlet_worker_restarts_total",
	    "Worker processes that were replaced.", host->pool->restarts);
	figures_counter(out, "moonlet_dispatch_taken_back_total",
	    "Events that were moved away from a worker that was busy too long.",
	    host->dispatch->taken_back);
	figures_gauge(out, "moonlet_image_bytes", "Images of functions in all workers.",
	    (double)pool_image_bytes(host->pool));
	figures_gauge(out, "moonlet_queue_waiting",
	    "Events of the durable queue that are in memory.", backlog_waiting(host->backlog));
	figures_gauge(out, "moonlet_queue_behind",
	    "Functions of which more events wait on the disk.", backlog_behind(host->backlog));
	figures_counter(out, "moonlet_failed_dropped_total",
	    "Failed events that left because there were too many or they were too old.",
	    dead_letters_dropped(host->dead_letters));
	write_webhooks(host, out);
	write_leftovers(host, out);
	if (host->tracer != NULL) {
		const struct tracer_figures traces = tracer_figures(host->tracer);

		figures_counter(out, "moonlet_traces_total",
		    "Runs of which a trace was kept (moonlet trace).", traces.kept);
		figures_counter(out, "moonlet_traces_dropped_total",
		    "Traces that were not kept: too many at once, or a disk that refused them.",
		    traces.dropped);
	}
	buf_clear(&label);
}

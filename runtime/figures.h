/* SPDX-License-Identifier: MIT
 * Figures in Prometheus' text form 0.0.4, and those of the gateway, the store and HTTP.
 */
#ifndef RUNTIME_FIGURES_H
#define RUNTIME_FIGURES_H

#include "lib/bytes.h"
#include "lib/latency.h"
#include "net/broker.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "store/store.h"

enum figure_type { FIGURE_COUNTER, FIGURE_GAUGE, FIGURE_HISTOGRAM };

/* Begins a family: its samples follow at once. A counter's name ends in _total. */
void figures_family(struct buf *out, const char *name, enum figure_type type, const char *help);
/* One sample without labels, family included. */
void figures_counter(struct buf *out, const char *name, const char *help, uint64_t value);
void figures_gauge(struct buf *out, const char *name, const char *help, double value);
/* One sample; `labels` is what figures_label has made, or "". */
void figures_sample(struct buf *out, const char *name, const char *labels, double value);
/* The samples of a histogram; `label` is what they have besides, and is as it was afterwards. */
void figures_histogram(
    struct buf *out, const char *name, const struct latency *latency, struct buf *label);
/* Appends name="value" with the value escaped, and a comma where `labels` is not empty. */
void figures_label(struct buf *labels, const char *name, struct bytes value);

void figures_broker(struct buf *out, const struct broker_metrics *metrics);
void figures_store(struct buf *out, const struct store_figures *figures, enum store_health health);
void figures_http(
    struct buf *out, const struct http_server *server, const struct http_client *client);
/* The host's own process: memory, descriptors, processor time, start. */
void figures_process(struct buf *out);

#endif

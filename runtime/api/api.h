/* SPDX-License-Identifier: MIT
 * The control API: HTTP and JSON over a Unix socket in the data folder, for the command line. Who
 * may open the socket (mode 0600) may do everything.
 *
 * Each api_<subject>.c has a table of its routes; api.c joins the tables.
 */
#ifndef RUNTIME_API_API_H
#define RUNTIME_API_API_H

#include "lib/err.h"
#include "net/http_server.h"

struct api;
struct broker;
struct host;
struct log_ring;
struct shadow_service;
struct health;
struct store;

/* All borrowed, for as long as the api lives. */
struct api_parts {
	struct loop *loop;
	struct conn_group *group;
	struct host *host;
	struct broker *broker;
	struct store *store;
	struct log_ring *log_ring;
	struct shadow_service *shadow_service;
	void (*health)(void *arg, struct health *health);
	void *health_arg;
};

/* Opens the socket at `path`. */
struct api *api_open(const struct api_parts *parts, const char *path, struct err *err)
    __attribute__((warn_unused_result));
/* Streams end; the connections are gone after the loop's next turn. Takes NULL. */
void api_close(struct api *api);

#endif

/* SPDX-License-Identifier: MIT
 * The host's entry: joins all the parts, runs them, and takes them apart again in order.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/access/access.h"
#include "runtime/access/authorizer.h"
#include "runtime/access/registration.h"
#include "runtime/api/api.h"
#include "runtime/api/data_plane.h"
#include "runtime/api/web.h"
#include "runtime/changes/change_follower.h"
#include "runtime/commands/command.h"
#include "runtime/commit.h"
#include "runtime/deploy.h"
#include "runtime/doors.h"
#include "runtime/entrance.h"
#include "runtime/figures.h"
#include "runtime/files/files.h"
#include "runtime/function.h"
#include "runtime/gateway.h"
#include "runtime/http_call.h"
#include "runtime/leftovers.h"
#include "runtime/log_ring.h"
#include "runtime/manager.h"
#include "runtime/pool.h"
#include "runtime/presence.h"
#include "runtime/records.h"
#include "runtime/reload.h"
#include "runtime/restore.h"
#include "runtime/shadow_follow.h"
#include "runtime/shadow_service.h"
#include "runtime/tables.h"
#include "runtime/tickers.h"
#include "runtime/timers.h"
#include "runtime/traces/tracer.h"
#include "runtime/webhooks.h"
#include "triggers/external.h"
#include "triggers/triggers.h"

enum { LOADS_WAIT_US = 10000000 };

/* What only main holds. */
struct service {
	struct host host;
	struct deploy *deploy;
	struct web *web;
	struct api *api;
	struct log_ring *log_ring;
	struct reload *reload;
	struct watch store_watch;
	struct timer drain_timer;
	struct timer ready_timer;
	bool ready;
	int64_t drain_until_us;
};

static void
store_ready(void *arg, bool readable, bool writable)
{
	struct host *host = arg;

	(void)readable;
	(void)writable;
	store_poll(host->store);
	gateway_store_polled(host);
}

static int
open_store(struct service *service, struct err *err)
{
	struct host *host = &service->host;
	const struct store_config config = { .folder = options_text(host->options, OPTION_DATA),
		.sys = &sys_posix,
		.jobs_max = (size_t)options_number(host->options, OPTION_STORE_JOBS_MAX),
		.size_max = (uint64_t)options_number(host->options, OPTION_DATABASE_BYTES_MAX) };

	host->store = store_open(&config, err);
	if (host->store == NULL)
		return -1;
	watch_init(&service->store_watch, host->loop, store_fd(host->store), store_ready, host);
	watch_want(&service->store_watch, true, false);
	return 0;
}

/* The secret that seeds handlers' random numbers is the same over restarts. */
struct secret_job {
	struct store_job job;
	uint64_t secret[2];
};

static int
read_secret(struct txn *txn, struct store_job *job, struct err *err)
{
	struct secret_job *secret = (struct secret_job *)(void *)job;
	struct bytes key = bytes_of_string("handler_secret");
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_META, key, &value, NULL, err);

	if (found == 1 && value.len == sizeof(secret->secret))
		memcpy(secret->secret, value.data, sizeof(secret->secret));
	else if (found >= 0)
		found = txn_put(
		    txn, SPACE_META, key, bytes_of(secret->secret, sizeof(secret->secret)), err);
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
secret_done(struct store_job *job)
{
	(void)job;
}

static int
load_secret(struct host *host, struct err *err)
{
	struct secret_job job = { .job = { .run = read_secret, .done = secret_done } };

	loop_sys(host->loop)->random(job.secret, sizeof(job.secret));
	if (store_run(host->store, &job.job, err) < 0)
		return err_prefix(err, "read the host's secret");
	memcpy(host->secret, job.secret, sizeof(host->secret));
	host->seed[0] = hash_keyed(host->secret, bytes_of_string("worker 0"));
	host->seed[1] = hash_keyed(host->secret, bytes_of_string("worker 1"));
	return 0;
}

static bool
has_function(void *arg, struct bytes topic)
{
	struct host *host = arg;
	struct followers followers = { 0 };
	const struct message message = { .topic = topic };
	bool found;

	followers_of_message(&followers, host, &message, NULL);
	found = followers.count > 0;
	followers_drop(&followers);
	free(followers.list);
	return found;
}

static size_t
shadows_max(void *arg)
{
	return (size_t)options_number(((struct host *)arg)->options, OPTION_SHADOWS_MAX);
}

static int
open_gateway(struct service *service, struct err *err)
{
	struct host *host = &service->host;
	struct shadow_parts parts = { .loop = host->loop,
		.store = host->store,
		.has_function = has_function,
		.shadows_max = shadows_max,
		.arg = host };
	struct restore_figures figures = { 0 };

	if (access_open(host, err) < 0 || registration_open(host, err) < 0)
		return -1;
	gateway_open(host);
	host->records = records_new(
	    host->store, (size_t)options_number(host->options, OPTION_RECORDS_BYTES_MAX));
	host->tables = tables_new(host);
	host->timers = timers_new(host);
	if (tables_restore(host->tables, err) < 0 ||
	    tables_declare(host->tables, host->options, err) < 0)
		return -1;
	host->shadow_watches = shadow_watches_new(host);
	host->presences = presences_new(host);
	host->change_followers = change_followers_new(host);
	host->tickers = tickers_new(host);
	host->leftovers = leftovers_new(host);
	host->files = files_new(host, options_text(host->options, OPTION_FILES), err);
	if (host->files == NULL)
		return -1;
	parts.broker = host->broker;
	parts.watches = host->shadow_watches;
	host->shadow_service = shadow_service_new(&parts);
	return restore_broker(host->store, host->broker, &figures, err);
}

static unsigned
worker_count(const struct options *options)
{
	int64_t wanted = options_number(options, OPTION_WORKERS);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted > 0)
		return (unsigned)wanted < WORKERS_MAX / 2 ? (unsigned)wanted : WORKERS_MAX / 2;
	return cores < 1 ? 1 : cores > WORKERS_MAX / 2 ? WORKERS_MAX / 2 : (unsigned)cores;
}

static void
source_changed(void *arg, const struct function_sources *sources)
{
	struct host *host = arg;

	function_deploy(host->functions, sources);
}

static void
source_broken(void *arg, const char *name, const char *problem)
{
	struct host *host = arg;

	function_broken(host->functions, name, problem);
}

static void
source_removed(void *arg, const char *name)
{
	struct host *host = arg;

	function_remove(host->functions, name);
}

static void
fill_health(void *arg, struct health *health)
{
	struct host *host = arg;

	health->store = store_health(host->store);
	health->workers = pool_serving(host->pool);
	health->workers_wanted = host->pool->wanted;
	health->cage_layers = host->pool->layers;
	health->lua_version = host->pool->layers_known ? host->pool->lua_version : NULL;
#ifdef SYSTEM_LUA
	health->lua_is_systems = true;
#endif
	for (struct hash_node *at = hash_next(&host->functions->map, NULL); at != NULL;
	     at = hash_next(&host->functions->map, at)) {
		const struct function *function = HASH_OWNER(at, struct function, link);

		health->functions += function->current != NULL;
		health->functions_failed += function->problem != NULL;
	}
	external_health(host->external, health);
	health->draining = host->draining;
}

static void
write_metrics(void *arg, struct buf *out)
{
	struct service *service = arg;
	struct host *host = &service->host;

	figures_broker(out, broker_metrics(host->broker));
	const struct store_figures store = store_figures(host->store);

	figures_store(out, &store, store_health(host->store));
	tables_write_metrics(host->tables, out);
	entrance_figures(host, out);
	figures_http(out, host->http_server, host->http_client);
	external_figures(host->external, out);
	timers_write_figures(host->timers, out);
	doors_figures(host->doors, out);
	access_write_figures(host->access, out);
	ingest_figures(host, out);
	metrics_write(host, out);
	figures_process(out);
}

static int
open_web(struct service *service, struct err *err)
{
	struct host *host = &service->host;
	const struct web_parts parts = { .loop = host->loop,
		.group = host->group,
		.config = web_config(host->options, host->gate),
		.options = host->options,
		.health = fill_health,
		.metrics = write_metrics,
		.arg = service };

	service->web = web_open(&parts, options_text(host->options, OPTION_HTTP), err);
	if (service->web == NULL)
		return -1;
	host->http_server = web_server(service->web);
	host->http_client = http_call_client(host->loop, host->options);
	host->webhooks = webhooks_new(host);
	return 0;
}

static int
open_log_ring(struct service *service, struct err *err)
{
	const struct log_ring_config config = {
		.function_lines_max = 500, .bytes_max = 8388608, .pending_max = 10000
	};

	service->log_ring = log_ring_new(service->host.loop, &config, err);
	return service->log_ring != NULL ? 0 : -1;
}

static int
open_api(struct service *service, struct err *err)
{
	struct host *host = &service->host;
	const struct api_parts parts = { .loop = host->loop,
		.group = host->group,
		.host = host,
		.broker = host->broker,
		.store = host->store,
		.log_ring = service->log_ring,
		.shadow_service = host->shadow_service,
		.health = fill_health,
		.health_arg = service };
	struct buf path = { 0 };

	buf_printf(&path, "%s/moonlet.sock", options_text(host->options, OPTION_DATA));
	service->api = api_open(&parts, buf_string(&path), err);
	buf_clear(&path);
	return service->api != NULL ? 0 : -1;
}

/* Functions are loaded: what was left in the queue goes on, and the doors open. */
static void
go(void *arg)
{
	struct service *service = arg;
	struct host *host = &service->host;
	struct err err;

	if (service->ready)
		return;
	service->ready = true;
	timer_cancel(&service->ready_timer);
	if (backlog_restore(host, &err) < 0 ||
	    shadow_service_drain(host->shadow_service, &err) < 0 ||
	    presences_restore(host->presences, &err) < 0)
		log_error("moonlet", "%s", err.text);
	if (host->mqtt != NULL) {
		listener_pause(host->mqtt, false);
		log_info("gateway", "MQTT on %s", listener_address(host->mqtt));
	}
	if (http_server_address(host->http_server) != NULL)
		log_info("http", "HTTP on %s", http_server_address(host->http_server));
	change_followers_start(host->change_followers);
	tickers_start(host->tickers);
	leftovers_start(host->leftovers);
	files_start(host->files);
	doors_pause(host->doors, false);
	external_start(host->external);
	webhooks_start(host->webhooks);
	timers_start(host->timers);
	tables_start(host->tables);
	store_serve(host->store);
	log_info("moonlet", "ready");
	early_clear(&host->early);
	manager_ready(host->manager);
	if (host->options->ready_fd > 0 && host->mqtt != NULL)
		dprintf(host->options->ready_fd, "%s\n", listener_address(host->mqtt));
}

static void
resume_external(struct host *host)
{
	external_resume(host->external);
}

static int
open_external(struct host *host, struct err *err)
{
	host->external = external_open(host, err);
	host->resume = resume_external;
	return host->external != NULL ? 0 : -1;
}

static int
open_all(struct service *service, struct err *err)
{
	struct host *host = &service->host;
	const struct deploy_hooks hooks = { host, source_changed, source_broken, source_removed };

	if (entrance_open(host, err) < 0 || open_log_ring(service, err) < 0 ||
	    open_store(service, err) < 0 || load_secret(host, err) < 0 ||
	    open_gateway(service, err) < 0 || open_web(service, err) < 0 ||
	    entrance_listen(host, err) < 0)
		return -1;
	host->doors = doors_open(host, err);
	if (host->doors == NULL)
		return -1;
	host->data_plane = data_plane_open(host, err);
	if (host->data_plane == NULL || open_external(host, err) < 0)
		return -1;
	host->dispatch = dispatch_new(host);
	host->tracer = tracer_new(host);
	host->functions = functions_new(host);
	host->functions->settled = go;
	host->functions->settled_arg = service;
	host->pool = pool_new(host, worker_count(host->options), err);
	if (host->pool == NULL || open_api(service, err) < 0)
		return -1;
	service->deploy =
	    deploy_new(host->loop, options_text(host->options, OPTION_FUNCTIONS), &hooks, err);
	if (service->deploy == NULL)
		return -1;
	timer_init(&service->ready_timer, host->loop, go, service);
	timer_set(&service->ready_timer, host->functions->loading > 0 ? LOADS_WAIT_US : 0);
	return 0;
}

static void
check_drained(void *arg)
{
	struct service *service = arg;
	struct host *host = &service->host;

	if (dispatch_is_idle(host->dispatch) || loop_now_us(host->loop) > service->drain_until_us) {
		loop_stop(host->loop);
		return;
	}
	timer_set(&service->drain_timer, 5000);
}

/* Twice: at once. */
static void
stop(void *arg)
{
	struct service *service = arg;
	struct host *host = &service->host;

	if (host->draining) {
		loop_stop(host->loop);
		return;
	}
	host->draining = true;
	log_info("moonlet", "stopping: what runs is finished first");
	if (host->mqtt != NULL)
		listener_pause(host->mqtt, true);
	doors_pause(host->doors, true);
	broker_hold(host->broker);
	http_server_drain(host->http_server);
	external_hold(host->external);
	manager_stopping(host->manager, options_number(host->options, OPTION_DRAIN_TIMEOUT_MS));
	service->drain_until_us =
	    loop_now_us(host->loop) + options_number(host->options, OPTION_DRAIN_TIMEOUT_MS) * 1000;
	check_drained(service);
}

static void
one_turn(struct loop *loop)
{
	struct err err;

	if (loop_turn(loop, false, &err) < 0)
		log_error("moonlet", "%s", err.text);
}

static void
stop_sources(struct host *host)
{
	timers_stop(host->timers);
	if (host->change_followers != NULL)
		change_followers_stop(host->change_followers);
	if (host->tickers != NULL)
		tickers_stop(host->tickers);
	if (host->files != NULL)
		files_stop(host->files);
	leftovers_stop(host->leftovers);
	tables_stop(host->tables);
}

static void
close_all(struct service *service)
{
	struct host *host = &service->host;

	deploy_free(service->deploy);
	api_close(service->api);
	external_free(host->external);
	host->external = NULL;
	if (host->broker != NULL)
		broker_shut(host->broker);
	one_turn(host->loop);
	stop_sources(host);
	webhooks_free(host->webhooks);
	host->webhooks = NULL;
	authorizers_stop(host->authorizers);
	dispatch_stop(host->dispatch);
	dispatch_free(host->dispatch);
	host->dispatch = NULL;
	pool_free(host->pool);
	host->pool = NULL;
	functions_free(host->functions);
	change_followers_free(host->change_followers);
	tickers_free(host->tickers);
	files_free(host->files);
	access_stop(host);
	http_client_free(host->http_client);
	web_close(service->web);
	data_plane_close(host->data_plane);
	presences_stop(host->presences);
	if (host->shadow_service != NULL)
		shadow_service_stop(host->shadow_service);
	watch_clear(&service->store_watch);
	tracer_stop(host->tracer);
	registration_stop(host);
	store_close(host->store);
	leftovers_free(host->leftovers);
	manager_free(host->manager);
	tracer_free(host->tracer);
	host->tracer = NULL;
	broker_free(host->broker);
	access_close(host);
	registration_close(host);
	shadow_service_free(host->shadow_service);
	tables_free(host->tables);
	timers_free(host->timers);
	records_free(host->records);
	shadow_watches_free(host->shadow_watches);
	presences_free(host->presences);
	one_turn(host->loop);
	timer_clear(&service->drain_timer);
	timer_clear(&service->ready_timer);
	trie_clear(&host->topics);
	followers_drop(&host->followers);
	free(host->followers.list);
	log_ring_free(service->log_ring);
	conn_group_free(host->group);
	doors_close(host->doors);
	entrance_close(host);
	early_clear(&host->early);
}

static void
reload_now(void *arg)
{
	const struct service *service = arg;

	if (!service->ready)
		return;
	manager_reloading(service->host.manager);
	doors_reload(service->host.doors);
	external_reload(service->host.external);
	reload_begin(service->reload);
}

static int
serve(struct options *options, const char *config_path, struct err *err)
{
	struct service service = { .host = { .options = options } };
	struct host *host = &service.host;
	uint8_t key[16];
	int result = -1;

	(void)signal(SIGPIPE, SIG_IGN);
	if (manager_take_sockets(options, err) < 0 ||
	    privilege_begin(&host->privilege, options, err) < 0)
		return -1;
	host->loop = loop_new(&sys_posix, err);
	if (host->loop == NULL)
		return -1;
	loop_sys(host->loop)->random(key, sizeof(key));
	hash_seed(key);
	loop_sys(host->loop)->random(&host->run_id, sizeof(host->run_id));
	host->manager = manager_new(host);
	host->group = conn_group_new(host->loop);
	host->triggers = trigger_table;
	host->trigger_count = trigger_table_count;
	timer_init(&service.drain_timer, host->loop, check_drained, &service);
	service.reload = reload_new(host, options, config_path, err);
	if (service.reload != NULL &&
	    early_settle(&host->early, &host->privilege, options, err) == 0 &&
	    loop_signal(host->loop, SIGHUP, reload_now, &service, err) == 0 &&
	    loop_signal(host->loop, SIGTERM, stop, &service, err) == 0 &&
	    loop_signal(host->loop, SIGINT, stop, &service, err) == 0 &&
	    open_all(&service, err) == 0)
		result = loop_run(host->loop, err);
	reload_free(service.reload);
	close_all(&service);
	loop_free(host->loop);
	return result;
}

int
main(int argc, char **argv)
{
	const struct program program = { serve, trigger_table, trigger_table_count };
	cJSON_Hooks memory = { xmalloc, free };

	/* Where there is no memory the host ends and starts again, with all that it acknowledged: a
	 * parser that only says "no" would make a function broken, and its events lost. */
	cJSON_InitHooks(&memory);
	return command_main(argc, argv, &program);
}

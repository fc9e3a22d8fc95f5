/* SPDX-License-Identifier: MIT
 * The client: its queue, and curl's multi handle on the loop. A request goes queued -> running ->
 * (running again at a redirect) -> done. curl is entered only from the loop's callbacks, never from
 * within one of curl's own.
 */
#include "net/http_client.h"

#include <stdlib.h>

#include "lib/hash.h"
#include "net/http_transfer.h"

TAILQ_HEAD(transfers, http_transfer);

/* Whose requests these are. Exists while it has any. */
struct http_owner {
	struct hash_node node;
	uint64_t id;
	TAILQ_ENTRY(http_owner) turn; /* while one of its own could begin */
	struct transfers queued;
	unsigned queued_count;
	unsigned running_count;
	bool in_turn;
};

/* The place of a request that was given up while its name was being looked up: the resolver's
 * thread cannot be ended, so the place stays taken while it may still run, and threads are bounded
 * as requests are. */
struct http_ghost {
	struct http_client *client;
	struct http_owner *owner;
	struct timer timer;
	TAILQ_ENTRY(http_ghost) link;
};

enum { GHOST_US = 10000000 };

/* A descriptor that curl wants watched. */
struct curl_watch {
	struct http_client *client;
	struct watch watch;
	TAILQ_ENTRY(curl_watch) link;
};

struct http_client {
	struct loop *loop;
	struct http_client_config config;
	CURLM *multi;
	struct timer timer; /* curl's own */
	struct task pump;   /* moves queued ones on */
	struct hash_map owners;
	TAILQ_HEAD(, http_owner) turns; /* the first one's request begins next */
	struct transfers running;
	TAILQ_HEAD(, curl_watch) watches;
	TAILQ_HEAD(, http_ghost) ghosts;
	unsigned queued_count;
	unsigned running_count; /* ghosts too */
	unsigned ghost_count;
};

static struct http_owner *
owner_of(struct http_client *client, uint64_t id)
{
	struct hash_node *node = hash_find(&client->owners, bytes_of(&id, sizeof(id)));
	struct http_owner *owner;

	if (node != NULL)
		return HASH_OWNER(node, struct http_owner, node);
	owner = xcalloc(1, sizeof(*owner));
	owner->id = id;
	TAILQ_INIT(&owner->queued);
	hash_insert(&client->owners, &owner->node, bytes_of(&owner->id, sizeof(owner->id)));
	return owner;
}

/* After each change: is it this owner's turn to come, and is it still one? */
static void
owner_update(struct http_client *client, struct http_owner *owner)
{
	bool could =
	    owner->queued_count > 0 && owner->running_count < client->config.owner_parallel_max;

	if (could && !owner->in_turn)
		TAILQ_INSERT_TAIL(&client->turns, owner, turn);
	if (!could && owner->in_turn)
		TAILQ_REMOVE(&client->turns, owner, turn);
	owner->in_turn = could;
	if (could)
		task_schedule(&client->pump, client->loop);
	if (owner->queued_count > 0 || owner->running_count > 0)
		return;
	hash_remove(&client->owners, &owner->node);
	free(owner);
}

static void
enqueue(struct http_transfer *transfer, bool first)
{
	struct http_owner *owner = transfer->owner;

	if (first)
		TAILQ_INSERT_HEAD(&owner->queued, transfer, link);
	else
		TAILQ_INSERT_TAIL(&owner->queued, transfer, link);
	owner->queued_count++;
	transfer->client->queued_count++;
}

static void
dequeue(struct http_transfer *transfer)
{
	TAILQ_REMOVE(&transfer->owner->queued, transfer, link);
	transfer->owner->queued_count--;
	transfer->client->queued_count--;
}

static void
set_running(struct http_transfer *transfer)
{
	TAILQ_INSERT_TAIL(&transfer->client->running, transfer, link);
	transfer->owner->running_count++;
	transfer->client->running_count++;
	transfer->running = true;
}

static void
stop_running(struct http_transfer *transfer)
{
	struct http_client *client = transfer->client;

	(void)curl_multi_remove_handle(client->multi, transfer->easy);
	TAILQ_REMOVE(&client->running, transfer, link);
	transfer->owner->running_count--;
	client->running_count--;
	transfer->running = false;
	if (!TAILQ_EMPTY(&client->turns))
		task_schedule(&client->pump, client->loop);
}

static void
ghost_free(struct http_ghost *ghost)
{
	struct http_client *client = ghost->client;

	TAILQ_REMOVE(&client->ghosts, ghost, link);
	timer_clear(&ghost->timer);
	ghost->owner->running_count--;
	client->running_count--;
	client->ghost_count--;
	owner_update(client, ghost->owner);
	if (!TAILQ_EMPTY(&client->turns))
		task_schedule(&client->pump, client->loop);
	free(ghost);
}

static void
on_ghost(void *arg)
{
	ghost_free(arg);
}

static void
leave_ghost(struct http_transfer *transfer)
{
	struct http_client *client = transfer->client;
	struct http_ghost *ghost = xcalloc(1, sizeof(*ghost));

	ghost->client = client;
	ghost->owner = transfer->owner;
	ghost->owner->running_count++;
	client->running_count++;
	client->ghost_count++;
	timer_init(&ghost->timer, client->loop, on_ghost, ghost);
	timer_set(&ghost->timer, GHOST_US);
	TAILQ_INSERT_TAIL(&client->ghosts, ghost, link);
}

/* Given up: by its deadline or by who asked for it. */
static void
give_up(struct http_transfer *transfer)
{
	if (transfer->running && !transfer->resolved)
		leave_ghost(transfer);
}

static void
detach(struct http_transfer *transfer)
{
	if (transfer->running)
		stop_running(transfer);
	else
		dequeue(transfer);
	owner_update(transfer->client, transfer->owner);
	transfer->owner = NULL;
}

/* Ends it with an error. */
static void
fail(struct http_transfer *transfer, const struct err *err)
{
	detach(transfer);
	transfer->done(transfer->arg, NULL, err->text);
	transfer_free(transfer);
}

static void
on_deadline(void *arg)
{
	struct http_transfer *transfer = arg;
	struct err err;

	(void)err_set(&err, "http %s %s: no complete response within %u ms", transfer->method,
	    transfer->shown_url, transfer->timeout_ms);
	give_up(transfer);
	fail(transfer, &err);
}

static void
begin(struct http_client *client, struct http_transfer *transfer)
{
	struct err err;

	dequeue(transfer);
	set_running(transfer);
	if (transfer_prepare(transfer, client->config.ca_file, &err) < 0) {
		fail(transfer, &err);
		return;
	}
	if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
		(void)err_set(&err, "http %s %s: curl does not take the request", transfer->method,
		    transfer->shown_url);
		fail(transfer, &err);
		return;
	}
	owner_update(client, transfer->owner);
}

static void
pump(void *arg)
{
	struct http_client *client = arg;

	while (
	    !TAILQ_EMPTY(&client->turns) && client->running_count < client->config.parallel_max) {
		struct http_owner *owner = TAILQ_FIRST(&client->turns);

		TAILQ_REMOVE(&client->turns, owner, turn);
		owner->in_turn = false; /* it goes to the end */
		begin(client, TAILQ_FIRST(&owner->queued));
	}
}

/* A redirect goes to the head of the queue: it has had its turn. */
static void
run_again(struct http_transfer *transfer)
{
	stop_running(transfer);
	enqueue(transfer, true);
	owner_update(transfer->client, transfer->owner);
}

static void
finish(struct http_transfer *transfer, CURLcode code)
{
	struct err err;
	int redirect = 0;

	if (code == CURLE_OK)
		redirect = transfer_redirect(transfer, &err);
	else
		transfer_explain(transfer, code, &err);
	if (code != CURLE_OK || redirect < 0) {
		fail(transfer, &err);
	} else if (redirect > 0) {
		run_again(transfer);
	} else {
		detach(transfer);
		transfer_respond(transfer);
		transfer_free(transfer);
	}
}

static void
collect(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
		struct http_transfer *transfer = NULL;
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		transfer = (struct http_transfer *)(void *)private;
		finish(transfer, message->data.result);
	}
}

static void
act(struct http_client *client, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(client->multi, fd, what, &running);
	collect(client);
}

static void
on_ready(void *arg, bool readable, bool writable)
{
	struct curl_watch *watch = arg;

	act(watch->client, watch->watch.fd,
	    (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
}

static void
on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
watch_free(struct curl_watch *watch)
{
	watch_clear(&watch->watch);
	TAILQ_REMOVE(&watch->client->watches, watch, link);
	loop_free_later(watch->client->loop, watch);
}

static struct curl_watch *
watch_new(struct http_client *client, curl_socket_t fd)
{
	struct curl_watch *watch = xcalloc(1, sizeof(*watch));

	watch->client = client;
	watch_init(&watch->watch, client->loop, fd, on_ready, watch);
	TAILQ_INSERT_TAIL(&client->watches, watch, link);
	(void)curl_multi_assign(client->multi, fd, watch);
	return watch;
}

/* curl says what to watch a descriptor for. */
static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct curl_watch *watch = assigned;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch != NULL)
			watch_free(watch);
		return 0;
	}
	if (watch == NULL)
		watch = watch_new(arg, fd);
	watch_want(&watch->watch, (what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
	return 0;
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *client = arg;

	(void)multi;
	if (timeout_ms < 0)
		timer_cancel(&client->timer);
	else
		timer_set(&client->timer, (int64_t)timeout_ms * 1000);
	return 0;
}

static bool
set_up(struct http_client *client)
{
	CURLM *multi = client->multi;
	long connections = (long)client->config.parallel_max;

	return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

int
http_client_prepare(struct http_client *client, struct err *err)
{
	if (client->multi != NULL)
		return 0;
	if (late_curl_load(err) < 0)
		return -1;
	client->multi = curl_multi_init();
	if (client->multi != NULL && set_up(client))
		return 0;
	if (client->multi != NULL)
		(void)curl_multi_cleanup(client->multi);
	client->multi = NULL;
	return err_set(err, "http: curl cannot be set up");
}

struct http_client *
http_client_new(struct loop *loop, const struct http_client_config *config)
{
	struct http_client *client = xcalloc(1, sizeof(*client));

	client->loop = loop;
	client->config = *config;
	client->config.ca_file = config->ca_file != NULL ? xstrdup(config->ca_file) : NULL;
	TAILQ_INIT(&client->turns);
	TAILQ_INIT(&client->running);
	TAILQ_INIT(&client->watches);
	TAILQ_INIT(&client->ghosts);
	timer_init(&client->timer, loop, on_timer, client);
	task_init(&client->pump, pump, client);
	return client;
}

void
http_client_free(struct http_client *client)
{
	struct hash_node *node = NULL;

	if (client == NULL)
		return;
	while (!TAILQ_EMPTY(&client->running))
		http_transfer_abort(TAILQ_FIRST(&client->running));
	while (client->queued_count > 0) {
		while ((node = hash_next(&client->owners, node)) != NULL &&
		       HASH_OWNER(node, struct http_owner, node)->queued_count == 0)
			continue;
		http_transfer_abort(
		    TAILQ_FIRST(&HASH_OWNER(node, struct http_owner, node)->queued));
		node = NULL;
	}
	while (!TAILQ_EMPTY(&client->ghosts))
		ghost_free(TAILQ_FIRST(&client->ghosts));
	hash_clear(&client->owners);
	task_cancel(&client->pump);
	if (client->multi != NULL)
		(void)curl_multi_cleanup(client->multi);
	while (!TAILQ_EMPTY(&client->watches))
		watch_free(TAILQ_FIRST(&client->watches));
	timer_clear(&client->timer);
	free((char *)client->config.ca_file);
	free(client);
}

static bool
is_full(struct http_client *client, uint64_t owner)
{
	struct hash_node *node = hash_find(&client->owners, bytes_of(&owner, sizeof(owner)));

	return client->queued_count >= client->config.queued_max ||
	       (node != NULL && HASH_OWNER(node, struct http_owner, node)->queued_count >=
				    client->config.owner_queued_max);
}

struct http_transfer *
http_client_start(struct http_client *client, const struct http_request *request, struct err *err)
{
	struct http_transfer *transfer;

	if (http_client_prepare(client, err) < 0)
		return NULL;
	if (is_full(client, request->owner)) {
		(void)err_set(err, "http %.16s %.200s: too many requests wait already",
		    request->method, request->url);
		return NULL;
	}
	transfer = transfer_new(request, err);
	if (transfer == NULL)
		return NULL;
	transfer->client = client;
	transfer->owner = owner_of(client, request->owner);
	transfer->response_bytes_max = client->config.response_bytes_max;
	timer_init(&transfer->deadline, client->loop, on_deadline, transfer);
	timer_set(&transfer->deadline, (int64_t)transfer->timeout_ms * 1000);
	enqueue(transfer, false);
	owner_update(client, transfer->owner);
	return transfer;
}

int
http_client_check(const struct http_request *request, struct err *err)
{
	struct http_transfer *transfer;

	if (late_curl_load(err) < 0)
		return -1;
	transfer = transfer_new(request, err);
	transfer_free(transfer);
	return transfer != NULL ? 0 : -1;
}

void
http_transfer_abort(struct http_transfer *transfer)
{
	if (transfer == NULL)
		return;
	give_up(transfer);
	detach(transfer);
	transfer_free(transfer);
}

unsigned
http_client_active(const struct http_client *client)
{
	return client->queued_count + client->running_count - client->ghost_count;
}

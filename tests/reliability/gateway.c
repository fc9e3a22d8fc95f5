/* SPDX-License-Identifier: MIT
 * The gateway and the store without functions, as a program: what the reliability tests kill when
 * they look at messages and shadows alone.
 */
#include <signal.h>
#include <stdio.h>

#include "net/broker.h"
#include "net/listener.h"
#include "net/loop.h"
#include "runtime/restore.h"
#include "runtime/shadow_service.h"
#include "store/store.h"

struct gateway {
	struct loop *loop;
	struct store *store;
	struct broker *broker;
	struct shadow_service *shadows;
	struct listener *listener;
	struct watch watch;
};

static void
accepted(void *arg, int fd, struct peer *peer)
{
	struct stream stream = stream_plain(fd, peer);

	broker_accept_stream(((struct gateway *)arg)->broker, &stream);
}

static void
stop(void *arg)
{
	loop_stop(((struct gateway *)arg)->loop);
}

static void
on_store(void *arg, bool readable, bool writable)
{
	(void)readable;
	(void)writable;
	store_poll(((struct gateway *)arg)->store);
}

static void
persist(void *arg, const struct writes *writes, void (*done)(void *arg, int status), void *done_arg)
{
	struct writes copy = { 0 };

	writes_append(&copy, writes);
	store_write(((struct gateway *)arg)->store, &copy, done, done_arg);
}

static enum broker_flow
published(void *arg, const struct message *message, struct ack *ack)
{
	(void)shadow_service_take(((struct gateway *)arg)->shadows, message, ack);
	return BROKER_GO_ON;
}

static int
start(struct gateway *gateway, const char *folder, struct err *err)
{
	struct broker_hooks hooks = { .arg = gateway, .published = published, .persist = persist };
	struct broker_config config = broker_defaults;
	struct restore_figures figures;

	config.queued_messages_max = 1000000;
	gateway->loop = loop_new(&sys_posix, err);
	if (gateway->loop == NULL)
		return -1;
	gateway->store =
	    store_open(&(struct store_config){ .folder = folder, .sys = &sys_posix }, err);
	if (gateway->store == NULL)
		return -1;
	gateway->broker = broker_new(gateway->loop, &config, &hooks);
	gateway->shadows = shadow_service_new(&(struct shadow_parts){
	    .loop = gateway->loop, .store = gateway->store, .broker = gateway->broker });
	if (restore_broker(gateway->store, gateway->broker, &figures, err) < 0 ||
	    shadow_service_drain(gateway->shadows, err) < 0)
		return -1;
	watch_init(&gateway->watch, gateway->loop, store_fd(gateway->store), on_store, gateway);
	watch_want(&gateway->watch, true, false);
	gateway->listener = listener_open(gateway->loop, "127.0.0.1:0", accepted, gateway, err);
	if (gateway->listener == NULL)
		return -1;
	return loop_signal(gateway->loop, SIGTERM, stop, gateway, err);
}

static void
end(struct gateway *gateway)
{
	listener_close(gateway->listener);
	watch_clear(&gateway->watch);
	if (gateway->shadows != NULL)
		shadow_service_stop(gateway->shadows);
	store_close(gateway->store);
	broker_free(gateway->broker);
	shadow_service_free(gateway->shadows);
	loop_free(gateway->loop);
}

int
main(int argc, char **argv)
{
	struct gateway gateway = { 0 };
	struct err err = { "usage: gateway FOLDER" };
	int status = 1;

	if (argc == 2 && start(&gateway, argv[1], &err) == 0) {
		(void)fprintf(stderr, "MQTT on %s\nready\n", listener_address(gateway.listener));
		status = loop_run(gateway.loop, &err) == 0 ? 0 : 1;
	}
	if (status != 0)
		(void)fprintf(stderr, "gateway: %s\n", err.text);
	end(&gateway);
	return status;
}

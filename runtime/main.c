/* SPDX-License-Identifier: MIT
 * The host's entry: joins all the parts.
 */
#include <signal.h>
#include <stdio.h>

#include "lib/log.h"
#include "net/broker.h"
#include "net/listener.h"

static void
accepted(void *arg, int fd, const char *peer)
{
	broker_accept(arg, fd, peer);
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

int
main(int argc, char **argv)
{
	const struct broker_hooks hooks = { 0 };
	struct listener *listener = NULL;
	struct broker *broker;
	struct loop *loop;
	struct err err;
	int status = 1;

	loop = loop_new(&sys_posix, &err);
	if (loop == NULL) {
		(void)fprintf(stderr, "moonlet: %s\n", err.text);
		return 1;
	}
	broker = broker_new(loop, &broker_defaults, &hooks);
	listener = listener_open(loop, argc > 1 ? argv[1] : "127.0.0.1:1883", accepted, broker, &err);
	if (listener == NULL || loop_signal(loop, SIGTERM, stop, loop, &err) < 0 ||
	    loop_signal(loop, SIGINT, stop, loop, &err) < 0)
		goto out;
	log_info("gateway", "MQTT on %s", listener_address(listener));
	log_info("moonlet", "ready");
	status = loop_run(loop, &err) < 0;
out:
	if (status != 0)
		(void)fprintf(stderr, "moonlet: %s\n", err.text);
	listener_close(listener);
	broker_free(broker);
	loop_free(loop);
	return status;
}

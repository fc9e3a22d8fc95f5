/* SPDX-License-Identifier: MIT
 * The cars. Each is one blocking connection; a poll with a timeout is the clock.
 */
#include <errno.h>
#include <grp.h>
#include <math.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mqtt_packet.h"
#include "runtime/commands/demo.h"

enum { CARS = 12, TICK_MS = 1000, PACKET_BYTES_MAX = 65536, NOBODY = 65534 };

struct car {
	const char *name;
	int fd; /* -1: not connected */
	double speed;
	double heading;
	double latitude, longitude;
	double tyre_bar[4];
	int obeys; /* ticks for which it keeps to the limit that it was told */
	double limit;
	struct buf input;
};

static const char *const names[CARS] = { "audi22", "bmw07", "citroen3", "fiat500", "ford11",
	"honda8", "kia42", "mazda6", "opel19", "seat5", "skoda77", "volvo90" };

/* The child's own numbers: the same fleet in every run. */
static double
chance(void)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

static int
connect_to(const char *address)
{
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[256];
	int fd = -1;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	if (host[0] == '[') {
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

static void
car_send(struct car *car, struct buf *packet)
{
	if (car->fd >= 0 &&
	    send(car->fd, packet->data, packet->len, MSG_NOSIGNAL) != (ssize_t)packet->len) {
		close(car->fd);
		car->fd = -1;
	}
	buf_clear(packet);
}

static void
car_publish(struct car *car, const char *topic, struct bytes payload)
{
	struct mqtt_outgoing publish = { .version = MQTT_VERSION_5,
		.topic = bytes_of_string(topic),
		.payload_len = payload.len };
	struct buf packet = { 0 };

	mqtt_publish_encode(&packet, &publish);
	buf_append_bytes(&packet, payload);
	car_send(car, &packet);
}

static void
car_connect(struct car *car, const char *address)
{
	struct mqtt_connect connect_packet = { .version = MQTT_VERSION_5,
		.clean_start = true,
		.keep_alive_s = 60,
		.client_id = bytes_of_string(car->name) };
	struct mqtt_props props = { 0 };
	struct mqtt_filter filter = { 0 };
	struct buf packet = { 0 };
	char topic[128];

	car->fd = connect_to(address);
	buf_reset(&car->input);
	snprintf(topic, sizeof(topic), "$aws/things/%s/shadow/update/delta", car->name);
	filter.filter = bytes_of_string(topic);
	mqtt_connect_encode(&packet, &connect_packet);
	mqtt_subscribe_encode(&packet, MQTT_VERSION_5, 1, &props, &filter);
	car_send(car, &packet);
}

/* It was told a limit: it says that it keeps to it. */
static void
car_obey(struct car *car, struct bytes delta)
{
	const char *found = memmem(delta.data, delta.len, "\"speed_limit\":", 14);
	char topic[128], document[128];
	double limit = found != NULL ? strtod(found + 14, NULL) : 0;

	if (limit <= 0)
		return;
	car->limit = limit;
	car->obeys = 20;
	snprintf(topic, sizeof(topic), "$aws/things/%s/shadow/update", car->name);
	snprintf(
	    document, sizeof(document), "{\"state\":{\"reported\":{\"speed_limit\":%.0f}}}", limit);
	car_publish(car, topic, bytes_of_string(document));
}

static void
car_read(struct car *car)
{
	struct mqtt_header header;
	struct mqtt_publish publish;
	struct mqtt_defect defect;
	ssize_t got = recv(car->fd, buf_reserve(&car->input, 4096), 4096, MSG_DONTWAIT);

	if (got == 0 || (got < 0 && errno != EAGAIN)) {
		close(car->fd);
		car->fd = -1;
		return;
	}
	car->input.len += got > 0 ? (size_t)got : 0;
	while (mqtt_header_decode(buf_bytes(&car->input), PACKET_BYTES_MAX, &header, &defect) ==
	       MQTT_OK) {
		struct bytes rest =
		    bytes_of(car->input.data + header.head_bytes, header.rest_bytes);

		if (rest.len + header.head_bytes > car->input.len)
			break;
		if (header.type == MQTT_PUBLISH &&
		    mqtt_publish_decode(rest, &header, MQTT_VERSION_5, &publish, &defect))
			car_obey(car, bytes_of(publish.payload.data, publish.payload.len));
		buf_drain(&car->input, header.head_bytes + header.rest_bytes);
	}
}

static void
car_drive(struct car *car)
{
	car->speed += (chance() - 0.48) * 18;
	car->speed = fmin(fmax(car->speed, 20), 165);
	if (car->obeys > 0) {
		car->obeys--;
		car->speed = fmin(car->speed, car->limit - 5 * chance());
	}
	car->heading += (chance() - 0.5) * 0.6;
	car->latitude += cos(car->heading) * car->speed * 2.5e-6;
	car->longitude += sin(car->heading) * car->speed * 4e-6;
	for (int i = 0; i < 4; i++)
		car->tyre_bar[i] -= chance() < 0.02 ? 0.12 * chance() : 0;
	if (car->tyre_bar[0] < 1.4)
		car->tyre_bar[0] = 2.5; /* somebody pumped it up */
}

static void
car_report(struct car *car)
{
	struct buf json = { 0 };
	char topic[64];

	snprintf(topic, sizeof(topic), "iot/ccar-ad/%s", car->name);
	buf_printf(&json,
	    "{\"deviceid\":\"%s\",\"speed\":%.0f,\"lat\":%.5f,\"lon\":%.5f,"
	    "\"tyre_bar\":[%.2f,%.2f,%.2f,%.2f]}",
	    car->name, car->speed, car->latitude, car->longitude, car->tyre_bar[0],
	    car->tyre_bar[1], car->tyre_bar[2], car->tyre_bar[3]);
	car_publish(car, topic, buf_bytes(&json));
	buf_clear(&json);
}

static void
fleet_init(struct car *cars)
{
	for (int i = 0; i < CARS; i++) {
		cars[i] = (struct car){ .name = names[i],
			.fd = -1,
			.speed = 60 + 60 * chance(),
			.heading = 6.28 * chance(),
			.latitude = 48.137 + 0.05 * chance(),
			.longitude = 11.575 + 0.05 * chance() };
		for (int tyre = 0; tyre < 4; tyre++)
			cars[i].tyre_bar[tyre] = 2.2 + 0.3 * chance();
	}
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what comes until `until_ms`. */
static void
fleet_listen(struct car *cars, int64_t until_ms)
{
	struct pollfd ready[CARS];
	int64_t left;

	while ((left = until_ms - now_ms()) > 0) {
		for (int i = 0; i < CARS; i++)
			ready[i] = (struct pollfd){ .fd = cars[i].fd, .events = POLLIN };
		if (poll(ready, CARS, (int)left) <= 0)
			return;
		for (int i = 0; i < CARS; i++) {
			if (ready[i].revents != 0)
				car_read(&cars[i]);
		}
	}
}

/* Each car speaks in its own part of the second. */
static void __attribute__((noreturn)) fleet_drive(const char *address)
{
	static struct car cars[CARS];

	fleet_init(cars);
	for (int64_t next_ms = now_ms();; next_ms += TICK_MS / CARS) {
		struct car *car = &cars[next_ms / (TICK_MS / CARS) % CARS];

		if (next_ms < now_ms() - 5000)
			next_ms = now_ms();
		if (car->fd < 0)
			car_connect(car, address);
		car_drive(car);
		car_report(car);
		fleet_listen(cars, next_ms + TICK_MS / CARS);
	}
}

/* Cars need no rights, whoever has started the host. */
static void
drop_root(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
				  setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(1);
}

static void __attribute__((noreturn)) demo_child(int fd, pid_t parent)
{
	char address[300];
	ssize_t got;

	drop_root();
	signal(SIGINT, SIG_IGN); /* the parent ends first, and this with it */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	got = read(fd, address, sizeof(address) - 1);
	if (got <= 1)
		_exit(0);
	address[got] = '\0';
	address[strcspn(address, "\n")] = '\0';
	close(fd);
	log_info("demo", "%d cars report to iot/ccar-ad/+ once a second", CARS);
	fleet_drive(address);
}

int
demo_start(struct err *err)
{
	pid_t parent = getpid(), child;
	int fds[2];

	if (pipe2(fds, 0) < 0)
		return err_errno(err, "start the demo");
	child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_errno(err, "start the demo");
	}
	if (child == 0) {
		close(fds[1]);
		demo_child(fds[0], parent);
	}
	close(fds[0]);
	return fds[1];
}

/* SPDX-License-Identifier: MIT
 * moonlet-bench: drives an MQTT broker with publishers and subscribers from one thread and prints
 * throughput and latency. Closed loop: at most `window` messages are on their way between
 * publishers and subscribers. Open loop: messages leave at a rate whatever comes back, and latency
 * counts from the moment at which one should have left. Without subscribers (QoS 1) the PUBACK is
 * what comes back.
 *
 * A message is JSON of a fixed size with a "ts" of 16 digits: nanoseconds of this program's clock
 * plus 10^15. What comes back must carry the same member, be it the message or what a handler made
 * of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "lib/bytes.h"

enum {
	TS_DIGITS = 16,
	PACKET_MAX = 70000,
	READ_BYTES = 262144,
	SEND_BATCH_BYTES = 65536,
	STALL_S_MAX = 10,
};

static const int64_t TS_BASE = 1000000000000000;

struct options {
	const char *host;
	int port;
	const char *topic; /* the device's number goes behind it */
	const char *filter;
	int devices;
	int publishers;
	int subscribers;
	int qos_in;
	int qos_out;
	int payload_bytes;
	int64_t count;
	int64_t warmup;
	int window;
	double rate; /* a second; 0: closed loop */
	int cpu;     /* -1: anywhere */
	bool json;
	const char *label;
};

struct link {
	int fd;
	bool is_subscriber;
	struct buf in;
	struct buf out;
	size_t sent; /* of out */
	uint16_t next_id;
	int64_t *due_ns; /* of each packet id on its way, where acknowledgements are counted */
	bool ready;	 /* CONNACK or SUBACK is here */
	bool blocked;	 /* waits for the socket to take more */
};

struct run {
	const struct options *options;
	struct link *links;
	int count;
	int epoll;
	struct buf *templates; /* a PUBLISH for each device */
	size_t *ts_at;	       /* where its digits stand */
	size_t *id_at;	       /* where its packet id stands (QoS 1) */
	int64_t published;
	int64_t received;
	int64_t acknowledged;
	int64_t started_ns;
	int64_t measured_from_ns; /* after the warm-up */
	int64_t last_ns;
	struct histogram latency;
};

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "moonlet-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
append_length(struct buf *out, size_t len)
{
	do {
		uint8_t digit = len % 128;

		len /= 128;
		buf_append_u8(out, len > 0 ? digit | 0x80 : digit);
	} while (len > 0);
}

static void
append_text(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	buf_append_u8(out, (uint8_t)(len >> 8));
	buf_append_u8(out, (uint8_t)len);
	buf_append(out, text, len);
}

static void
append_connect(struct buf *out, const char *client_id)
{
	buf_append_u8(out, 0x10);
	append_length(out, 10 + 2 + strlen(client_id));
	append_text(out, "MQTT");
	buf_append(out, "\x04\x02\x00\x00", 4); /* 3.1.1, clean session, no keep-alive */
	append_text(out, client_id);
}

static void
append_subscribe(struct buf *out, const char *filter, int qos)
{
	buf_append_u8(out, 0x82);
	append_length(out, 2 + 2 + strlen(filter) + 1);
	buf_append(out, "\x00\x01", 2);
	append_text(out, filter);
	buf_append_u8(out, (uint8_t)qos);
}

static void
append_puback(struct buf *out, const uint8_t *id)
{
	buf_append(out, "\x40\x02", 2);
	buf_append(out, id, 2);
}

/* A whole PUBLISH whose digits and packet id are patched for each message. */
static void
build_template(struct run *run, int device)
{
	const struct options *o = run->options;
	struct buf *out = &run->templates[device];
	struct buf payload = { 0 };
	char topic[256];

	(void)snprintf(topic, sizeof(topic), "%s%d", o->topic, device);
	buf_printf(&payload, "{\"deviceid\":\"car%d\",\"speed\":140,\"ts\":", device);
	run->ts_at[device] = payload.len;
	buf_printf(&payload, "%0*d", TS_DIGITS, 0);
	buf_append_string(&payload, ",\"pad\":\"");
	while ((int)payload.len < o->payload_bytes - 2)
		buf_append_u8(&payload, 'x');
	buf_append_string(&payload, "\"}");
	buf_append_u8(out, o->qos_in > 0 ? 0x32 : 0x30);
	append_length(out, 2 + strlen(topic) + (o->qos_in > 0 ? 2 : 0) + payload.len);
	append_text(out, topic);
	run->id_at[device] = out->len;
	if (o->qos_in > 0)
		buf_append(out, "\0\0", 2);
	run->ts_at[device] += out->len;
	buf_append_bytes(out, buf_bytes(&payload));
	buf_clear(&payload);
}

static void
put_digits(uint8_t *out, int64_t value)
{
	for (int i = TS_DIGITS - 1; i >= 0; i--) {
		out[i] = (uint8_t)('0' + value % 10);
		value /= 10;
	}
}

static void
watch_output(struct run *run, struct link *link, bool blocked)
{
	struct epoll_event event = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0),
		.data.ptr = link };

	if (link->blocked == blocked)
		return;
	link->blocked = blocked;
	if (epoll_ctl(run->epoll, EPOLL_CTL_MOD, link->fd, &event) < 0)
		die("epoll_ctl");
}

static void
flush_link(struct run *run, struct link *link)
{
	while (link->sent < link->out.len) {
		ssize_t wrote = send(link->fd, link->out.data + link->sent,
		    link->out.len - link->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (wrote < 0) {
			if (errno != EAGAIN)
				die("send");
			watch_output(run, link, true);
			return;
		}
		link->sent += (size_t)wrote;
	}
	buf_reset(&link->out);
	link->sent = 0;
	watch_output(run, link, false);
}

static void
publish(struct run *run, struct link *link, int64_t ts_ns)
{
	int device = (int)(run->published % run->options->devices);
	struct buf *template = &run->templates[device];

	put_digits(template->data + run->ts_at[device], TS_BASE + ts_ns);
	if (run->options->qos_in > 0) {
		link->next_id = link->next_id == UINT16_MAX ? 1 : link->next_id + 1;
		template->data[run->id_at[device]] = (uint8_t)(link->next_id >> 8);
		template->data[run->id_at[device] + 1] = (uint8_t)link->next_id;
	}
	if (link->due_ns != NULL)
		link->due_ns[link->next_id] = ts_ns;
	buf_append_bytes(&link->out, buf_bytes(template));
	run->published++;
}

/* One has come back: `ts` ns after the start it was due. */
static void
note_return(struct run *run, int64_t ts)
{
	int64_t now = now_ns();

	run->received++;
	run->last_ns = now;
	if (run->received == run->options->warmup)
		run->measured_from_ns = now;
	if (run->received > run->options->warmup)
		histogram_add(&run->latency, now - run->started_ns - ts);
}

static void
take_message(struct run *run, const uint8_t *body, size_t len)
{
	const uint8_t *at = memmem(body, len, "\"ts\":", 5);
	int64_t ts = 0;

	if (at == NULL || (size_t)(body + len - at) < 5 + TS_DIGITS) {
		(void)fprintf(stderr, "moonlet-bench: a message without \"ts\" came back\n");
		exit(1);
	}
	for (int i = 0; i < TS_DIGITS; i++)
		ts = ts * 10 + (at[5 + i] - '0');
	note_return(run, ts - TS_BASE);
}

static void
take_packet(struct run *run, struct link *link, uint8_t head, const uint8_t *body, size_t len)
{
	switch (head >> 4) {
	case 2: /* CONNACK */
		if (len < 2 || body[1] != 0) {
			(void)fprintf(stderr, "moonlet-bench: connection refused (%d)\n", body[1]);
			exit(1);
		}
		link->ready = !link->is_subscriber;
		break;
	case 9: /* SUBACK */
		link->ready = true;
		break;
	case 3: /* PUBLISH */
		if ((head & 0x06) != 0)
			append_puback(&link->out, body + 2 + (body[0] << 8 | body[1]));
		take_message(run, body, len);
		break;
	case 4: /* PUBACK */
		run->acknowledged++;
		if (link->due_ns != NULL && len >= 2)
			note_return(run, link->due_ns[body[0] << 8 | body[1]]);
		break;
	default:
		break;
	}
}

/* Returns the bytes of the first packet in `in`, 0 where it is not complete. */
static size_t
packet_length(const uint8_t *in, size_t len, size_t *body_at)
{
	size_t rest = 0, i = 1;

	for (int shift = 0; i < len; shift += 7) {
		rest |= (size_t)(in[i] & 0x7f) << shift;
		if ((in[i++] & 0x80) == 0) {
			*body_at = i;
			return len - i >= rest ? i + rest : 0;
		}
	}
	return 0;
}

static void
read_link(struct run *run, struct link *link)
{
	ssize_t got = recv(link->fd, buf_reserve(&link->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
	size_t at = 0, body_at, len;

	if (got == 0 || (got < 0 && errno != EAGAIN))
		die("connection lost");
	if (got < 0)
		return;
	link->in.len += (size_t)got;
	while ((len = packet_length(link->in.data + at, link->in.len - at, &body_at)) > 0) {
		take_packet(
		    run, link, link->in.data[at], link->in.data + at + body_at, len - body_at);
		at += len;
	}
	buf_drain(&link->in, at);
}

static void
open_link(struct run *run, struct link *link, bool is_subscriber)
{
	const struct options *o = run->options;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)o->port) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
	char id[64];
	int on = 1;

	if (inet_pton(AF_INET, o->host, &address.sin_addr) != 1)
		die("--host takes an IPv4 address");
	link->is_subscriber = is_subscriber;
	if (o->subscribers == 0)
		link->due_ns = xcalloc(UINT16_MAX + 1, sizeof(*link->due_ns));
	link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)snprintf(id, sizeof(id), "bench-%d-%td", (int)getpid(), link - run->links);
	append_connect(&link->out, id);
	if (is_subscriber)
		append_subscribe(&link->out, o->filter, o->qos_out);
	if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, link->fd, &event) < 0)
		die("epoll_ctl");
	flush_link(run, link);
}

static bool
all_ready(const struct run *run)
{
	for (int i = 0; i < run->count; i++) {
		if (!run->links[i].ready)
			return false;
	}
	return true;
}

/* One message published comes back once for each subscriber, or as its acknowledgement. */
static int64_t
on_their_way(const struct run *run)
{
	int subscribers = run->options->subscribers;

	return run->published - run->received / (subscribers > 0 ? subscribers : 1);
}

/* How many may be published now. */
static int64_t
allowance(const struct run *run)
{
	const struct options *o = run->options;
	int64_t left = o->count - run->published, allowed;

	if (o->rate > 0)
		allowed = (int64_t)((double)(now_ns() - run->started_ns) / 1e9 * o->rate) -
			  run->published;
	else
		allowed = o->window - on_their_way(run);
	return allowed < left ? allowed : left;
}

static void
publish_some(struct run *run)
{
	const struct options *o = run->options;
	int64_t allowed = allowance(run), now = now_ns() - run->started_ns;

	for (int i = 0; i < o->publishers && allowed > 0; i++) {
		struct link *link = &run->links[i];
		int64_t share = (allowed + o->publishers - i - 1) / (o->publishers - i);

		while (share-- > 0 && link->out.len < SEND_BATCH_BYTES) {
			int64_t due =
			    o->rate > 0 ? (int64_t)((double)run->published / o->rate * 1e9) : now;

			publish(run, link, due);
			allowed--;
		}
	}
}

static void
turn(struct run *run)
{
	struct epoll_event events[64];
	int wait_ms = run->options->rate > 0 ? 1 : 100;
	int count = epoll_wait(run->epoll, events, 64, allowance(run) > 0 ? 0 : wait_ms);

	for (int i = 0; i < count; i++) {
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			read_link(run, events[i].data.ptr);
	}
	if (run->started_ns > 0)
		publish_some(run);
	for (int i = 0; i < run->count; i++) {
		if (run->links[i].out.len > 0)
			flush_link(run, &run->links[i]);
	}
}

static void
connect_all(struct run *run)
{
	const struct options *o = run->options;

	run->count = o->publishers + o->subscribers;
	run->links = xcalloc((size_t)run->count, sizeof(*run->links));
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < run->count; i++)
		open_link(run, &run->links[i], i >= o->publishers);
	while (!all_ready(run))
		turn(run);
}

static void
drive(struct run *run)
{
	int subscribers = run->options->subscribers;
	int64_t expected = run->options->count * (subscribers > 0 ? subscribers : 1);

	run->started_ns = run->last_ns = run->measured_from_ns = now_ns();
	while (run->received < expected ||
	       (run->options->qos_in > 0 && run->acknowledged < run->options->count)) {
		turn(run);
		if (now_ns() - run->last_ns > STALL_S_MAX * (int64_t)1000000000) {
			(void)fprintf(stderr,
			    "moonlet-bench: nothing came for 10 s: %lld of %lld\n",
			    (long long)run->received, (long long)expected);
			break;
		}
	}
}

static void
report(const struct run *run)
{
	const struct options *o = run->options;
	double seconds = (double)(run->last_ns - run->measured_from_ns) / 1e9;
	double rate = (double)(run->received - o->warmup) / (seconds > 0 ? seconds : 1e-9);
	double p50 = (double)histogram_quantile(&run->latency, 0.5) / 1e3;
	double p99 = (double)histogram_quantile(&run->latency, 0.99) / 1e3;
	double p999 = (double)histogram_quantile(&run->latency, 0.999) / 1e3;

	if (o->json)
		(void)printf("{\"label\":\"%s\",\"messages\":%lld,\"per_second\":%.0f,"
			     "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
		    o->label, (long long)run->received, rate, p50, p99, p999);
	else
		(void)printf(
		    "%-24s %lld messages, %.0f/s, p50 %.1f us, p99 %.1f us, p99.9 %.1f us\n",
		    o->label, (long long)run->received, rate, p50, p99, p999);
}

static const char usage[] =
    "usage: moonlet-bench [--host 127.0.0.1] [--port 1883] [--topic iot/ccar-ad/car] [--filter "
    "'alerts/#']\n"
    "    [--devices 100] [--publishers 1] [--subscribers 1] [--qos-in 0|1] [--qos-out 0|1]\n"
    "    [--payload-bytes 200] [--count 200000] [--warmup 10000] [--window 1000 | --rate N]\n"
    "    [--cpu N] [--label TEXT] [--json]\n";

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option rows[] = { { "host", 1, 0, 'h' }, { "port", 1, 0, 'p' },
		{ "topic", 1, 0, 't' }, { "filter", 1, 0, 'f' }, { "devices", 1, 0, 'd' },
		{ "publishers", 1, 0, 'P' }, { "subscribers", 1, 0, 'S' }, { "qos-in", 1, 0, 'i' },
		{ "qos-out", 1, 0, 'o' }, { "payload-bytes", 1, 0, 'b' }, { "count", 1, 0, 'n' },
		{ "warmup", 1, 0, 'w' }, { "window", 1, 0, 'W' }, { "rate", 1, 0, 'r' },
		{ "cpu", 1, 0, 'c' }, { "label", 1, 0, 'l' }, { "json", 0, 0, 'j' },
		{ "help", 0, 0, 'H' }, { 0 } };
	int *numbers[128] = { ['p'] = &o->port,
		['d'] = &o->devices,
		['P'] = &o->publishers,
		['S'] = &o->subscribers,
		['i'] = &o->qos_in,
		['o'] = &o->qos_out,
		['b'] = &o->payload_bytes,
		['W'] = &o->window,
		['c'] = &o->cpu };
	const char **texts[128] = {
		['h'] = &o->host, ['t'] = &o->topic, ['f'] = &o->filter, ['l'] = &o->label
	};
	int64_t *counts[128] = { ['n'] = &o->count, ['w'] = &o->warmup };
	int c;

	while ((c = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		if (c == '?' || c == 'H') {
			(void)fputs(usage, c == 'H' ? stdout : stderr);
			exit(c == 'H' ? 0 : 2);
		}
		if (numbers[c] != NULL)
			*numbers[c] = atoi(optarg);
		else if (texts[c] != NULL)
			*texts[c] = optarg;
		else if (counts[c] != NULL)
			*counts[c] = atoll(optarg);
		else if (c == 'r')
			o->rate = atof(optarg);
		else
			o->json = true;
	}
	if (o->devices < 1 || o->publishers < 1 || o->subscribers < (o->qos_in > 0 ? 0 : 1) ||
	    o->warmup >= o->count) {
		(void)fputs(usage, stderr);
		exit(2);
	}
}

static void
pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("--cpu");
}

int
main(int argc, char **argv)
{
	struct options options = { .host = "127.0.0.1",
		.port = 1883,
		.topic = "iot/ccar-ad/car",
		.filter = "alerts/#",
		.devices = 100,
		.publishers = 1,
		.subscribers = 1,
		.payload_bytes = 200,
		.count = 200000,
		.warmup = 10000,
		.window = 1000,
		.cpu = -1,
		.label = "" };
	struct run run = { .options = &options };
	size_t devices;

	parse_options(&options, argc, argv);
	pin(options.cpu);
	devices = (size_t)options.devices;
	run.templates = xcalloc(devices, sizeof(*run.templates));
	run.ts_at = xcalloc(devices, sizeof(*run.ts_at));
	run.id_at = xcalloc(devices, sizeof(*run.id_at));
	for (int i = 0; i < options.devices; i++)
		build_template(&run, i);
	connect_all(&run);
	drive(&run);
	report(&run);
	if (options.subscribers == 0)
		return run.received < options.count ? 1 : 0;
	return run.received < options.count * options.subscribers ? 1 : 0;
}

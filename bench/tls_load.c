/* SPDX-License-Identifier: MIT
 * moonlet-tls-bench: drives an MQTT broker over TLS by OpenSSL, with one certificate for all
 * clients, and prints a line of JSON.
 *
 *   handshakes   connects, CONNACK, and away, from so many threads for so many seconds
 *   resumed      the same with a session ticket of the connection before
 *   messages     one publisher, one subscriber, a window of messages between them
 *   idle         opens so many connections and holds them until its standard input ends
 *   storm        one client sends itself messages while others connect at once: its latencies
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"

enum { BATCH = 64, PACKET_BYTES = 1024, IO_BYTES = 65536, PING_US = 5000 };

static struct {
	const char *mode, *ca, *cert, *key, *thing, *label;
	int port, threads, seconds, clients, qos, payload, window, cpu;
	bool plain;
} options = { .threads = 16,
	.seconds = 5,
	.clients = 1000,
	.payload = 256,
	.window = 200,
	.cpu = -1,
	.thing = "bench",
	.label = "" };

static SSL_CTX *context;
static atomic_long connects, failures, received, acknowledged;
static atomic_bool over;
static struct histogram latencies;
static int64_t longest_us;

static int64_t
now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "moonlet-tls-bench: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* --- a client --- */

struct client {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static bool
write_all(const struct client *client, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		long n = client->ssl != NULL ? SSL_write(client->ssl, at, (int)len)
					     : write(client->fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static long
read_some(const struct client *client, void *data, size_t len)
{
	return client->ssl != NULL ? SSL_read(client->ssl, data, (int)len)
				   : read(client->fd, data, len);
}

static bool
read_all(const struct client *client, void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		long n = read_some(client, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void
client_close(struct client *client)
{
	if (client->ssl != NULL) {
		SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(client->ssl);
	}
	close(client->fd);
}

/* Connects and waits for CONNACK. `session`: to be resumed, or NULL. */
static bool
client_open(struct client *client, int number, SSL_SESSION *session)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)options.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned char packet[256], answer[4];
	int on = 1, id;

	client->ssl = NULL;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		goto failed;
	if (!options.plain) {
		client->ssl = SSL_new(context);
		SSL_set_fd(client->ssl, client->fd);
		if (session != NULL)
			SSL_set_session(client->ssl, session);
		if (SSL_connect(client->ssl) != 1)
			goto failed;
	}
	id = snprintf((char *)packet + 14, sizeof(packet) - 14, "%s/%d", options.thing, number);
	memcpy(packet, "\x10\x00\x00\x04MQTT\x04\x02\x00\x00", 12);
	packet[1] = (unsigned char)(12 + id);
	packet[12] = 0;
	packet[13] = (unsigned char)id;
	if (write_all(client, packet, (size_t)packet[1] + 2) && read_all(client, answer, 4) &&
	    answer[3] == 0)
		return true;
failed:
	client_close(client);
	return false;
}

/* --- handshakes --- */

static void *
shake(void *arg)
{
	int number = (int)(intptr_t)arg;
	bool resumes = strcmp(options.mode, "resumed") == 0;
	SSL_SESSION *session = NULL;
	struct client client;

	while (!over) {
		if (!client_open(&client, number, session)) {
			failures++;
			continue;
		}
		connects++;
		if (resumes && session == NULL)
			session = SSL_get1_session(client.ssl);
		client_close(&client);
	}
	return NULL;
}

static void
run_handshakes(void)
{
	pthread_t threads[256];
	int64_t begun_us;
	long before;

	for (int i = 0; i < options.threads; i++)
		pthread_create(&threads[i], NULL, shake, (void *)(intptr_t)i);
	sleep(1); /* the first ones are no measure */
	before = connects;
	begun_us = now_us();
	sleep((unsigned)options.seconds);
	printf("{\"label\":\"%s\",\"mode\":\"%s\",\"rate\":%.1f,\"failures\":%ld}\n", options.label,
	    options.mode, (double)(connects - before) * 1e6 / (double)(now_us() - begun_us),
	    (long)failures);
	over = true;
	for (int i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
}

/* --- messages --- */

static size_t
publish_packet(unsigned char *out, const char *topic, const char *payload, size_t len, int id)
{
	size_t topic_len = strlen(topic), rest = 2 + topic_len + (options.qos > 0 ? 2 : 0) + len;
	size_t at = 0;

	out[at++] = (unsigned char)(0x30 | options.qos << 1);
	do {
		out[at++] = (unsigned char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
	} while ((rest >>= 7) > 0);
	out[at++] = 0;
	out[at++] = (unsigned char)topic_len;
	memcpy(out + at, topic, topic_len);
	at += topic_len;
	if (options.qos > 0) {
		out[at++] = (unsigned char)(id >> 8);
		out[at++] = (unsigned char)id;
	}
	memcpy(out + at, payload, len);
	return at + len;
}

static void
subscribe(const struct client *client, const char *topic)
{
	unsigned char packet[256], answer[5];
	size_t len = strlen(topic);

	packet[0] = 0x82;
	packet[1] = (unsigned char)(5 + len);
	memcpy(packet + 2, "\0\1\0", 3);
	packet[5] = (unsigned char)len;
	memcpy(packet + 6, topic, len);
	packet[6 + len] = 0;
	if (!write_all(client, packet, len + 7) || !read_all(client, answer, 5) || answer[4] > 2)
		die("the subscription was refused");
}

/* Counts whole packets of one type in a stream. */
struct counter {
	size_t left; /* bytes of the packet at hand */
	size_t shift, len;
	int state; /* 0: first byte, 1: length */
	bool counts;
};

static long
count_packets(struct counter *counter, const unsigned char *data, size_t len, unsigned char type)
{
	long found = 0;

	for (size_t i = 0; i < len;) {
		if (counter->left > 0) {
			size_t step = counter->left < len - i ? counter->left : len - i;

			i += step;
			counter->left -= step;
		} else if (counter->state == 0) {
			counter->counts = (data[i++] & 0xf0) == type;
			counter->state = 1;
			counter->len = counter->shift = 0;
		} else {
			counter->len |= (size_t)(data[i] & 0x7f) << counter->shift;
			counter->shift += 7;
			if ((data[i++] & 0x80) != 0)
				continue;
			counter->left = counter->len;
			counter->state = 0;
			found += counter->counts;
		}
	}
	return found;
}

static void *
count_received(void *arg)
{
	static unsigned char buffer[IO_BYTES];
	struct counter counter = { 0 };
	long n;

	while (!over && (n = read_some(arg, buffer, sizeof(buffer))) > 0)
		received += count_packets(&counter, buffer, (size_t)n, 0x30);
	return NULL;
}

static void
run_messages(void)
{
	static unsigned char batch[BATCH * PACKET_BYTES];
	char topic[128], payload[PACKET_BYTES] = "";
	struct client publisher, subscriber;
	pthread_t reader;
	int64_t begun_us, until_us;
	long sent = 0, before;

	(void)snprintf(topic, sizeof(topic), "bench/%s", options.thing);
	memset(payload, 'x', sizeof(payload));
	if (!client_open(&subscriber, 1, NULL) || !client_open(&publisher, 2, NULL))
		die("a client was not let in");
	subscribe(&subscriber, topic);
	pthread_create(&reader, NULL, count_received, &subscriber);
	begun_us = now_us() + 1000000;
	until_us = begun_us + (int64_t)options.seconds * 1000000;
	before = -1;
	while (now_us() < until_us) {
		size_t len = 0;

		if (before < 0 && now_us() >= begun_us)
			before = received;
		if (sent - received >= options.window) {
			sched_yield();
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			len += publish_packet(batch + len, topic, payload, (size_t)options.payload,
			    (int)((sent + i) % 60000 + 1));
		if (!write_all(&publisher, batch, len))
			die("the publisher was cut");
		sent += BATCH;
		while (options.qos > 0 && acknowledged < sent) {
			static unsigned char buffer[IO_BYTES];
			static struct counter counter;
			long n = read_some(&publisher, buffer, sizeof(buffer));

			if (n <= 0)
				die("the publisher was cut");
			acknowledged += count_packets(&counter, buffer, (size_t)n, 0x40);
		}
	}
	printf("{\"label\":\"%s\",\"mode\":\"messages\",\"qos\":%d,\"rate\":%.0f}\n", options.label,
	    options.qos, (double)(received - before) * 1e6 / (double)(now_us() - begun_us));
	over = true;
	shutdown(subscriber.fd, SHUT_RDWR);
	pthread_join(reader, NULL);
}

/* --- idle, storm --- */

static atomic_int next_number;

static void *
open_some(void *arg)
{
	struct client *clients = arg;
	int number;

	while ((number = next_number++) < options.clients) {
		if (client_open(&clients[number], number, NULL))
			connects++;
		else
			failures++;
	}
	return NULL;
}

static void
open_all(struct client *clients)
{
	pthread_t threads[256];

	for (int i = 0; i < options.threads; i++)
		pthread_create(&threads[i], NULL, open_some, clients);
	for (int i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
}

static void
run_idle(void)
{
	struct client *clients = calloc((size_t)options.clients, sizeof(*clients));
	char byte;

	open_all(clients);
	printf("{\"label\":\"%s\",\"mode\":\"idle\",\"open\":%ld,\"failures\":%ld}\n",
	    options.label, (long)connects, (long)failures);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		continue;
}

static void *
ping(void *arg)
{
	static unsigned char packet[PACKET_BYTES], answer[PACKET_BYTES];
	char topic[128];
	size_t len;

	(void)snprintf(topic, sizeof(topic), "bench/%s", options.thing);
	subscribe(arg, topic);
	len = publish_packet(packet, topic, "ping", 4, 1);
	while (!over) {
		int64_t begun_us = now_us();

		if (!write_all(arg, packet, len) || !read_all(arg, answer, len))
			die("the client that was there before was cut");
		begun_us = now_us() - begun_us;
		histogram_add(&latencies, begun_us * 1000);
		longest_us = begun_us > longest_us ? begun_us : longest_us;
		usleep(PING_US);
	}
	return NULL;
}

static void
run_storm(void)
{
	struct client *clients = calloc((size_t)options.clients, sizeof(*clients));
	struct client pinger;
	pthread_t thread;
	int64_t begun_us;
	double seconds;

	if (!client_open(&pinger, 1000000, NULL))
		die("the first client was not let in");
	pthread_create(&thread, NULL, ping, &pinger);
	usleep(500000);
	begun_us = now_us();
	open_all(clients);
	seconds = (double)(now_us() - begun_us) / 1e6;
	over = true;
	pthread_join(thread, NULL);
	printf(
	    "{\"label\":\"%s\",\"mode\":\"storm\",\"connects\":%ld,\"failures\":%ld,\"rate\":%.1f,"
	    "\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
	    options.label, (long)connects, (long)failures, (double)connects / seconds,
	    (double)histogram_quantile(&latencies, 0.5) / 1000,
	    (double)histogram_quantile(&latencies, 0.99) / 1000, (double)longest_us);
}

/* --- the command line --- */

static void
set_context(void)
{
	context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_load_verify_locations(context, options.ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(context, options.cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1)
		die("the certificates cannot be used");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	/* Both brokers speak 1.2: like is compared with like. */
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
}

static void
pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)options.cpu, &set);
	if (options.cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
		die("cannot be pinned");
}

static void
parse(int count, char **words)
{
	static const struct option rows[] = { { "port", 1, NULL, 'p' }, { "ca", 1, NULL, 'a' },
		{ "cert", 1, NULL, 'c' }, { "key", 1, NULL, 'k' }, { "thing", 1, NULL, 't' },
		{ "threads", 1, NULL, 'n' }, { "seconds", 1, NULL, 's' },
		{ "clients", 1, NULL, 'm' }, { "qos", 1, NULL, 'q' }, { "payload", 1, NULL, 'b' },
		{ "window", 1, NULL, 'w' }, { "cpu", 1, NULL, 'u' }, { "label", 1, NULL, 'l' },
		{ "plain", 0, NULL, 'P' }, { NULL, 0, NULL, 0 } };
	int *const numbers[128] = { ['p'] = &options.port,
		['n'] = &options.threads,
		['s'] = &options.seconds,
		['m'] = &options.clients,
		['q'] = &options.qos,
		['b'] = &options.payload,
		['w'] = &options.window,
		['u'] = &options.cpu };
	const char **const texts[128] = { ['a'] = &options.ca,
		['c'] = &options.cert,
		['k'] = &options.key,
		['t'] = &options.thing,
		['l'] = &options.label };
	int letter;

	while ((letter = getopt_long(count, words, "", rows, NULL)) >= 0) {
		if (letter == 'P')
			options.plain = true;
		else if (letter < 128 && numbers[letter] != NULL)
			*numbers[letter] = atoi(optarg);
		else if (letter < 128 && texts[letter] != NULL)
			*texts[letter] = optarg;
		else
			exit(2);
	}
	if (optind + 1 != count || options.threads > 256 || options.payload > PACKET_BYTES - 128)
		die("one of handshakes, resumed, messages, idle, storm is wanted");
	options.mode = words[optind];
}

int
main(int count, char **words)
{
	static const struct {
		const char *mode;
		void (*run)(void);
	} modes[] = { { "handshakes", run_handshakes }, { "resumed", run_handshakes },
		{ "messages", run_messages }, { "idle", run_idle }, { "storm", run_storm } };

	signal(SIGPIPE, SIG_IGN);
	parse(count, words);
	pin();
	if (!options.plain)
		set_context();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].mode, options.mode) == 0) {
			modes[i].run();
			return 0;
		}
	}
	die("there is no such mode");
}

/* SPDX-License-Identifier: MIT
 * TLS listeners. The files are looked at twice a minute: who renews certificates need not tell.
 */
#include "runtime/doors.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "net/pem_file.h"
#include "net/websocket.h"
#include "runtime/access/registration.h"
#include "runtime/figures.h"
#include "runtime/pairs.h"

enum {
	LOOK_US = 30000000,
	SERVER_DAYS = 397,
	RENEW_S = 30 * 86400,
	NAME_BYTES = 128,
	FILES = 3,
	PACKET_BESIDE = 65535 + 8192, /* of a packet, beside its payload */
	CONNECT_BYTE = 0x10,
};

static const char own[] = "own";

struct file_state {
	int64_t changed_ns;
	int64_t size;
	uint64_t folder; /* of what is in it */
};

struct doors {
	struct host *host;
	struct tls *tls;
	struct authority *authority;
	struct tls_context *context;
	struct tls_door *mqtts;
	struct tls_door *https;
	struct websockets *websockets;
	struct timer look;
	struct file_state files[FILES];
	int64_t renew_s; /* when the own certificate is to be made again; 0: it is not own */
};

static int64_t
now_s(const struct doors *doors)
{
	return loop_sys(doors->host->loop)->wall_ms() / 1000;
}

static const char *
path_in(const struct doors *doors, const char *name, struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "%s/tls%s%s", options_text(doors->host->options, OPTION_DATA),
	    name[0] != '\0' ? "/" : "", name);
	return buf_string(out);
}

struct authority *
doors_authority(struct doors *doors, struct err *err)
{
	struct buf folder = { 0 };

	if (doors->authority == NULL)
		doors->authority = authority_open(path_in(doors, "", &folder), now_s(doors), err);
	buf_clear(&folder);
	return doors->authority;
}

static struct tls_limits
limits_of(const struct options *options)
{
	return (struct tls_limits){
		.handshakes_max = (unsigned)options_number(options, OPTION_TLS_HANDSHAKES_MAX),
		.handshake_ms_max = (uint32_t)options_number(options, OPTION_CONNECT_TIMEOUT_MS),
	};
}

struct tls *
doors_tls(struct doors *doors, struct err *err)
{
	const struct tls_limits limits = limits_of(doors->host->options);

	if (doors->tls == NULL)
		doors->tls = tls_new(doors->host->loop, &limits, err);
	return doors->tls;
}

/* The names by which clients may call this machine. */
struct names {
	char texts[CERTIFICATE_NAMES_MAX][NAME_BYTES];
	struct certificate_wish *wish;
};

static void
add_name(struct names *names, const char *name)
{
	struct certificate_wish *wish = names->wish;

	if (wish->name_count == CERTIFICATE_NAMES_MAX || name[0] == '\0')
		return;
	for (size_t i = 0; i < wish->name_count; i++) {
		if (strcmp(wish->names[i], name) == 0)
			return;
	}
	(void)snprintf(names->texts[wish->name_count], NAME_BYTES, "%s", name);
	wish->names[wish->name_count] = names->texts[wish->name_count];
	wish->name_count++;
}

static void
add_addresses(struct names *names)
{
	struct ifaddrs *list = NULL;
	char text[NAME_BYTES];

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
		socklen_t len = sizeof(struct sockaddr_in);

		if (at->ifa_addr == NULL)
			continue;
		if (at->ifa_addr->sa_family == AF_INET6)
			len = sizeof(struct sockaddr_in6);
		else if (at->ifa_addr->sa_family != AF_INET)
			continue;
		if (getnameinfo(at->ifa_addr, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
			0 &&
		    strchr(text, '%') == NULL)
			add_name(names, text);
	}
	freeifaddrs(list);
}

static void
find_names(struct names *names)
{
	char host[NAME_BYTES] = "";

	add_name(names, "localhost");
	add_name(names, "127.0.0.1");
	add_name(names, "::1");
	if (gethostname(host, sizeof(host) - 1) == 0)
		add_name(names, host);
	add_addresses(names);
}

/* server.pem holds the authority's certificate behind its own: clients get the chain. */
static int
make_own(struct doors *doors, const char *certificate_path, const char *key_path, struct err *err)
{
	struct certificate_wish wish = { .common_name = "Moonlet",
		.use = CERTIFICATE_SERVER,
		.now_s = now_s(doors),
		.days = SERVER_DAYS };
	struct names names = { .wish = &wish };
	struct buf certificate = { 0 }, key = { 0 };
	int result;

	find_names(&names);
	result = authority_issue(doors->authority, &wish, &certificate, &key, err);
	buf_append_bytes(&certificate, authority_pem(doors->authority));
	if (result == 0)
		result = pem_file_write(key_path, buf_bytes(&key), 0600, err);
	if (result == 0)
		result = pem_file_write(certificate_path, buf_bytes(&certificate), 0644, err);
	if (key.len > 0)
		explicit_bzero(key.data, key.len);
	buf_clear(&key);
	buf_clear(&certificate);
	return result;
}

/* True where the file holds a certificate of our authority that still lasts. */
static bool
is_good(struct doors *doors, const char *path)
{
	struct certificate *certificate = NULL;
	struct buf text = { 0 };
	struct err err;
	bool good = false;

	if (access(path, F_OK) == 0 && pem_file_read(path, &text, &err) == 0)
		certificate = certificate_parse(buf_bytes(&text), &err);
	if (certificate != NULL) {
		doors->renew_s = certificate->not_after_s - RENEW_S;
		good = now_s(doors) < doors->renew_s &&
		       certificate_verify(
			   buf_bytes(&text), authority_pem(doors->authority), &err) == 0;
	}
	certificate_free(certificate);
	buf_clear(&text);
	return good;
}

static int
read_own(struct doors *doors, struct pair *pair, struct err *err)
{
	struct buf certificate_path = { 0 }, key_path = { 0 };
	int result = 0;

	(void)path_in(doors, "server.pem", &certificate_path);
	(void)path_in(doors, "server.key", &key_path);
	if (!is_good(doors, buf_string(&certificate_path)))
		result = make_own(doors, buf_string(&certificate_path), buf_string(&key_path), err);
	if (result == 0)
		(void)is_good(doors, buf_string(&certificate_path));
	if (result == 0)
		result = pem_file_read(buf_string(&certificate_path), &pair->certificate, err);
	if (result == 0)
		result = pem_file_read(buf_string(&key_path), &pair->key, err);
	buf_clear(&certificate_path);
	buf_clear(&key_path);
	return result;
}

static int
read_configured(struct doors *doors, struct pairs *pairs, struct err *err)
{
	const struct options *options = doors->host->options;
	const char *certificate_path = options_text(options, OPTION_TLS_CERTIFICATE);
	const char *key_path = options_text(options, OPTION_TLS_KEY);
	struct pair *pair;

	doors->renew_s = 0;
	if (pairs_is_folder(certificate_path, &doors->host->early))
		return pairs_read(pairs, certificate_path, &doors->host->early, err) < 0
			   ? err_prefix(err, "tls_certificate")
			   : 0;
	if (strcmp(key_path, own) == 0)
		return err_set(err, "tls_certificate is set, tls_key is not: set both");
	pair = pairs_add(pairs, NULL);
	if (early_read(&doors->host->early, certificate_path, &pair->certificate, err) < 0)
		return err_prefix(err, "tls_certificate");
	return early_read(&doors->host->early, key_path, &pair->key, err) < 0
		   ? err_prefix(err, "tls_key")
		   : 0;
}

static int
read_authorities(struct doors *doors, struct buf *out, struct err *err)
{
	const char *path = options_text(doors->host->options, OPTION_TLS_CA);
	struct buf owners = { 0 };
	int status = 0;

	buf_append_bytes(&owners, authority_pem(doors->authority));
	if (strcmp(path, own) != 0 && early_read(&doors->host->early, path, &owners, err) < 0)
		status = err_prefix(err, "tls_ca");
	if (status == 0)
		registration_authorities(doors->host, buf_bytes(&owners), out);
	buf_clear(&owners);
	return status;
}

/* What the listener of this option wants of its clients. */
static enum tls_client_mode
clients_of(const struct doors *doors, enum option_id listener)
{
	static const char *const words[] = { [TLS_CLIENT_NONE] = "none",
		[TLS_CLIENT_OPTIONAL] = "optional",
		[TLS_CLIENT_REQUIRED] = "required" };
	const char *text = options_text(doors->host->options, OPTION_HTTPS_CLIENT);
	enum tls_client_mode mode = TLS_CLIENT_NONE;

	if (listener != OPTION_HTTPS || strcmp(text, "same") == 0)
		text = options_text(doors->host->options, OPTION_TLS_CLIENT);
	while (mode < TLS_CLIENT_REQUIRED && strcmp(text, words[mode]) != 0)
		mode++;
	return mode;
}

static struct tls_context *
context_of(
    struct doors *doors, const struct pairs *pairs, struct bytes authorities, struct err *err)
{
	struct tls_pair others[TLS_PAIRS_MAX];
	const struct tls_material material = { .side = TLS_SERVER,
		.lanes = tls_lanes(doors->tls),
		.name = pairs->list[0].name,
		.certificate = buf_bytes(&pairs->list[0].certificate),
		.key = buf_bytes(&pairs->list[0].key),
		.others = others,
		.other_count = pairs->count - 1,
		.authorities = authorities,
		.ask = clients_of(doors, OPTION_MQTTS) != TLS_CLIENT_NONE ||
		       clients_of(doors, OPTION_HTTPS) != TLS_CLIENT_NONE,
		.protocols = tls_protocols };

	for (size_t i = 1; i < pairs->count; i++)
		others[i - 1] = (struct tls_pair){ pairs->list[i].name,
			buf_bytes(&pairs->list[i].certificate), buf_bytes(&pairs->list[i].key) };
	return tls_context_new(&material, err);
}

static struct tls_context *
make_context(struct doors *doors, struct err *err)
{
	bool is_own = strcmp(options_text(doors->host->options, OPTION_TLS_CERTIFICATE), own) == 0;
	struct pairs *pairs = xcalloc(1, sizeof(*pairs));
	struct tls_context *context = NULL;
	struct buf authorities = { 0 };
	int result = is_own ? read_own(doors, pairs_add(pairs, NULL), err)
			    : read_configured(doors, pairs, err);

	if (result == 0)
		result = read_authorities(doors, &authorities, err);
	if (result == 0)
		context = context_of(doors, pairs, buf_bytes(&authorities), err);
	pairs_clear(pairs);
	free(pairs);
	buf_clear(&authorities);
	if (context == NULL)
		(void)err_prefix(err, "TLS");
	return context;
}

static void
look_at_files(struct doors *doors, struct file_state states[FILES])
{
	static const enum option_id ids[FILES] = { OPTION_TLS_CERTIFICATE, OPTION_TLS_KEY,
		OPTION_TLS_CA };
	struct stat file;

	for (size_t i = 0; i < FILES; i++) {
		const char *path = options_text(doors->host->options, ids[i]);

		states[i] = (struct file_state){ 0 };
		if (strcmp(path, own) == 0 || stat(path, &file) < 0)
			continue;
		if (S_ISDIR(file.st_mode)) {
			states[i].folder = pairs_folder_state(path);
			continue;
		}
		states[i].size = file.st_size;
		states[i].changed_ns =
		    (int64_t)file.st_mtim.tv_sec * 1000000000 + file.st_mtim.tv_nsec;
	}
}

static void
look(void *arg)
{
	struct doors *doors = arg;
	struct file_state states[FILES];

	look_at_files(doors, states);
	if (memcmp(states, doors->files, sizeof(states)) != 0 ||
	    (doors->renew_s != 0 && now_s(doors) > doors->renew_s))
		doors_reload(doors);
	timer_set(&doors->look, LOOK_US);
}

static void
change(struct doors *doors, struct tls_door *door, enum option_id listener)
{
	if (door != NULL)
		tls_door_change(door, doors->context, clients_of(doors, listener));
}

static uint64_t
frame_bytes_max(const struct host *host)
{
	return (uint64_t)options_number(host->options, OPTION_PAYLOAD_BYTES_MAX) + PACKET_BESIDE;
}

void
doors_reload(struct doors *doors)
{
	const struct tls_limits limits = limits_of(doors->host->options);
	struct tls_context *context;
	struct err err;

	websockets_configure(doors->websockets,
	    options_text(doors->host->options, OPTION_WS_ORIGINS), frame_bytes_max(doors->host));
	if (doors->tls != NULL)
		tls_configure(doors->tls, &limits);
	if (doors->context == NULL)
		return;
	look_at_files(doors, doors->files);
	context = make_context(doors, &err);
	if (context == NULL) {
		privilege_explain(&doors->host->privilege, &err);
		log_error("tls", "certificates stay as they were: %s", err.text);
		return;
	}
	tls_context_unref(doors->context);
	doors->context = context;
	change(doors, doors->mqtts, OPTION_MQTTS);
	change(doors, doors->https, OPTION_HTTPS);
	log_info("tls", "certificates and keys have been read again");
}

static void
accepted(void *arg, struct stream *stream, enum tls_protocol protocol)
{
	struct host *host = arg;

	if (protocol == TLS_PROTOCOL_MQTT)
		broker_accept_stream(host->broker, stream);
	else
		http_server_accept(host->http_server, stream);
}

static int
open_door(struct doors *doors, enum option_id id, enum tls_protocol protocol,
    struct tls_door **door, struct err *err)
{
	const struct tls_door_config config = {
		.address = options_text(doors->host->options, id),
		.context = doors->context,
		.gate = doors->host->gate,
		.protocol = protocol,
		.clients = clients_of(doors, id),
		.arg = doors->host,
		.identify = registration_identify,
		.accepted = accepted,
	};

	if (strcmp(config.address, "off") == 0)
		return 0;
	*door = tls_door_open(doors->tls, &config, err);
	if (*door == NULL)
		return -1;
	tls_door_pause(*door, true);
	return 0;
}

static int
open_doors(struct doors *doors, struct err *err)
{
	const struct options *options = doors->host->options;

	if (strcmp(options_text(options, OPTION_MQTTS), "off") == 0 &&
	    strcmp(options_text(options, OPTION_HTTPS), "off") == 0)
		return 0;
	if (doors_authority(doors, err) == NULL || doors_tls(doors, err) == NULL)
		return -1;
	look_at_files(doors, doors->files);
	doors->context = make_context(doors, err);
	if (doors->context == NULL)
		return -1;
	timer_set(&doors->look, LOOK_US);
	if (open_door(doors, OPTION_MQTTS, TLS_PROTOCOL_MQTT, &doors->mqtts, err) < 0)
		return -1;
	return open_door(doors, OPTION_HTTPS, TLS_PROTOCOL_HTTP, &doors->https, err);
}

static void
accepted_mqtt(void *arg, struct stream *stream)
{
	struct host *host = arg;

	broker_accept_stream(host->broker, stream);
}

/* MQTT that comes to the HTTP server: as WebSocket, or by TLS without ALPN. */
static int
open_websockets(struct doors *doors, struct err *err)
{
	static const struct http_route route = { HTTP_GET, "/mqtt", websockets_open,
		"MQTT by WebSocket" };
	struct host *host = doors->host;
	const struct http_foreign foreign = { CONNECT_BYTE, accepted_mqtt, host };
	const struct websockets_config config = {
		.origins = options_text(host->options, OPTION_WS_ORIGINS),
		.frame_bytes_max = frame_bytes_max(host),
		.arg = host,
		.accepted = accepted_mqtt,
	};

	doors->websockets = websockets_new(&config);
	http_server_give_foreign(host->http_server, &foreign);
	return http_server_add(host->http_server, &route, doors->websockets, err);
}

struct doors *
doors_open(struct host *host, struct err *err)
{
	struct doors *doors = xcalloc(1, sizeof(*doors));

	doors->host = host;
	timer_init(&doors->look, host->loop, look, doors);
	if (open_websockets(doors, err) == 0 && open_doors(doors, err) == 0)
		return doors;
	doors_close(doors);
	return NULL;
}

void
doors_close(struct doors *doors)
{
	if (doors == NULL)
		return;
	tls_door_close(doors->mqtts);
	tls_door_close(doors->https);
	tls_context_unref(doors->context);
	tls_free(doors->tls);
	websockets_free(doors->websockets);
	authority_free(doors->authority);
	timer_clear(&doors->look);
	free(doors);
}

void
doors_pause(struct doors *doors, bool pause)
{
	static const char *const names[] = { "MQTT over TLS", "HTTPS" };
	struct tls_door *const all[] = { doors->mqtts, doors->https };

	for (size_t i = 0; i < 2; i++) {
		if (all[i] == NULL)
			continue;
		tls_door_pause(all[i], pause);
		if (!pause)
			log_info("tls", "%s on %s", names[i], tls_door_address(all[i]));
	}
}

const char *
doors_mqtts_address(const struct doors *doors)
{
	return doors->mqtts != NULL ? tls_door_address(doors->mqtts) : NULL;
}

void
doors_figures(const struct doors *doors, struct buf *out)
{
	const struct tls_figures *figures = doors->tls != NULL ? tls_figures(doors->tls) : NULL;

	if (figures == NULL)
		return;
	figures_counter(out, "moonlet_tls_handshakes_total",
	    "TLS handshakes that clients have begun", figures->handshakes);
	figures_counter(out, "moonlet_tls_failed_total",
	    "TLS handshakes that failed or took too long", figures->failed);
	figures_counter(out, "moonlet_tls_cut_slow_total",
	    "TLS handshakes of silent or slow peers, ended for those who waited",
	    figures->cut_slow);
	figures_counter(out, "moonlet_tls_refused_total",
	    "TLS clients refused for their certificate, or for having none", figures->refused);
	figures_gauge(
	    out, "moonlet_tls_handshakes", "TLS handshakes under way", figures->under_way);
}

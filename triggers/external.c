/* SPDX-License-Identifier: MIT
 * From brokers to functions.
 *
 * A filter has one subscription, however many functions listen to it, and a number made from its
 * text. A broker sends a message once for each subscription that takes it, with that number: so
 * filters that overlap run each function once. The number is the same in every run of the host,
 * for the broker's session remembers those of an earlier one.
 */
#include "triggers/external.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mqtt_url.h"
#include "net/mqtt_client.h"
#include "net/pem_file.h"
#include "runtime/doors.h"
#include "runtime/figures.h"
#include "runtime/function.h"
#include "runtime/message_context.h"

enum { SESSION_EXPIRY_S = 7 * 86400, IDENTITY_BYTES = 8, CLIENT_ID_BYTES = 64 };

/* Of TLS. NULL: not named. */
struct remote_files {
	char *ca;
	char *cert;
	char *key;
};

struct remote {
	struct external *external;
	const char *name;
	struct remote_files files;
	bool tls;
	uint16_t port;
	struct mqtt_client *client;
	char state[200]; /* as external_health tells it */
};

struct listened {
	struct hash_node by_text;
	uint32_t number;
	struct function **functions;
	size_t count;
	char text[];
};

struct external {
	struct host *host;
	struct remote remotes[BROKERS_MAX];
	size_t count;
	struct hash_map filters; /* struct listened */
	struct trie topics;	 /* the same by what they take */
	struct buf extra;
};

struct matching {
	struct remote *remote;
	const struct mqtt_client_delivery *delivery;
	struct ack *ack;
	struct occurrence *event; /* one for all functions */
};

/* FNV-1a: not keyed, for the number must last. Filters that share one by chance lose nothing. */
static uint32_t
number_of(struct bytes filter)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < filter.len; i++)
		hash = (hash ^ filter.data[i]) * 16777619u;
	return 1 + hash % MQTT_CLIENT_NUMBER_MAX;
}

static struct listened *
find(struct external *external, struct bytes filter)
{
	struct hash_node *node = hash_find(&external->filters, filter);

	return node != NULL ? HASH_OWNER(node, struct listened, by_text) : NULL;
}

static struct listened *
listen_to(struct external *external, struct bytes filter)
{
	struct listened *listened = xcalloc(1, sizeof(*listened) + filter.len);

	memcpy(listened->text, filter.data, filter.len);
	listened->number = number_of(filter);
	filter = bytes_of(listened->text, filter.len);
	hash_insert(&external->filters, &listened->by_text, filter);
	trie_add(&external->topics, filter, listened);
	for (size_t i = 0; i < external->count; i++)
		mqtt_client_subscribe(external->remotes[i].client, filter, listened->number);
	return listened;
}

static void
forget(struct external *external, struct listened *listened)
{
	struct bytes filter = listened->by_text.key;

	for (size_t i = 0; i < external->count; i++)
		mqtt_client_unsubscribe(external->remotes[i].client, filter);
	(void)trie_remove(&external->topics, filter, listened);
	hash_remove(&external->filters, &listened->by_text);
	free(listened->functions);
	free(listened);
}

void
external_bind(struct external *external, struct bytes filter, struct function *function)
{
	struct listened *listened;

	if (external == NULL || external->count == 0)
		return;
	listened = find(external, filter);
	if (listened == NULL)
		listened = listen_to(external, filter);
	listened->functions =
	    xrealloc(listened->functions, (listened->count + 1) * sizeof(*listened->functions));
	listened->functions[listened->count++] = function;
}

void
external_unbind(struct external *external, struct bytes filter, struct function *function)
{
	struct listened *listened = external != NULL ? find(external, filter) : NULL;

	for (size_t i = 0; listened != NULL && i < listened->count; i++) {
		if (listened->functions[i] != function)
			continue;
		listened->functions[i] = listened->functions[--listened->count];
		if (listened->count == 0)
			forget(external, listened);
		return;
	}
}

/* The message's own members of the context, and which broker it came from. */
static struct bytes
describe(const struct matching *matching)
{
	struct buf *out = &matching->remote->external->extra;
	const struct message *message = matching->delivery->message;
	cJSON *name = cJSON_CreateString(matching->remote->name);
	char *quoted = cJSON_PrintUnformatted(name);
	struct mqtt_defect defect;
	struct mqtt_props props;

	buf_reset(out);
	buf_printf(out, "{\"broker\":%s", quoted != NULL ? quoted : "null");
	cJSON_free(quoted);
	cJSON_Delete(name);
	if (message->properties.len > 0 &&
	    mqtt_props_decode(message->properties, MQTT_PUBLISH, &props, &defect)) {
		size_t brace = out->len;

		message_context(&props, out);
		out->data[brace] = ',';
		if (out->len == brace + 2)
			out->len = brace; /* it was empty */
		else
			out->len--;
	}
	buf_append_string(out, "}");
	return buf_bytes(out);
}

static void
make_event(struct matching *matching)
{
	const struct message *message = matching->delivery->message;
	const struct happening happening = { .trigger = "topic",
		.subject = message->topic,
		.extra = describe(matching),
		.payload = message->payload,
		.qos = message->qos,
		.retain = message->retain,
		.ack = matching->ack };

	matching->event = occurrence_new(matching->remote->external->host, &happening);
}

static bool
came_by(const struct mqtt_client_delivery *delivery, uint32_t number)
{
	for (size_t i = 0; i < delivery->subscription_count; i++) {
		if (delivery->subscriptions[i] == number)
			return true;
	}
	return delivery->subscription_count == 0;
}

static void
match_one(void *arg, void *value)
{
	struct matching *matching = arg;
	struct listened *listened = value;
	struct host *host = matching->remote->external->host;

	if (!came_by(matching->delivery, listened->number))
		return;
	if (matching->event == NULL)
		make_event(matching);
	for (size_t i = 0; i < listened->count; i++)
		followers_add(&host->followers, listened->functions[i], matching->event);
}

static enum broker_flow
on_message(void *arg, const struct mqtt_client_delivery *delivery, struct ack *ack)
{
	struct remote *remote = arg;
	struct external *external = remote->external;
	struct matching matching = { remote, delivery, ack, NULL };

	trie_match(&external->topics, delivery->message->topic, match_one, &matching);
	occurrence_drop(matching.event);
	return followers_submit(&external->host->followers) ? BROKER_PAUSE : BROKER_GO_ON;
}

struct identity_job {
	struct store_job job;
	uint8_t identity[IDENTITY_BYTES];
};

static int
read_identity(struct txn *txn, struct store_job *job, struct err *err)
{
	struct identity_job *identity = (struct identity_job *)(void *)job;
	struct bytes key = bytes_of_string("identity");
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_META, key, &value, NULL, err);

	if (found == 1 && value.len == IDENTITY_BYTES)
		memcpy(identity->identity, value.data, IDENTITY_BYTES);
	else if (found >= 0)
		found = txn_put(
		    txn, SPACE_META, key, bytes_of(identity->identity, IDENTITY_BYTES), err);
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
identity_done(struct store_job *job)
{
	(void)job;
}

/* The session at the broker belongs to the data folder. */
static int
make_client_id(struct host *host, char id[CLIENT_ID_BYTES], struct err *err)
{
	struct identity_job job = { .job = { .run = read_identity, .done = identity_done } };
	size_t len;

	loop_sys(host->loop)->random(job.identity, sizeof(job.identity));
	if (store_run(host->store, &job.job, err) < 0)
		return err_prefix(err, "read the host's identity");
	len = (size_t)snprintf(id, CLIENT_ID_BYTES, "moonlet-");
	for (size_t i = 0; i < IDENTITY_BYTES; i++)
		len += (size_t)snprintf(id + len, CLIENT_ID_BYTES - len, "%02x", job.identity[i]);
	return 0;
}

/* Where systems keep the authorities that everybody trusts. */
static int
read_system_authorities(struct buf *out, struct err *err)
{
	static const char *const paths[] = { "/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (pem_file_read(paths[i], out, err) == 0)
			return 0;
	}
	return err_set(err, "this system has no list of authorities: name the broker's with ca");
}

static int
read_files(const struct remote *remote, struct buf text[3], struct err *err)
{
	const struct early *early = &remote->external->host->early;
	const struct remote_files *files = &remote->files;
	int result = files->ca != NULL ? early_read(early, files->ca, &text[0], err)
				       : read_system_authorities(&text[0], err);

	if (result == 0 && files->cert != NULL)
		result = early_read(early, files->cert, &text[1], err);
	if (result == 0 && files->key != NULL)
		result = early_read(early, files->key, &text[2], err);
	return result;
}

/* On 443 AWS IoT is found by this protocol only; elsewhere it needs none. */
static const char *const protocols_443[] = { "x-amzn-mqtt-ca", "mqtt", NULL };

static struct tls_context *
make_context(struct remote *remote, struct err *err)
{
	struct tls *tls = doors_tls(remote->external->host->doors, err);
	struct tls_material material = { .side = TLS_CLIENT,
		.protocols = remote->port == 443 ? protocols_443 : NULL };
	struct buf text[3] = { { 0 } };
	struct tls_context *context = NULL;

	if (tls != NULL && read_files(remote, text, err) == 0) {
		material.lanes = tls_lanes(tls);
		material.authorities = buf_bytes(&text[0]);
		material.certificate = buf_bytes(&text[1]);
		material.key = buf_bytes(&text[2]);
		context = tls_context_new(&material, err);
	}
	if (text[2].len > 0)
		explicit_bzero(text[2].data, text[2].len);
	for (size_t i = 0; i < 3; i++)
		buf_clear(&text[i]);
	return context;
}

void
external_reload(struct external *external)
{
	for (size_t i = 0; external != NULL && i < external->count; i++) {
		struct remote *remote = &external->remotes[i];
		struct tls_context *context = NULL;
		struct err err;

		if (!remote->tls)
			continue;
		context = make_context(remote, &err);
		if (context == NULL) {
			privilege_explain(&external->host->privilege, &err);
			log_error("broker", "%s: certificates stay as they were: %s", remote->name,
			    err.text);
		} else {
			mqtt_client_secure(remote->client, context);
		}
		tls_context_unref(context);
	}
}

static struct mqtt_client *
make_client(struct remote *remote, const struct broker_setting *setting, const struct mqtt_url *url,
    const char *client_id, struct err *err)
{
	const struct host *host = remote->external->host;
	const struct mqtt_client_events events = { .arg = remote, .message = on_message };
	struct mqtt_client_config config = mqtt_client_defaults;
	struct mqtt_client *client;

	config.name = setting->name;
	config.host = url->host;
	config.port = url->port;
	config.user = url->user;
	config.password = url->password;
	config.client_id = setting->client_id != NULL ? setting->client_id : client_id;
	config.share = strcmp(setting->share, "off") != 0 ? setting->share : NULL;
	config.session_expiry_s = SESSION_EXPIRY_S;
	config.packet_bytes_max =
	    (uint32_t)options_number(host->options, OPTION_PAYLOAD_BYTES_MAX) + 65535 + 8192;
	config.receive_maximum = (uint16_t)options_number(host->options, OPTION_RECEIVE_MAXIMUM);
	if (remote->tls) {
		config.context = make_context(remote, err);
		if (config.context == NULL)
			return NULL;
		config.tls = doors_tls(host->doors, err);
	}
	client = mqtt_client_new(host->loop, &config, &events);
	tls_context_unref(config.context);
	return client;
}

static char *
first_of(const char *setting, const char *url)
{
	return setting != NULL ? xstrdup(setting) : url != NULL ? xstrdup(url) : NULL;
}

static int
add_remote(struct external *external, const struct broker_setting *setting, const char *client_id,
    struct err *err)
{
	struct remote *remote = &external->remotes[external->count];
	struct mqtt_url url;

	for (size_t i = 0; i < external->count; i++) {
		if (strcmp(external->remotes[i].name, setting->name) == 0)
			return err_set(
			    err, "broker %s stands twice: give each another name", setting->name);
	}
	if (mqtt_url_parse(setting->url, &url, err) < 0)
		return err_prefix(err, "broker %s", setting->name);
	remote->external = external;
	remote->name = setting->name;
	remote->tls = url.tls;
	remote->port = url.port;
	remote->files.ca = first_of(setting->ca, url.ca);
	remote->files.cert = first_of(setting->cert, url.cert);
	remote->files.key = first_of(setting->key, url.key);
	external->count++;
	remote->client = make_client(remote, setting, &url, client_id, err);
	mqtt_url_clear(&url);
	return remote->client != NULL ? 0 : err_prefix(err, "broker %s", setting->name);
}

struct external *
external_open(struct host *host, struct err *err)
{
	struct external *external = xcalloc(1, sizeof(*external));
	const struct options *options = host->options;
	char client_id[CLIENT_ID_BYTES];

	external->host = host;
	if (options->broker_count > 0 && make_client_id(host, client_id, err) < 0)
		goto out;
	for (size_t i = 0; i < options->broker_count; i++) {
		if (add_remote(external, &options->brokers[i], client_id, err) < 0)
			goto out;
	}
	return external;
out:
	external_free(external);
	return NULL;
}

static size_t
count_of(const struct external *external)
{
	return external != NULL ? external->count : 0;
}

void
external_start(struct external *external)
{
	for (size_t i = 0; i < count_of(external); i++)
		mqtt_client_start(external->remotes[i].client);
}

void
external_resume(struct external *external)
{
	for (size_t i = 0; i < count_of(external); i++)
		mqtt_client_resume(external->remotes[i].client);
}

void
external_hold(struct external *external)
{
	for (size_t i = 0; i < count_of(external); i++)
		mqtt_client_hold(external->remotes[i].client);
}

static void
free_remote(struct remote *remote)
{
	mqtt_client_free(remote->client);
	free(remote->files.ca);
	free(remote->files.cert);
	free(remote->files.key);
}

void
external_free(struct external *external)
{
	struct hash_node *node;

	if (external == NULL)
		return;
	for (size_t i = 0; i < external->count; i++)
		free_remote(&external->remotes[i]);
	external->count = 0;
	while ((node = hash_next(&external->filters, NULL)) != NULL)
		forget(external, HASH_OWNER(node, struct listened, by_text));
	hash_clear(&external->filters);
	trie_clear(&external->topics);
	buf_clear(&external->extra);
	free(external);
}

/* "connected", or what it does and why it is not connected. */
static const char *
state_of(struct remote *remote, const struct mqtt_client_status *status)
{
	const char *name = mqtt_client_state_name(status->state);

	if (status->why[0] == '\0')
		return name;
	(void)snprintf(remote->state, sizeof(remote->state), "%s (%s)", name, status->why);
	return remote->state;
}

void
external_health(struct external *external, struct health *health)
{
	for (size_t i = 0; i < count_of(external) && i < HEALTH_BROKERS_MAX; i++) {
		struct mqtt_client_status status;

		mqtt_client_status(external->remotes[i].client, &status);
		health->brokers[i].name = external->remotes[i].name;
		health->brokers[i].state = state_of(&external->remotes[i], &status);
		health->brokers[i].connected = status.state == MQTT_CLIENT_CONNECTED;
	}
	health->broker_count = count_of(external);
}

static const struct {
	const char *name;
	enum figure_type type;
	const char *help;
} figure_rows[] = {
	{ "moonlet_external_connected", FIGURE_GAUGE, "1 while the external broker is connected" },
	{ "moonlet_external_connections_total", FIGURE_COUNTER, "Connections that were made" },
	{ "moonlet_external_messages_total", FIGURE_COUNTER, "Messages that came" },
	{ "moonlet_external_duplicates_total", FIGURE_COUNTER, "Messages that came with DUP" },
	{ "moonlet_external_unacknowledged", FIGURE_GAUGE, "QoS 1 messages that are worked on" },
	{ "moonlet_external_filters_refused", FIGURE_GAUGE,
	    "Subscriptions that the broker refuses" },
};

static double
figure(const struct mqtt_client_status *status, size_t row)
{
	const double values[] = { status->state == MQTT_CLIENT_CONNECTED,
		(double)status->connections, (double)status->messages_in,
		(double)status->duplicates_in, status->unacknowledged, status->filters_refused };

	return values[row];
}

static void
add_sample(const struct remote *remote, size_t row, struct buf *out)
{
	struct mqtt_client_status status;
	struct buf labels = { 0 };

	mqtt_client_status(remote->client, &status);
	figures_label(&labels, "broker", bytes_of_string(remote->name));
	figures_sample(out, figure_rows[row].name, buf_string(&labels), figure(&status, row));
	buf_clear(&labels);
}

void
external_figures(const struct external *external, struct buf *out)
{
	size_t rows = count_of(external) > 0 ? sizeof(figure_rows) / sizeof(figure_rows[0]) : 0;

	for (size_t row = 0; row < rows; row++) {
		figures_family(
		    out, figure_rows[row].name, figure_rows[row].type, figure_rows[row].help);
		for (size_t i = 0; i < external->count; i++)
			add_sample(&external->remotes[i], row, out);
	}
}

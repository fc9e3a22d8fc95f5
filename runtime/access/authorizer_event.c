/* SPDX-License-Identifier: MIT
 * Logins as events for functions, and what is secret in them.
 */
#include "runtime/access/authorizer_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/json_text.h"
#include "lib/redact.h"
#include "lib/utf8.h"
#include "runtime/access/login.h"
#include "runtime/api/api_parts.h"
#include "runtime/host.h"
#include "runtime/http_reply.h"

enum { SECRET_BYTES_MIN = 3, PLAIN_BYTES_MIN = 6, ID_BYTES = 37 };

static const char name_key[] = "x-amz-customauthorizer-name";

/* --- secrets --- */

static bool
is_printable(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < ' ')
			return false;
	}
	return true;
}

static void
keep_secret(struct authorizer_event *event, struct bytes text)
{
	bool fits = event->secret_count < AUTHORIZER_SECRETS_MAX;

	if (text.len == 0)
		return;
	event->is_opaque |= text.len < PLAIN_BYTES_MIN || !is_printable(text) || !fits;
	if (text.len < SECRET_BYTES_MIN || !fits)
		return;
	buf_append_bytes(&event->secrets[event->secret_count++], text);
}

/* As it is, and as it stands in JSON. */
static void
add_secret(struct authorizer_event *event, struct bytes text)
{
	struct buf quoted = { 0 };

	keep_secret(event, text);
	if (text.len > 0 && utf8_is_valid(text)) {
		json_text_quote(text, &quoted);
		if (quoted.len > text.len + 2)
			keep_secret(event, bytes_of(quoted.data + 1, quoted.len - 2));
	}
	if (quoted.len > 0)
		explicit_bzero(quoted.data, quoted.len);
	buf_clear(&quoted);
}

/* Parameters with a secret's name. */
static void
add_query_secrets(struct authorizer_event *event, struct bytes query)
{
	struct bytes name, value;

	while (http_query_next(&query, &name, &value)) {
		struct buf decoded = { 0 };

		if (!redact_is_secret(name))
			continue;
		add_secret(event, value);
		if (http_decode(value, true, &decoded) == 0)
			add_secret(event, buf_bytes(&decoded));
		buf_clear(&decoded);
	}
}

static struct bytes
user_query(const struct login *login)
{
	const uint8_t *mark =
	    login->user.len > 0 ? memchr(login->user.data, '?', login->user.len) : NULL;

	if (mark == NULL)
		return bytes_of(NULL, 0);
	return bytes_of(mark + 1, (size_t)(login->user.data + login->user.len - mark) - 1);
}

static void
add_secrets(struct authorizer_event *event, const struct login *login)
{
	struct buf encoded = { 0 };

	base64_encode(login->password, &encoded);
	add_secret(event, login->password);
	add_secret(event, buf_bytes(&encoded));
	add_secret(event, login->bearer);
	add_query_secrets(event, user_query(login));
	add_query_secrets(event, login->query);
	for (size_t i = 0; login->head != NULL && i < login->head->header_count; i++) {
		const struct http_header *header = &login->head->headers[i];

		if (redact_is_secret(header->name))
			add_secret(event, header->value);
	}
	if (encoded.len > 0)
		explicit_bzero(encoded.data, encoded.len);
	buf_clear(&encoded);
}

void
authorizer_event_mask(const struct authorizer_event *event, uint8_t *text, size_t len)
{
	for (size_t i = 0; i < event->secret_count; i++)
		(void)redact_find(text, len, buf_bytes(&event->secrets[i]));
}

/* --- which one --- */

static bool
find_in_query(struct bytes query, struct buf *name)
{
	struct bytes key, value;

	while (http_query_next(&query, &key, &value)) {
		if (bytes_equal_string(key, name_key) && value.len > 0)
			return http_decode(value, true, name) == 0 && name->len > 0;
	}
	return false;
}

bool
authorizer_named(const struct login *login, struct buf *name)
{
	struct bytes header =
	    login->head != NULL ? http_header_find(login->head, name_key) : bytes_of(NULL, 0);

	if (header.len > 0) {
		buf_append_bytes(name, header);
		return true;
	}
	return find_in_query(user_query(login), name) || find_in_query(login->query, name);
}

/* --- the event --- */

static void
add_text(cJSON *object, const char *name, struct bytes text)
{
	char *string = bytes_to_string(text);

	api_add_string(object, name, string);
	explicit_bzero(string, text.len);
	free(string);
}

static void
add_password(const struct login *login, cJSON *part)
{
	struct buf encoded = { 0 };

	if (login->has_user)
		add_text(part, "username", login->user);
	if (login->has_password) {
		base64_encode(login->password, &encoded);
		add_text(part, "password", buf_bytes(&encoded));
		if (encoded.len > 0)
			explicit_bzero(encoded.data, encoded.len);
	}
	buf_clear(&encoded);
}

static cJSON *
mqtt_part(const struct login *login)
{
	cJSON *part = api_object();

	add_password(login, part);
	add_text(part, "clientId", login->client_id);
	return part;
}

static cJSON *
http_part(const struct login *login)
{
	cJSON *part = api_object(), *headers = api_object();
	struct buf query = { 0 };

	if (login->query.len > 0)
		buf_append_u8(&query, '?');
	buf_append_bytes(&query, login->query);
	if (login->door == LOGIN_HTTP)
		add_password(login, part);
	http_reply_headers(login->head, headers);
	api_add(part, "headers", headers);
	add_text(part, "queryString", buf_bytes(&query));
	buf_clear(&query);
	return part;
}

static void
add_protocol(cJSON *protocols, const char *name)
{
	if (!cJSON_AddItemToArray(protocols, cJSON_CreateString(name)))
		abort();
}

static void
add_protocols(cJSON *root, const struct login *login)
{
	cJSON *data = api_object(), *protocols = api_array(), *tls;

	if (login->door == LOGIN_MQTT) {
		api_add(data, "mqtt", mqtt_part(login));
		add_protocol(protocols, "mqtt");
	}
	if (login->head != NULL) {
		api_add(data, "http", http_part(login));
		add_protocol(protocols, "http");
	}
	if (login->peer->is_tls) {
		tls = api_object();
		if (login->peer->server_name != NULL)
			api_add_string(tls, "serverName", login->peer->server_name);
		api_add(data, "tls", tls);
		add_protocol(protocols, "tls");
	}
	api_add(root, "protocols", protocols);
	api_add(root, "protocolData", data);
}

static void
make_id(const struct login *login, char out[ID_BYTES])
{
	uint8_t random[16];
	char *at = out;

	loop_sys(login->host->loop)->random(random, sizeof(random));
	random[6] = (random[6] & 0x0f) | 0x40; /* RFC 9562 §5.4 */
	random[8] = (random[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(random); i++)
		at += sprintf(
		    at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", random[i]);
}

static void
write_event(struct authorizer_event *event, const struct login *login)
{
	cJSON *root = api_object();
	char id[ID_BYTES], *text;

	api_add_bool(root, "signatureVerified", false);
	if (login->bearer.len > 0)
		add_text(root, "token", login->bearer);
	add_protocols(root, login);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (text == NULL)
		abort();
	make_id(login, id);
	buf_printf(&event->json, "{\"connectionMetadata\":{\"id\":\"%s\"},", id);
	event->differs = event->json.len;
	buf_append_string(&event->json, text + 1);
	explicit_bzero(text, strlen(text));
	cJSON_free(text);
}

/* MQTT's texts are checked by its codec, headers become UTF-8: what is left is HTTP's Basic. A zero
 * would end a text early, and the function would see less than the client has sent. */
static bool
is_text(struct bytes text)
{
	return utf8_is_valid(text) && (text.len == 0 || memchr(text.data, 0, text.len) == NULL);
}

struct authorizer_event *
authorizer_event_new(const struct login *login, struct err *err)
{
	struct authorizer_event *event;

	if (!is_text(login->user) || !is_text(login->bearer) || !is_text(login->client_id) ||
	    !is_text(login->query)) {
		(void)err_set(err, "its user name, token or query is no text in UTF-8");
		return NULL;
	}
	event = xcalloc(1, sizeof(*event));
	event->refs = 1;
	write_event(event, login);
	add_secrets(event, login);
	return event;
}

struct authorizer_event *
authorizer_event_ref(struct authorizer_event *event)
{
	event->refs++;
	return event;
}

static void
wipe(struct buf *text)
{
	if (text->len > 0)
		explicit_bzero(text->data, text->len);
	buf_clear(text);
}

void
authorizer_event_unref(struct authorizer_event *event)
{
	if (event == NULL || --event->refs > 0)
		return;
	wipe(&event->json);
	for (size_t i = 0; i < event->secret_count; i++)
		wipe(&event->secrets[i]);
	free(event);
}

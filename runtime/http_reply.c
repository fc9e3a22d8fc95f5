/* SPDX-License-Identifier: MIT
 * Requests to JSON and JSON to responses.
 */
#include "runtime/http_reply.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/utf8.h"

static cJSON *
checked(cJSON *item)
{
	if (item == NULL)
		abort();
	return item;
}

/* JSON holds UTF-8 only: other bytes are taken for Latin-1, as HTTP once had it. */
static void
add_text(cJSON *object, const char *name, struct bytes value)
{
	struct buf text = { 0 };

	if (utf8_is_valid(value)) {
		buf_append_bytes(&text, value);
	} else {
		for (size_t i = 0; i < value.len; i++) {
			if (value.data[i] < 0x80) {
				buf_append_u8(&text, value.data[i]);
				continue;
			}
			buf_append_u8(&text, (uint8_t)(0xc0 | value.data[i] >> 6));
			buf_append_u8(&text, (uint8_t)(0x80 | (value.data[i] & 0x3f)));
		}
	}
	(void)checked(cJSON_AddStringToObject(object, name, buf_string(&text)));
	buf_clear(&text);
}

/* Repeated headers are one list (RFC 9110 §5.3). */
static void
add_header(cJSON *object, const struct http_header *header)
{
	char *name = bytes_to_string(header->name);
	struct buf value = { 0 };
	const cJSON *before;

	for (char *at = name; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	before = cJSON_GetObjectItemCaseSensitive(object, name);
	if (before != NULL) {
		buf_printf(&value, "%s, ", before->valuestring);
		cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	}
	buf_append_bytes(&value, header->value);
	add_text(object, name, buf_bytes(&value));
	buf_clear(&value);
	free(name);
}

/* The first of a name stands. What cannot be decoded stands as it was sent. */
static void
add_query(cJSON *object, struct bytes query)
{
	struct bytes name, value;

	while (http_query_next(&query, &name, &value)) {
		struct buf key = { 0 }, text = { 0 };

		if (http_decode(name, true, &key) < 0) {
			buf_reset(&key);
			buf_append_bytes(&key, name);
		}
		if (http_decode(value, true, &text) < 0) {
			buf_reset(&text);
			buf_append_bytes(&text, value);
		}
		if (utf8_is_valid(buf_bytes(&key)) &&
		    cJSON_GetObjectItemCaseSensitive(object, buf_string(&key)) == NULL)
			add_text(object, buf_string(&key), buf_bytes(&text));
		buf_clear(&key);
		buf_clear(&text);
	}
}

static void
print_to(cJSON *json, struct buf *out)
{
	char *text = cJSON_PrintUnformatted(json);

	if (text == NULL)
		abort();
	buf_append_string(out, text);
	cJSON_free(text);
}

void
http_reply_headers(const struct http_head *head, cJSON *object)
{
	for (size_t i = 0; i < head->header_count; i++)
		add_header(object, &head->headers[i]);
}

void
http_reply_context(const struct http_exchange *exchange, struct buf *out)
{
	const struct http_head *head = http_exchange_head(exchange);
	const struct http_match *match = http_exchange_match(exchange);
	cJSON *root = checked(cJSON_CreateObject());
	cJSON *part;

	add_text(root, "method", bytes_of_string(http_method_name(head->method)));
	add_text(root, "path", head->path);
	add_text(root, "client_address", bytes_of_string(http_exchange_peer(exchange)));
	part = checked(cJSON_AddObjectToObject(root, "query"));
	add_query(part, head->query);
	part = checked(cJSON_AddObjectToObject(root, "headers"));
	http_reply_headers(head, part);
	part = checked(cJSON_AddObjectToObject(root, "params"));
	for (size_t i = 0; i < match->param_count; i++)
		add_text(
		    part, match->params[i].name, http_match_param(match, match->params[i].name));
	print_to(root, out);
	cJSON_Delete(root);
}

/* A response on its way from JSON. */
struct reply {
	int status;
	const char *content_type;
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct buf body;
};

/* What the server itself says. */
static bool
is_reserved(const char *name)
{
	static const char *const reserved[] = { "Content-Length", "Transfer-Encoding", "Connection",
		"Keep-Alive", "Date", "Trailer", "Upgrade" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcasecmp(name, reserved[i]) == 0)
			return true;
	}
	return false;
}

static int
push_header(struct reply *reply, const char *name, const cJSON *value, struct err *err)
{
	struct bytes text = bytes_of_string(value->valuestring);

	if (!cJSON_IsString(value))
		return err_set(
		    err, "header %.100s is neither a string nor a list of strings", name);
	if (!http_is_token(bytes_of_string(name)) || !http_is_field_value(text))
		return err_set(err, "header %.100s has characters that may not be sent", name);
	if (is_reserved(name))
		return err_set(err, "header %.100s is set by the server", name);
	if (reply->header_count == HTTP_HEADERS_MAX)
		return err_set(err, "there are more than %d headers", HTTP_HEADERS_MAX);
	reply->headers[reply->header_count++] =
	    (struct http_header){ .name = bytes_of_string(name), .value = text };
	if (strcasecmp(name, "Content-Type") == 0)
		reply->content_type = NULL;
	return 0;
}

static int
read_headers(struct reply *reply, const cJSON *headers, struct err *err)
{
	const cJSON *header, *value;

	cJSON_ArrayForEach(header, headers)
	{
		if (!cJSON_IsArray(header)) {
			if (push_header(reply, header->string, header, err) < 0)
				return -1;
			continue;
		}
		cJSON_ArrayForEach(value, header)
		{
			if (push_header(reply, header->string, value, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* Whether it has only a response's fields, of their types. An empty table is a value. */
static bool
is_response(const cJSON *value)
{
	const cJSON *field;

	if (!cJSON_IsObject(value) || value->child == NULL)
		return false;
	cJSON_ArrayForEach(field, value)
	{
		bool fits =
		    strcmp(field->string, "json") == 0 ||
		    (strcmp(field->string, "status") == 0 && cJSON_IsNumber(field)) ||
		    (strcmp(field->string, "body") == 0 && cJSON_IsString(field)) ||
		    (strcmp(field->string, "headers") == 0 &&
			(cJSON_IsObject(field) || (cJSON_IsArray(field) && field->child == NULL)));

		if (!fits)
			return false;
	}
	return true;
}

static int
read_response(struct reply *reply, const cJSON *value, struct err *err)
{
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(value, "status");
	cJSON *json = cJSON_GetObjectItemCaseSensitive(value, "json");
	const cJSON *body = cJSON_GetObjectItemCaseSensitive(value, "body");

	reply->status = json != NULL || body != NULL ? 200 : 204;
	if (status != NULL) {
		if (status->valuedouble < 200 || status->valuedouble > 599 ||
		    status->valuedouble != (double)status->valueint)
			return err_set(
			    err, "status %g is not between 200 and 599", status->valuedouble);
		reply->status = status->valueint;
	}
	if (json != NULL && body != NULL)
		return err_set(err, "it has both body and json");
	if (json != NULL) {
		reply->content_type = "application/json";
		print_to(json, &reply->body);
	} else if (body != NULL) {
		reply->content_type = "text/plain; charset=utf-8";
		buf_append_string(&reply->body, body->valuestring);
	}
	return read_headers(reply, cJSON_GetObjectItemCaseSensitive(value, "headers"), err);
}

static void
send_reply(struct http_exchange *exchange, const struct reply *reply)
{
	http_exchange_respond(exchange, &(struct http_answer){
					    .status = reply->status,
					    .content_type = reply->content_type,
					    .headers = reply->headers,
					    .header_count = reply->header_count,
					    .body = buf_bytes(&reply->body),
					});
}

static int
send_json(struct http_exchange *exchange, struct bytes result, struct err *err)
{
	cJSON *value = cJSON_ParseWithLength((const char *)result.data, result.len);
	struct reply reply = { .status = 200, .content_type = "application/json" };
	int status = 0;

	if (is_response(value))
		status = read_response(&reply, value, err);
	else
		buf_append_bytes(&reply.body, result);
	if (status == 0)
		send_reply(exchange, &reply);
	else
		http_exchange_error(exchange, 500, "the function's response is wrong");
	buf_clear(&reply.body);
	cJSON_Delete(value);
	return status < 0 ? err_prefix(err, "the returned table is no HTTP response") : 0;
}

int
http_reply_send(
    struct http_exchange *exchange, enum result_kind kind, struct bytes result, struct err *err)
{
	struct http_answer answer = { .status = 200, .body = result };

	switch (kind) {
	case RESULT_JSON:
		return send_json(exchange, result, err);
	case RESULT_RAW:
		answer.content_type = utf8_is_valid(result) ? "text/plain; charset=utf-8"
							    : "application/octet-stream";
		break;
	case RESULT_NONE:
		answer.status = 204;
		break;
	}
	http_exchange_respond(exchange, &answer);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Frames to requests, responses to frames.
 */
#include "runtime/http_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/frame.h"
#include "runtime/options.h"

struct http_client *
http_call_client(struct loop *loop, const struct options *options)
{
	unsigned parallel = (unsigned)options_number(options, OPTION_HTTP_REQUESTS_MAX);
	struct http_client_config config = {
		.parallel_max = parallel,
		.queued_max = parallel * 16,
		.owner_parallel_max = (parallel + 3) / 4,
		.owner_queued_max = parallel * 4,
		.response_bytes_max = (size_t)options_number(options, OPTION_HTTP_BODY_BYTES_MAX),
	};

	return http_client_new(loop, &config);
}

struct http_call {
	struct http_call_terms terms;
	struct http_transfer *transfer;
};

/* The handler's own, and the worker's Content-Type. */
enum { WANTED_HEADERS_MAX = HTTP_HEADERS_MAX + 1 };

/* CALL_HTTP as it stands in the frame. */
struct wanted {
	struct bytes method, url, body;
	uint32_t timeout_ms;
	uint8_t redirects_max;
	size_t header_count;
	struct http_header headers[WANTED_HEADERS_MAX + 1]; /* one for the key */
};

/* A zero would cut the text that is checked off the bytes that were meant. */
static bool
has_zero(struct bytes text)
{
	return text.len > 0 && memchr(text.data, 0, text.len) != NULL;
}

static int
decode(struct bytes fields, struct wanted *wanted)
{
	struct cursor cursor = cursor_of(fields);
	uint16_t count;

	wanted->method = cursor_bytes(&cursor);
	wanted->url = cursor_bytes(&cursor);
	wanted->timeout_ms = cursor_u32(&cursor);
	wanted->redirects_max = cursor_u8(&cursor);
	count = cursor_u16(&cursor);
	if (count > WANTED_HEADERS_MAX)
		return -1;
	for (; wanted->header_count < count; wanted->header_count++) {
		wanted->headers[wanted->header_count].name = cursor_bytes(&cursor);
		wanted->headers[wanted->header_count].value = cursor_bytes(&cursor);
	}
	wanted->body = cursor_bytes(&cursor);
	if (!cursor_end(&cursor))
		return -1;
	return has_zero(wanted->method) || has_zero(wanted->url) ? -1 : 0;
}

static bool
has_header(const struct wanted *wanted, const char *name)
{
	for (size_t i = 0; i < wanted->header_count; i++) {
		struct bytes given = wanted->headers[i].name;

		if (given.len == strlen(name) &&
		    strncasecmp((const char *)given.data, name, given.len) == 0)
			return true;
	}
	return false;
}

static void
add_key(struct wanted *wanted, const char *key)
{
	if (key == NULL || bytes_equal_string(wanted->method, "GET") ||
	    bytes_equal_string(wanted->method, "HEAD") || has_header(wanted, "Idempotency-Key"))
		return;
	wanted->headers[wanted->header_count++] =
	    (struct http_header){ .name = bytes_of_string("Idempotency-Key"),
		    .value = bytes_of_string(key) };
}

static void
answer(struct http_call *call, bool ok, const struct buf *fields)
{
	struct http_call_terms terms = call->terms;

	free(call);
	terms.done(terms.arg, ok, buf_bytes(fields));
}

static void
on_done(void *arg, const struct http_response *response, const char *error)
{
	struct http_call *call = arg;
	struct buf fields = { 0 };

	if (error != NULL) {
		frame_string(&fields, error);
	} else {
		frame_u16(&fields, (uint16_t)response->status);
		frame_u16(&fields, (uint16_t)response->header_count);
		for (size_t i = 0; i < response->header_count; i++) {
			frame_bytes(&fields, response->headers[i].name);
			frame_bytes(&fields, response->headers[i].value);
		}
		frame_bytes(&fields, response->body);
	}
	answer(call, error == NULL, &fields);
	buf_clear(&fields);
}

static enum egress_grant
on_permit(void *arg, const struct egress_target *target)
{
	const struct http_call *call = arg;

	return call->terms.permit(call->terms.arg, target);
}

static uint32_t
timeout_of(const struct wanted *wanted, uint32_t max)
{
	uint32_t timeout_ms = wanted->timeout_ms > 0 ? wanted->timeout_ms : HTTP_CALL_TIMEOUT_MS;

	if (timeout_ms > max)
		timeout_ms = max;
	return timeout_ms > 0 ? timeout_ms : 1;
}

static struct http_transfer *
start(struct http_call *call, const struct wanted *wanted, struct err *err)
{
	char *method = bytes_to_string(wanted->method), *url = bytes_to_string(wanted->url);
	unsigned redirects = wanted->redirects_max;
	struct http_request request = {
		.owner = call->terms.owner,
		.method = method,
		.url = url,
		.headers = wanted->headers,
		.header_count = wanted->header_count,
		.body = wanted->body,
		.timeout_ms = timeout_of(wanted, call->terms.timeout_ms_max),
		.redirects_max =
		    redirects > HTTP_CALL_REDIRECTS_MAX ? HTTP_CALL_REDIRECTS_MAX : redirects,
		.keeps_method = call->terms.keeps_method,
		.permit = on_permit,
		.done = on_done,
		.arg = call,
	};
	struct http_transfer *transfer = http_client_start(call->terms.client, &request, err);

	free(method);
	free(url);
	return transfer;
}

enum http_call_result
http_call_start(const struct http_call_terms *terms, struct bytes fields, struct http_call **call,
    struct err *err)
{
	struct wanted wanted = { .header_count = 0 };
	struct http_call *made;

	if (decode(fields, &wanted) < 0)
		return HTTP_CALL_MALFORMED;
	add_key(&wanted, terms->idempotency_key);
	made = xcalloc(1, sizeof(*made));
	made->terms = *terms;
	made->terms.idempotency_key = NULL;
	made->transfer = start(made, &wanted, err);
	if (made->transfer == NULL) {
		free(made);
		return HTTP_CALL_REFUSED;
	}
	*call = made;
	return HTTP_CALL_STARTED;
}

int
http_call_check(struct bytes fields,
    enum egress_grant (*permit)(void *arg, const struct egress_target *target), void *arg,
    struct err *err)
{
	struct wanted wanted = { .header_count = 0 };
	char *method, *url;
	int result;

	if (decode(fields, &wanted) < 0)
		return err_set(err, "the request does not decode");
	method = bytes_to_string(wanted.method);
	url = bytes_to_string(wanted.url);
	result = http_client_check(&(const struct http_request){ .method = method,
				       .url = url,
				       .headers = wanted.headers,
				       .header_count = wanted.header_count,
				       .permit = permit,
				       .arg = arg },
	    err);
	free(method);
	free(url);
	return result;
}

void
http_call_abort(struct http_call *call)
{
	if (call == NULL)
		return;
	http_transfer_abort(call->transfer);
	free(call);
}

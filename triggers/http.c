/* SPDX-License-Identifier: MIT
 * The http trigger: `on = { http = "POST /overspeed" }`. A request to the route is the event, what
 * the handler returns is the response (runtime/http_reply.h).
 * A route belongs to one function.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/http_reply.h"
#include "store/queue_row.h"
#include "triggers/triggers.h"

struct binding {
	struct host *host;
	struct function *function;
	enum http_method method;
	char *pattern;
};

/* A request on its way through a handler. */
struct request {
	struct http_exchange *exchange;
	char *function_name;
	char id[QUEUE_ID_TEXT];
};

/* The host's own paths. */
static const char *const reserved[] = { "/healthz", "/metrics" };

static int
parse(const cJSON *spec, enum http_method *method, const char **pattern, struct err *err)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "http"));
	const char *space = text != NULL ? strchr(text, ' ') : NULL;

	if (space == NULL)
		return err_set(err, "http is METHOD and path, as \"POST /overspeed\"");
	if (http_method_parse(bytes_of(text, (size_t)(space - text)), method) < 0)
		return err_set(err,
		    "http = \"%s\": the method is GET, HEAD, POST, PUT, PATCH, DELETE "
		    "or OPTIONS, in capitals",
		    text);
	*pattern = space + 1;
	if (http_routes_check(*pattern, err) < 0)
		return err_prefix(err, "http = \"%s\"", text);
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(*pattern, reserved[i]) == 0)
			return err_set(err, "http = \"%s\": the path is the host's own", text);
	}
	return 0;
}

static int
http_check(const cJSON *spec, struct err *err)
{
	enum http_method method;
	const char *pattern;

	return parse(spec, &method, &pattern, err);
}

static void
http_describe(const cJSON *spec, struct buf *out)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "http"));

	buf_append_string(out, text != NULL ? text : "");
}

static void
refuse(struct http_exchange *exchange, int status, const char *why)
{
	static const struct http_header later = { { (const uint8_t *)"Retry-After", 11 },
		{ (const uint8_t *)"1", 1 } };
	struct buf body = { 0 };

	buf_printf(&body, "{\"error\":\"%s\"}\n", why);
	http_exchange_respond(exchange, &(struct http_answer){
					    .status = status,
					    .content_type = "application/json",
					    .headers = &later,
					    .header_count = 1,
					    .body = buf_bytes(&body),
					});
	buf_clear(&body);
}

/* The reason stands in the log, not in the response: who asks need not be who wrote the function.
 */
static void
tell_failure(struct request *request, const struct outcome *outcome)
{
	bool timeout = outcome->reason == FAIL_TIMEOUT;
	struct buf body = { 0 };

	if (outcome->reason == FAIL_CANCELLED) {
		refuse(request->exchange, 503, "the function was stopped");
		return;
	}
	buf_printf(&body, "{\"error\":\"%s\",\"invocation\":\"%s\"}\n",
	    timeout ? "the function took too long" : "the function failed", request->id);
	http_exchange_json(request->exchange, timeout ? 504 : 500, buf_string(&body));
	buf_clear(&body);
}

static void
request_free(struct request *request)
{
	free(request->function_name);
	free(request);
}

static void
on_ended(void *arg, const struct outcome *outcome)
{
	struct request *request = arg;
	struct err err;

	if (!outcome->ok)
		tell_failure(request, outcome);
	else if (http_reply_send(request->exchange, outcome->result_kind, outcome->result, &err) <
		 0)
		log_emit(&(struct log_line){ .level = LOG_LEVEL_ERROR,
		    .component = "function",
		    .function_name = request->function_name,
		    .invocation_id = request->id,
		    .text = err.text });
	request_free(request);
}

/* Requests are in no order: each has a key of its own, the number that its event gets. */
static struct occurrence *
make_event(struct binding *binding, struct request *request, struct bytes subject)
{
	struct buf extra = { 0 }, key = { 0 };
	struct happening happening = {
		.trigger = "http",
		.subject = subject,
		.payload = http_exchange_body(request->exchange),
		.ended = on_ended,
		.arg = request,
	};
	struct occurrence *event;

	http_reply_context(request->exchange, &extra);
	buf_printf(&key, "%llu", (unsigned long long)binding->host->event_count);
	happening.extra = buf_bytes(&extra);
	happening.key = buf_bytes(&key);
	event = occurrence_new(binding->host, &happening);
	buf_clear(&extra);
	buf_clear(&key);
	return event;
}

/* Who asks over HTTP can be told to come again, so nothing is queued beyond the bound. */
static bool
is_full(const struct function *function)
{
	return function->load >=
	       (uint32_t)options_number(function->host->options, OPTION_IN_FLIGHT_MAX);
}

static void
on_request(void *arg, struct http_exchange *exchange)
{
	struct binding *binding = arg;
	const struct http_head *head = http_exchange_head(exchange);
	struct request *request;
	struct buf subject = { 0 };
	struct occurrence *event;

	if (is_full(binding->function)) {
		refuse(exchange, 503, "the function has too many events to handle");
		return;
	}
	request = xcalloc(1, sizeof(*request));
	request->exchange = exchange;
	request->function_name = xstrdup(binding->function->name);
	buf_printf(&subject, "%s %.*s", http_method_name(head->method), (int)head->path.len,
	    (const char *)head->path.data);
	event = make_event(binding, request, buf_bytes(&subject));
	queue_id_text(event->id, request->id);
	if (dispatch_submit(binding->function, event) == DISPATCH_SHED) {
		refuse(exchange, 503, "the function takes no events now");
		request_free(request);
	}
	occurrence_drop(event);
	buf_clear(&subject);
}

static void
binding_free(struct binding *binding)
{
	free(binding->pattern);
	free(binding);
}

static int
add_route(struct binding *binding, struct err *err)
{
	struct http_server *server = binding->host->http_server;
	const struct binding *taken;

	if (server == NULL)
		return 0; /* HTTP is off */
	taken = http_server_find(server, binding->method, binding->pattern);
	if (taken != NULL)
		return err_set(err, "http = \"%s %s\" is the route of %s already",
		    http_method_name(binding->method), binding->pattern, taken->function->name);
	return http_server_add(server,
	    &(struct http_route){ binding->method, binding->pattern, on_request, "a function" },
	    binding, err);
}

static void *
http_bind(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct binding *binding = xcalloc(1, sizeof(*binding));
	const char *pattern = NULL;

	binding->host = host;
	binding->function = function;
	if (parse(spec, &binding->method, &pattern, err) == 0) {
		binding->pattern = xstrdup(pattern);
		if (add_route(binding, err) == 0)
			return binding;
	}
	binding_free(binding);
	return NULL;
}

static void
http_unbind(struct host *host, void *arg)
{
	struct binding *binding = arg;

	if (host->http_server != NULL)
		http_server_remove(host->http_server, binding->method, binding->pattern);
	binding_free(binding);
}

const struct trigger trigger_http = {
	.name = "http",
	.help =
	    "a request to a route: on = { http = \"POST /overspeed\" }; segments may be {names}",
	.check = http_check,
	.bind = http_bind,
	.unbind = http_unbind,
	.describe = http_describe,
};

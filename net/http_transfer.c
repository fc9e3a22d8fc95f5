/* SPDX-License-Identifier: MIT
 * One request: its URL is parsed once by curl's parser, judged in its parts, and handed to curl
 * parsed, so that no two parsers can disagree on where it goes.
 */
#include "net/http_transfer.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/http_parse.h"
#include "lib/redact.h"

/* What belongs to the connection is the client's own to say. */
static const char *const reserved_headers[] = { "Host", "Content-Length", "Transfer-Encoding",
	"Connection", "Keep-Alive", "Upgrade", "TE", "Trailer", "Expect", "Proxy-Authorization",
	"Proxy-Connection" };

/* The parts of a parsed URL; owned. */
struct parts {
	char *scheme, *host, *port, *path;
	struct egress_target target;
};

static void
parts_clear(struct parts *parts)
{
	curl_free(parts->scheme);
	curl_free(parts->host);
	curl_free(parts->port);
	curl_free(parts->path);
	*parts = (struct parts){ 0 };
}

static int
parts_read(struct parts *parts, CURLU *url, struct err *err)
{
	*parts = (struct parts){ 0 };
	if (curl_url_get(url, CURLUPART_SCHEME, &parts->scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &parts->host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &parts->path, 0) != CURLUE_OK) {
		parts_clear(parts);
		return err_set(err, "the URL has no scheme, host or path");
	}
	parts->target = (struct egress_target){
		.scheme = parts->scheme,
		.host = parts->host,
		.port = (uint16_t)strtoul(parts->port, NULL, 10),
		.path = parts->path,
	};
	if (strcmp(parts->scheme, "http") != 0 && strcmp(parts->scheme, "https") != 0) {
		(void)err_set(err, "%s:// is not spoken, only http:// and https://", parts->scheme);
		parts_clear(parts);
		return -1;
	}
	return 0;
}

/* Asks permit for the URL. What an address in the URL needs is checked here, because a proxy would
 * hide it from the check of resolved addresses. */
static int
judge(struct http_transfer *transfer, struct err *err)
{
	struct parts parts;
	bool standard;
	int status = 0;

	if (parts_read(&parts, transfer->url, err) < 0)
		return -1;
	standard = parts.target.port == (strcmp(parts.scheme, "https") == 0 ? 443 : 80);
	transfer->grant = transfer->permit(transfer->arg, &parts.target);
	transfer->by_proxy = proxy_for(&parts.target) != NULL;
	transfer->resolved = false;
	if (egress_host_needs(parts.host) == EGRESS_REFUSED)
		status = err_set(err, "%s is an address that no request may go to", parts.host);
	else if (transfer->grant == EGRESS_REFUSED ||
		 transfer->grant < egress_host_needs(parts.host))
		status = err_set(err, "not allowed: add \"%s://%s%s%s\" to allow.http",
		    parts.scheme, parts.host, standard ? "" : ":", standard ? "" : parts.port);
	parts_clear(&parts);
	return status;
}

static int
set_url(struct http_transfer *transfer, const char *text, struct err *err)
{
	CURLUcode code;

	curl_url_cleanup(transfer->url);
	transfer->url = curl_url();
	if (transfer->url == NULL)
		return err_set(err, "out of memory");
	code = curl_url_set(transfer->url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	if (code != CURLUE_OK)
		return err_set(err, "the URL is wrong: %s", curl_url_strerror(code));
	(void)curl_url_set(transfer->url, CURLUPART_FRAGMENT, NULL, 0);
	curl_free(transfer->url_text);
	transfer->url_text = NULL;
	if (curl_url_get(transfer->url, CURLUPART_URL, &transfer->url_text, 0) != CURLUE_OK)
		return err_set(err, "the URL is wrong");
	free(transfer->shown_url);
	transfer->shown_url = xstrdup(transfer->url_text);
	(void)redact_url((uint8_t *)transfer->shown_url, strlen(transfer->shown_url));
	return judge(transfer, err);
}

static bool
is_reserved(struct bytes name)
{
	for (size_t i = 0; i < sizeof(reserved_headers) / sizeof(reserved_headers[0]); i++) {
		if (name.len == strlen(reserved_headers[i]) &&
		    strncasecmp((const char *)name.data, reserved_headers[i], name.len) == 0)
			return true;
	}
	return false;
}

static void
push_header(struct http_transfer *transfer, const char *line)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, line);

	if (longer == NULL)
		abort();
	transfer->headers = longer;
}

static int
add_header(struct http_transfer *transfer, const struct http_header *pair, struct err *err)
{
	struct buf line = { 0 };

	if (!http_is_token(pair->name))
		return err_set(err, "\"%.*s\" is no header's name", (int)pair->name.len,
		    pair->name.len > 0 ? (const char *)pair->name.data : "");
	if (!http_is_field_value(pair->value))
		return err_set(err, "header %.*s: its value holds a control character",
		    (int)pair->name.len, (const char *)pair->name.data);
	if (is_reserved(pair->name))
		return err_set(err, "header %.*s is set by the client itself", (int)pair->name.len,
		    (const char *)pair->name.data);
	buf_append_bytes(&line, pair->name);
	/* curl: "Name;" sends an empty value, "Name:" would take the header away. */
	buf_append_string(&line, pair->value.len > 0 ? ": " : ";");
	buf_append_bytes(&line, pair->value);
	push_header(transfer, buf_string(&line));
	buf_clear(&line);
	return 0;
}

static bool
has_header(const struct http_transfer *transfer, const char *name)
{
	size_t len = strlen(name);

	for (const struct curl_slist *at = transfer->headers; at != NULL; at = at->next) {
		if (strncasecmp(at->data, name, len) == 0 &&
		    (at->data[len] == ':' || at->data[len] == ';'))
			return true;
	}
	return false;
}

static int
copy_request(struct http_transfer *transfer, const struct http_request *request, struct err *err)
{
	if (!http_is_token(bytes_of_string(request->method)) ||
	    strcmp(request->method, "CONNECT") == 0)
		return err_set(err, "the method cannot be sent");
	transfer->method = xstrdup(request->method);
	for (size_t i = 0; i < request->header_count; i++) {
		if (add_header(transfer, &request->headers[i], err) < 0)
			return -1;
	}
	if (!has_header(transfer, "User-Agent"))
		push_header(transfer, "User-Agent: moonlet/" PACKAGE_VERSION);
	if (!has_header(transfer, "Content-Type"))
		push_header(transfer, "Content-Type:");
	push_header(transfer, "Expect:");
	buf_append_bytes(&transfer->body, request->body);
	return set_url(transfer, request->url, err);
}

struct http_transfer *
transfer_new(const struct http_request *request, struct err *err)
{
	struct http_transfer *transfer = xcalloc(1, sizeof(*transfer));

	transfer->permit = request->permit;
	transfer->done = request->done;
	transfer->arg = request->arg;
	transfer->timeout_ms = request->timeout_ms;
	transfer->redirects_left = request->redirects_max;
	transfer->redirects_wanted = request->redirects_max > 0;
	transfer->keeps_method = request->keeps_method;
	if (copy_request(transfer, request, err) < 0) {
		struct buf shown = { 0 };

		transfer_free(transfer);
		redact_url_append(&shown, bytes_of_string(request->url));
		(void)err_prefix(err, "http %.16s %.200s", request->method, buf_string(&shown));
		buf_clear(&shown);
		return NULL;
	}
	return transfer;
}

void
transfer_free(struct http_transfer *transfer)
{
	if (transfer == NULL)
		return;
	timer_clear(&transfer->deadline);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_url_cleanup(transfer->url);
	curl_free(transfer->url_text);
	free(transfer->method);
	free(transfer->shown_url);
	buf_clear(&transfer->body);
	buf_clear(&transfer->response_headers);
	buf_clear(&transfer->response_body);
	free(transfer);
}

/* One header line, its end included. A new status line (of a hop through a proxy, a 103) starts
 * over. */
static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *transfer = arg;
	struct bytes line = bytes_of(data, size * count);
	struct buf *all = &transfer->response_headers;
	const uint8_t *colon;
	size_t name_len, i = transfer->header_count;

	while (line.len > 0 && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == '\n'))
		line.len--;
	if (line.len >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
		buf_reset(all);
		transfer->header_count = 0;
		return size * count;
	}
	colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
	if (colon == NULL)
		return size * count;
	if (i == TRANSFER_HEADERS_MAX || all->len + line.len > TRANSFER_HEADER_BYTES_MAX) {
		(void)snprintf(transfer->refused, sizeof(transfer->refused),
		    "the response has too many or too large headers");
		return 0;
	}
	name_len = (size_t)(colon - line.data);
	do {
		colon++;
	} while (colon < line.data + line.len && (*colon == ' ' || *colon == '\t'));
	transfer->header_at[i].at = all->len;
	transfer->header_at[i].name_len = name_len;
	transfer->header_at[i].value_len = (size_t)(line.data + line.len - colon);
	buf_append(all, line.data, name_len);
	buf_append(all, colon, transfer->header_at[i].value_len);
	transfer->header_count++;
	return size * count;
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *transfer = arg;

	if (transfer->response_body.len + size * count > transfer->response_bytes_max) {
		(void)snprintf(transfer->refused, sizeof(transfer->refused),
		    "the response is larger than %zu bytes", transfer->response_bytes_max);
		return 0;
	}
	buf_append(&transfer->response_body, data, size * count);
	return size * count;
}

static bool
may_reach(struct http_transfer *transfer, enum egress_grant needs, const char *what)
{
	if (transfer->by_proxy || (needs != EGRESS_REFUSED && transfer->grant >= needs))
		return true;
	(void)snprintf(transfer->refused, sizeof(transfer->refused),
	    "the host's address %s is local to this machine or its network; it is reached only "
	    "where allow.http names %s",
	    what, needs == EGRESS_NAMED ? "the host or the address" : "the address");
	return false;
}

/* Before each connection: the address that the name has resolved to. */
static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *transfer = arg;
	char host[64] = "";

	(void)purpose;
	transfer->resolved = true;
	if (getnameinfo(
		&address->addr, address->addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		host[0] = '\0';
	if (!may_reach(transfer, egress_address_needs(&address->addr), host))
		return CURL_SOCKET_BAD;
	return socket(
	    address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
}

static enum egress_grant
address_needs(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return egress_address_needs((const struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return egress_address_needs((const struct sockaddr *)&v6);
	return EGRESS_REFUSED;
}

/* Before each request: the address of the connection, which may be an older one made under
 * another function's grant. */
static int
on_request(void *arg, char *address, char *local, int port, int local_port)
{
	struct http_transfer *transfer = arg;

	(void)local;
	(void)port;
	(void)local_port;
	transfer->resolved = true;
	return may_reach(transfer, address_needs(address), address) ? CURL_PREREQFUNC_OK
								    : CURL_PREREQFUNC_ABORT;
}

/* The setters take a long, a pointer or a function; each may fail only for lack of memory or where
 * curl was built without the feature. */
#define SET(option, value) \
	(ok = ok && curl_easy_setopt(transfer->easy, (option), (value)) == CURLE_OK)

static bool
set_callbacks(struct http_transfer *transfer)
{
	bool ok = true;

	SET(CURLOPT_PRIVATE, transfer);
	SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, transfer);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, transfer);
	return ok;
}

static bool
set_policy(struct http_transfer *transfer, const char *ca_file)
{
	struct parts parts;
	const char *proxy;
	struct err err;
	bool ok = true;

	if (parts_read(&parts, transfer->url, &err) < 0)
		return false;
	proxy = proxy_for(&parts.target);
	SET(CURLOPT_PROXY, proxy != NULL ? proxy : "");
	SET(CURLOPT_NOPROXY, "");
	parts_clear(&parts);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* giving up does not wait for a resolver's thread */
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca_file != NULL)
		SET(CURLOPT_CAINFO, ca_file);
	return ok;
}

static bool
set_request(struct http_transfer *transfer)
{
	bool ok = true, head = strcmp(transfer->method, "HEAD") == 0;
	bool bare = strcmp(transfer->method, "GET") == 0 ||
		    strcmp(transfer->method, "DELETE") == 0 ||
		    strcmp(transfer->method, "OPTIONS") == 0;

	SET(CURLOPT_CURLU, transfer->url);
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	if (head)
		SET(CURLOPT_NOBODY, 1L);
	if (!head && (transfer->body.len > 0 || !bare)) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
		SET(CURLOPT_POSTFIELDS,
		    transfer->body.len > 0 ? (const char *)transfer->body.data : "");
	}
	SET(CURLOPT_CUSTOMREQUEST, transfer->method);
	return ok;
}

int
transfer_prepare(struct http_transfer *transfer, const char *ca_file, struct err *err)
{
	if (transfer->easy == NULL)
		transfer->easy = curl_easy_init();
	else
		curl_easy_reset(transfer->easy);
	transfer->curl_error[0] = '\0';
	transfer->refused[0] = '\0';
	transfer->header_count = 0;
	buf_reset(&transfer->response_headers);
	buf_reset(&transfer->response_body);
	if (transfer->easy == NULL || !set_callbacks(transfer) || !set_policy(transfer, ca_file) ||
	    !set_request(transfer))
		return err_set(err, "http %s %s: curl cannot be set up", transfer->method,
		    transfer->shown_url);
	return 0;
}

/* What is meant for one origin does not travel to another. */
static void
drop_secrets(struct http_transfer *transfer)
{
	static const char *const secrets[] = { "Authorization", "Cookie" };
	struct curl_slist *old = transfer->headers;

	transfer->headers = NULL;
	for (struct curl_slist *at = old; at != NULL; at = at->next) {
		bool secret = false;

		for (size_t i = 0; i < 2; i++)
			secret =
			    secret || strncasecmp(at->data, secrets[i], strlen(secrets[i])) == 0;
		if (!secret)
			push_header(transfer, at->data);
	}
	curl_slist_free_all(old);
}

static bool
same_origin(CURLU *a, CURLU *b)
{
	struct parts one, two = { 0 };
	struct err err;
	bool same = false;

	if (parts_read(&one, a, &err) < 0)
		return false;
	if (parts_read(&two, b, &err) == 0)
		same = strcmp(one.scheme, two.scheme) == 0 && strcasecmp(one.host, two.host) == 0 &&
		       one.target.port == two.target.port;
	parts_clear(&one);
	parts_clear(&two);
	return same;
}

/* RFC 9110 §15.4: 303 asks with GET; for 301 and 302 a POST becomes a GET, as everybody does, but
 * where the request is one that must arrive whole. */
static void
change_method(struct http_transfer *transfer, long status)
{
	bool post = strcmp(transfer->method, "POST") == 0 && !transfer->keeps_method;

	if (!(status == 303 && strcmp(transfer->method, "HEAD") != 0) &&
	    !((status == 301 || status == 302) && post))
		return;
	free(transfer->method);
	transfer->method = xstrdup("GET");
	buf_reset(&transfer->body);
}

static int
go_to(struct http_transfer *transfer, const char *place, long status, struct err *err)
{
	CURLU *before = curl_url_dup(transfer->url);
	int result = set_url(transfer, place, err);

	if (result == 0) {
		change_method(transfer, status);
		if (before == NULL || !same_origin(before, transfer->url))
			drop_secrets(transfer);
	}
	curl_url_cleanup(before);
	return result;
}

int
transfer_redirect(struct http_transfer *transfer, struct err *err)
{
	char *place = NULL, *copy;
	long status = 0;
	int result;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &place);
	if (!transfer->redirects_wanted || place == NULL ||
	    (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
		return 0;
	if (transfer->redirects_left == 0)
		return err_set(
		    err, "http %s %s: too many redirects", transfer->method, transfer->shown_url);
	transfer->redirects_left--;
	copy = xstrdup(place);
	result = go_to(transfer, copy, status, err);
	if (result < 0)
		(void)err_prefix(err, "http %s: redirected to %.300s", transfer->method, copy);
	free(copy);
	return result < 0 ? -1 : 1;
}

void
transfer_explain(const struct http_transfer *transfer, CURLcode code, struct err *err)
{
	const char *why = transfer->refused;

	if (why[0] == '\0')
		why = transfer->curl_error;
	if (why[0] == '\0')
		why = curl_easy_strerror(code);
	(void)err_set(err, "http %s %s: %s", transfer->method, transfer->shown_url, why);
}

void
transfer_respond(struct http_transfer *transfer)
{
	struct http_header headers[TRANSFER_HEADERS_MAX];
	const uint8_t *all = transfer->response_headers.data;
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	for (size_t i = 0; i < transfer->header_count; i++) {
		size_t at = transfer->header_at[i].at, len = transfer->header_at[i].name_len;

		headers[i].name = bytes_of(all + at, len);
		headers[i].value = bytes_of(all + at + len, transfer->header_at[i].value_len);
	}
	transfer->done(transfer->arg,
	    &(struct http_response){
		.status = (int)status,
		.headers = headers,
		.header_count = transfer->header_count,
		.body = buf_bytes(&transfer->response_body),
		.url = transfer->url_text,
	    },
	    NULL);
}

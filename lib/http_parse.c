/* SPDX-License-Identifier: MIT
 * The head of a request, line by line.
 */
#include "lib/http_parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const method_names[HTTP_METHODS] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
};

const char *
http_method_name(enum http_method method)
{
	return method_names[method];
}

int
http_method_parse(struct bytes word, enum http_method *method)
{
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (bytes_equal_string(word, method_names[i])) {
			*method = (enum http_method)i;
			return 0;
		}
	}
	return -1;
}

static enum http_result
refuse(struct http_refusal *refusal, int status, const char *why)
{
	*refusal = (struct http_refusal){ .status = status, .why = why };
	return HTTP_BAD;
}

/* RFC 9110 §5.6.2 */
static bool
is_token_char(uint8_t c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
http_is_token(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_token_char(text.data[i]))
			return false;
	}
	return text.len > 0;
}

bool
http_is_field_value(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((text.data[i] < 0x20 && text.data[i] != '\t') || text.data[i] == 0x7f)
			return false;
	}
	return true;
}

static bool
equals_any_case(struct bytes a, const char *b)
{
	return a.len == strlen(b) &&
	       (a.len == 0 || strncasecmp((const char *)a.data, b, a.len) == 0);
}

static struct bytes
skip(struct bytes text, size_t len)
{
	return bytes_of(text.data + len, text.len - len);
}

static struct bytes
trim(struct bytes text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = skip(text, 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Takes what stands before the first `separator` off the front of `rest`, and the separator. False
 * where there is none. */
static bool
cut(struct bytes *rest, uint8_t separator, struct bytes *part)
{
	const uint8_t *at = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;

	if (at == NULL)
		return false;
	*part = bytes_of(rest->data, (size_t)(at - rest->data));
	*rest = skip(*rest, part->len + 1);
	return true;
}

/* The next element of a comma-separated list; false at its end. */
static bool
next_element(struct bytes *list, struct bytes *element)
{
	if (list->len == 0)
		return false;
	if (!cut(list, ',', element)) {
		*element = *list;
		list->len = 0;
	}
	*element = trim(*element);
	return true;
}

bool
http_value_has_token(struct bytes value, const char *token)
{
	struct bytes element;

	while (next_element(&value, &element)) {
		if (equals_any_case(element, token))
			return true;
	}
	return false;
}

struct bytes
http_header_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++) {
		if (equals_any_case(head->headers[i].name, name))
			return head->headers[i].value;
	}
	return (struct bytes){ 0 };
}

/* A line without its CRLF. A lone CR or LF is refused: others might see a line's end there. */
static enum http_result
next_line(struct bytes *rest, struct bytes *line, struct http_refusal *refusal)
{
	struct bytes found;

	if (!cut(rest, '\n', &found))
		return HTTP_MORE;
	if (found.len == 0 || found.data[found.len - 1] != '\r')
		return refuse(refusal, 400, "a line does not end in CR LF");
	found.len--;
	if (memchr(found.data, '\r', found.len) != NULL || memchr(found.data, 0, found.len) != NULL)
		return refuse(refusal, 400, "a line holds a control character");
	*line = found;
	return HTTP_OK;
}

static enum http_result
parse_version(struct bytes text, struct http_head *head, struct http_refusal *refusal)
{
	if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || text.data[6] != '.' ||
	    text.data[5] < '0' || text.data[5] > '9' || text.data[7] < '0' || text.data[7] > '9')
		return refuse(refusal, 400, "the request line does not end in an HTTP version");
	if (text.data[5] != '1')
		return refuse(refusal, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	head->minor = text.data[7] == '0' ? 0 : 1;
	return HTTP_OK;
}

/* "http://host/path" stands for "/path" (RFC 9112 §3.2.2). */
static struct bytes
without_authority(struct bytes target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);
		size_t at = len;

		if (target.len <= len ||
		    strncasecmp((const char *)target.data, schemes[i], len) != 0)
			continue;
		while (at < target.len && target.data[at] != '/' && target.data[at] != '?')
			at++;
		if (at == target.len)
			return bytes_of_string("/");
		return skip(target, at);
	}
	return target;
}

static enum http_result
parse_target(struct bytes target, struct http_head *head, struct http_refusal *refusal)
{
	struct bytes path = without_authority(target);

	for (size_t i = 0; i < target.len; i++) {
		if (target.data[i] <= 0x20 || target.data[i] >= 0x7f || target.data[i] == '#')
			return refuse(
			    refusal, 400, "the path has a character that must be encoded as %XX");
	}
	head->target = target;
	head->query = path;
	if (cut(&head->query, '?', &head->path))
		path = head->path;
	else
		head->query = (struct bytes){ 0 };
	head->path = path;
	if (path.len > 0 && path.data[0] == '/')
		return HTTP_OK;
	if (head->method == HTTP_OPTIONS && bytes_equal_string(target, "*"))
		return HTTP_OK;
	return refuse(refusal, 400, "the path does not start with '/'");
}

static enum http_result
parse_request_line(struct bytes line, const struct http_limits *limits, struct http_head *head,
    struct http_refusal *refusal)
{
	struct bytes rest = line, method, target;

	if (!cut(&rest, ' ', &method) || !http_is_token(method) || !cut(&rest, ' ', &target))
		return refuse(refusal, 400, "the first line is not METHOD /path HTTP/1.1");
	if (target.len > limits->target_bytes_max)
		return refuse(refusal, 414, "the path is too long");
	if (parse_version(rest, head, refusal) != HTTP_OK)
		return HTTP_BAD;
	if (http_method_parse(method, &head->method) < 0)
		return refuse(refusal, 501, "the method is not known here");
	return parse_target(target, head, refusal);
}

static enum http_result
parse_header(struct bytes line, struct http_head *head, struct http_refusal *refusal)
{
	struct bytes value = line, name;

	if (line.data[0] == ' ' || line.data[0] == '\t')
		return refuse(refusal, 400, "a header is folded over two lines");
	if (!cut(&value, ':', &name) || !http_is_token(name))
		return refuse(refusal, 400, "a header is not Name: value");
	if (!http_is_field_value(value))
		return refuse(refusal, 400, "a header's value holds a control character");
	if (head->header_count == HTTP_HEADERS_MAX)
		return refuse(refusal, 431, "too many headers");
	head->headers[head->header_count++] = (struct http_header){ name, trim(value) };
	return HTTP_OK;
}

static enum http_result
read_host(struct bytes value, struct http_head *head, struct http_refusal *refusal)
{
	(void)head;
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] <= 0x20 || value.data[i] >= 0x7f ||
		    strchr("/?#@\\,<>\"", value.data[i]) != NULL)
			return refuse(refusal, 400, "Host is not a host's name");
	}
	return HTTP_OK;
}

static enum http_result
read_content_length(struct bytes value, struct http_head *head, struct http_refusal *refusal)
{
	uint64_t length = 0;

	if (value.len == 0)
		return refuse(refusal, 400, "Content-Length is not a number");
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return refuse(refusal, 400, "Content-Length is not a number");
		if (length > UINT64_MAX / 10 - 1)
			return refuse(refusal, 413, "the body is too large");
		length = length * 10 + (uint64_t)(value.data[i] - '0');
	}
	head->content_length = length;
	head->framing = length > 0 ? HTTP_LENGTH : HTTP_NO_BODY;
	return HTTP_OK;
}

static enum http_result
read_transfer_encoding(struct bytes value, struct http_head *head, struct http_refusal *refusal)
{
	if (head->minor == 0)
		return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding");
	if (!equals_any_case(value, "chunked"))
		return refuse(refusal, 501, "of all transfer encodings only chunked is known here");
	head->framing = HTTP_CHUNKED;
	return HTTP_OK;
}

/* The headers that say how the request is read. Each may stand once. */
static const struct {
	const char *name;
	enum http_result (*read)(struct bytes, struct http_head *, struct http_refusal *);
	const char *twice;
} single_headers[] = {
	{ "Host", read_host, "Host stands twice" },
	{ "Content-Length", read_content_length, "Content-Length stands twice" },
	{ "Transfer-Encoding", read_transfer_encoding, "Transfer-Encoding stands twice" },
};

enum { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_HEADERS };

static enum http_result
read_single_headers(struct http_head *head, bool *seen, struct http_refusal *refusal)
{
	for (size_t i = 0; i < head->header_count; i++) {
		for (size_t k = 0; k < SINGLE_HEADERS; k++) {
			if (!equals_any_case(head->headers[i].name, single_headers[k].name))
				continue;
			if (seen[k])
				return refuse(refusal, 400, single_headers[k].twice);
			seen[k] = true;
			if (single_headers[k].read(head->headers[i].value, head, refusal) !=
			    HTTP_OK)
				return HTTP_BAD;
		}
	}
	return HTTP_OK;
}

static void
read_connection(struct http_head *head)
{
	bool close = false, keep_alive = false;

	for (size_t i = 0; i < head->header_count; i++) {
		struct bytes value = head->headers[i].value;

		if (!equals_any_case(head->headers[i].name, "Connection"))
			continue;
		close = close || http_value_has_token(value, "close");
		keep_alive = keep_alive || http_value_has_token(value, "keep-alive");
		head->upgrade = head->upgrade || http_value_has_token(value, "upgrade");
	}
	head->keep_alive = !close && (head->minor == 1 || keep_alive);
}

static enum http_result
judge(struct http_head *head, const struct http_limits *limits, struct http_refusal *refusal)
{
	bool seen[SINGLE_HEADERS] = { false };
	struct bytes expect = http_header_find(head, "Expect");

	head->framing = HTTP_NO_BODY;
	if (read_single_headers(head, seen, refusal) != HTTP_OK)
		return HTTP_BAD;
	if (seen[SINGLE_LENGTH] && seen[SINGLE_ENCODING])
		return refuse(refusal, 400, "Content-Length and Transfer-Encoding stand together");
	if (!seen[SINGLE_HOST] && head->minor == 1)
		return refuse(refusal, 400, "Host is missing");
	if (head->framing == HTTP_LENGTH && head->content_length > limits->body_bytes_max)
		return refuse(refusal, 413, "the body is too large");
	head->expects_continue =
	    head->minor == 1 && expect.data != NULL && equals_any_case(expect, "100-continue");
	read_connection(head);
	return HTTP_OK;
}

/* What has come so far is no whole line: could it still become one? */
static enum http_result
judge_part(struct bytes rest, const struct http_limits *limits, bool first, size_t begun,
    struct http_refusal *refusal)
{
	if (first && rest.len > 0 && !is_token_char(rest.data[0]) && rest.data[0] != '\r')
		return refuse(refusal, 400, "this is not HTTP");
	if (first && rest.len > limits->target_bytes_max + 32)
		return refuse(refusal, 414, "the path is too long");
	if (begun >= limits->head_bytes_max)
		return refuse(refusal, 431, "the headers are too large");
	return HTTP_MORE;
}

static enum http_result
parse_lines(struct bytes *rest, const struct http_limits *limits, struct http_head *head,
    struct http_refusal *refusal)
{
	const size_t total = rest->len;
	struct bytes line;
	bool first = true;

	for (;;) {
		enum http_result result = next_line(rest, &line, refusal);

		if (result == HTTP_MORE)
			return judge_part(*rest, limits, first, total, refusal);
		if (result == HTTP_OK && total - rest->len > limits->head_bytes_max)
			return refuse(refusal, 431, "the headers are too large");
		if (result == HTTP_OK && line.len == 0)
			return first ? refuse(refusal, 400, "the first line is empty") : HTTP_OK;
		if (result == HTTP_OK)
			result = first ? parse_request_line(line, limits, head, refusal)
				       : parse_header(line, head, refusal);
		if (result != HTTP_OK)
			return result;
		first = false;
	}
}

enum http_result
http_head_parse(struct bytes input, const struct http_limits *limits, struct http_head *head,
    size_t *used, struct http_refusal *refusal)
{
	struct http_head parsed = { .header_count = 0 };
	struct bytes rest = input;
	enum http_result result;

	/* One empty line in front is forgiven (RFC 9112 §2.2). */
	if (rest.len >= 2 && memcmp(rest.data, "\r\n", 2) == 0)
		rest = skip(rest, 2);
	result = parse_lines(&rest, limits, &parsed, refusal);
	if (result == HTTP_OK)
		result = judge(&parsed, limits, refusal);
	if (result != HTTP_OK)
		return result;
	*head = parsed;
	*used = input.len - rest.len;
	return HTTP_OK;
}

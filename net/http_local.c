/* SPDX-License-Identifier: MIT
 * One curl easy handle for one request.
 */
#include "net/http_local.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/late_curl.h"

struct call {
	const struct http_local_request *request;
	CURL *easy;
	bool ended; /* by the caller */
};

static int
status_of(CURL *easy)
{
	long status = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	const struct http_local_request *request = call->request;

	if (request->data == NULL)
		return size * count;
	if (request->data(request->arg, status_of(call->easy), bytes_of(data, size * count)) == 0)
		return size * count;
	call->ended = true;
	return 0;
}

static bool
set_up(struct call *call, const char *url, char *error)
{
	const struct http_local_request *request = call->request;
	CURL *easy = call->easy;
	bool body = request->body.len > 0 || strcmp(request->method, "POST") == 0;

	return curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket_path) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
	       (!body || (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			      (curl_off_t)request->body.len) == CURLE_OK &&
			     curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				 body && request->body.len > 0 ? (const char *)request->body.data
							       : "") == CURLE_OK)) &&
	       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

/* Says why nobody is reached at `path`. */
static int
refuse(const char *path, struct err *err)
{
	if (access(path, W_OK) == 0)
		return err_set(err, "no moonlet answers at %s; start one with `moonlet run`", path);
	if (errno == EACCES)
		return err_set(err,
		    "only root and the user that moonlet runs as may ask it (%s: %s)", path,
		    strerror(errno));
	return err_set(err,
	    "no moonlet runs here (%s: %s); start one with `moonlet run`, or name the data folder "
	    "of "
	    "one that runs with --data",
	    path, strerror(errno));
}

static int
perform(struct call *call, struct err *err)
{
	const char *path = call->request->socket_path;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char error[CURL_ERROR_SIZE] = "";
	struct buf url = { 0 };
	CURLcode code = CURLE_FAILED_INIT;
	int result = 0;

	buf_printf(&url, "http://moonlet%s", call->request->target);
	if (headers != NULL && set_up(call, buf_string(&url), error) &&
	    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
		code = curl_easy_perform(call->easy);
	if (code == CURLE_COULDNT_CONNECT)
		result = refuse(path, err);
	else if (code != CURLE_OK && !call->ended)
		result = err_set(err, "ask the running moonlet at %s: %s", path,
		    error[0] != '\0' ? error : curl_easy_strerror(code));
	curl_slist_free_all(headers);
	buf_clear(&url);
	return result;
}

int
http_local_request(const struct http_local_request *request, struct err *err)
{
	struct call call = { .request = request };
	int result;

	if (late_curl_load(err) < 0)
		return -1;
	call.easy = curl_easy_init();
	if (call.easy == NULL)
		return err_set(err, "curl does not start");
	result = perform(&call, err);
	if (result == 0)
		result = status_of(call.easy);
	curl_easy_cleanup(call.easy);
	return result;
}

void
http_local_encode(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-._~", c) != NULL)
			buf_append_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

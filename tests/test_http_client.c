/* SPDX-License-Identifier: MIT
 * The HTTP client against a real server: what comes back, and how each bad end is told.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/http_client.h"

struct peer {
	pid_t pid;
	int input;
	int port;
};

static struct peer plain;

/* What a request came to. */
struct outcome {
	struct loop *loop;
	int *left;
	int status;
	int calls;
	char error[1024];
	struct buf body;
	struct buf port; /* the client's, as the server saw it */
	const char *const *allow;
};

static int
peer_start(struct peer *peer, const char *certificate, const char *key)
{
	const char *srcdir = getenv("srcdir");
	char script[512], line[32];
	int to[2], from[2];
	size_t len = 0;
	ssize_t got;

	(void)snprintf(
	    script, sizeof(script), "%s/tests/http_peer.py", srcdir != NULL ? srcdir : "..");
	if (pipe(to) < 0 || pipe(from) < 0)
		return -1;
	peer->pid = fork();
	if (peer->pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)close(to[1]);
		(void)close(from[0]);
		(void)execlp("python3", "python3", script, certificate, key, (char *)NULL);
		_exit(127);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	peer->input = to[1];
	while (len < sizeof(line) - 1 && memchr(line, '\n', len) == NULL &&
	       (got = read(from[0], line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)got;
	(void)close(from[0]);
	if (len == 0)
		return -1;
	line[len] = '\0';
	peer->port = atoi(line);
	return 0;
}

static void
peer_stop(struct peer *peer)
{
	(void)close(peer->input);
	(void)waitpid(peer->pid, NULL, 0);
}

static enum egress_grant
permit(void *arg, const struct egress_target *target)
{
	const struct outcome *outcome = arg;
	enum egress_grant best = EGRESS_REFUSED;

	for (const char *const *pattern = outcome->allow; *pattern != NULL; pattern++) {
		enum egress_grant grant = egress_pattern_match(bytes_of_string(*pattern), target);

		best = grant > best ? grant : best;
	}
	return best;
}

static void
on_done(void *arg, const struct http_response *response, const char *error)
{
	struct outcome *outcome = arg;

	outcome->calls++;
	assert_true((response == NULL) != (error == NULL));
	if (error != NULL)
		(void)snprintf(outcome->error, sizeof(outcome->error), "%s", error);
	for (size_t i = 0; response != NULL && i < response->header_count; i++) {
		if (bytes_equal_string(response->headers[i].name, "X-Port"))
			buf_append_bytes(&outcome->port, response->headers[i].value);
	}
	if (response != NULL) {
		outcome->status = response->status;
		buf_append_bytes(&outcome->body, response->body);
	}
	if (--*outcome->left == 0)
		loop_stop(outcome->loop);
}

static const char *const allow_all[] = { "http://127.0.0.1:*", "https://127.0.0.1:*",
	"https://localhost:*", NULL };

struct world {
	struct loop *loop;
	struct http_client *client;
	int left;
};

static void
world_open(struct world *world, const char *ca_file)
{
	struct err err;

	world->loop = loop_new(&sys_posix, &err);
	assert_non_null(world->loop);
	world->client = http_client_new(world->loop, &(struct http_client_config){
							 .parallel_max = 4,
							 .queued_max = 10,
							 .owner_parallel_max = 3,
							 .owner_queued_max = 8,
							 .response_bytes_max = 100000,
							 .ca_file = ca_file,
						     });
	assert_non_null(world->client);
	world->left = 0;
}

static void
world_close(struct world *world)
{
	http_client_free(world->client);
	loop_free(world->loop);
}

static struct http_transfer *
start(struct world *world, struct outcome *outcome, struct http_request *request)
{
	struct http_transfer *transfer;
	struct err err;

	*outcome = (struct outcome){ .loop = world->loop,
		.left = &world->left,
		.allow = outcome->allow != NULL ? outcome->allow : allow_all };
	request->method = request->method != NULL ? request->method : "GET";
	request->timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : 15000;
	request->permit = permit;
	request->done = on_done;
	request->arg = outcome;
	transfer = http_client_start(world->client, request, &err);
	if (transfer == NULL)
		(void)snprintf(outcome->error, sizeof(outcome->error), "%s", err.text);
	else
		world->left++;
	return transfer;
}

static void
run(struct world *world)
{
	struct err err;

	if (world->left > 0)
		assert_int_equal(loop_run(world->loop, &err), 0);
}

static void
outcome_clear(struct outcome *outcome)
{
	buf_clear(&outcome->body);
	buf_clear(&outcome->port);
}

/* One request in a world of its own. */
static void
ask(struct outcome *outcome, struct http_request request)
{
	struct world world;

	world_open(&world, NULL);
	(void)start(&world, outcome, &request);
	run(&world);
	world_close(&world);
}

static const char *
url(const char *path)
{
	static char text[512];

	(void)snprintf(text, sizeof(text), "http://127.0.0.1:%d%s", plain.port, path);
	return text;
}

static void
request_arrives_as_it_was_given(void **state)
{
	struct http_header header = { bytes_of_string("X-One"), bytes_of_string("v") };
	struct outcome outcome = { 0 };

	(void)state;
	ask(&outcome, (struct http_request){ .method = "PUT",
			  .url = url("/echo?a=b"),
			  .headers = &header,
			  .header_count = 1,
			  .body = bytes_of_string("the body") });
	assert_string_equal(outcome.error, "");
	assert_int_equal(outcome.status, 200);
	assert_int_equal(outcome.calls, 1);
	assert_non_null(strstr(buf_string(&outcome.body), "PUT /echo?a=b\n"));
	assert_non_null(strstr(buf_string(&outcome.body), "X-One: v\n"));
	assert_non_null(strstr(buf_string(&outcome.body), "Content-Length: 8\n"));
	assert_non_null(strstr(buf_string(&outcome.body), "\n\nthe body"));
	assert_null(strstr(buf_string(&outcome.body), "Content-Type"));
	outcome_clear(&outcome);
}

static const struct {
	const char *method, *path, *seen;
} methods[] = {
	{ "GET", "/echo", "GET /echo\n" },
	{ "DELETE", "/echo", "DELETE /echo\n" },
	{ "POST", "/echo", "POST /echo\n" },
	{ "POST", "/redirect?status=303&to=/echo", "GET /echo\n" },
	{ "POST", "/redirect?status=302&to=/echo", "GET /echo\n" },
	{ "POST", "/redirect?status=307&to=/echo", "POST /echo\n" },
	{ "PUT", "/redirect?status=301&to=/echo", "PUT /echo\n" },
};

static void
methods_survive_redirects_as_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct outcome outcome = { 0 };

		ask(&outcome, (struct http_request){ .method = methods[i].method,
				  .url = url(methods[i].path),
				  .redirects_max = 1 });
		assert_string_equal(outcome.error, "");
		assert_int_equal(
		    strncmp(buf_string(&outcome.body), methods[i].seen, strlen(methods[i].seen)),
		    0);
		outcome_clear(&outcome);
	}
}

static void
redirect_is_the_response_where_none_is_followed(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	ask(&outcome, (struct http_request){ .url = url("/redirect?to=/echo") });
	assert_int_equal(outcome.status, 302);
	outcome_clear(&outcome);
}

static const char *const only_here[] = { "http://127.0.0.1:*/redirect", "http://*:*", NULL };
static const char *const any_public[] = { "*", "http://*:*", "https://*:*", NULL };

static const struct {
	const char *const *allow;
	const char *url; /* NULL or a path: on the server */
	unsigned redirects;
	uint32_t timeout_ms;
	const char *error;
} failures[] = {
	{ allow_all, "/loop", 3, 0, "too many redirects" },
	{ allow_all, "/slow", 0, 200, "within 200 ms" },
	{ allow_all, "/huge", 0, 0, "larger than 100000 bytes" },
	{ allow_all, "/headers", 0, 0, "headers" },
	{ allow_all, "/drop", 0, 0, "Empty reply" },
	{ allow_all, "http://127.0.0.1:1/", 0, 0, "Couldn't connect" },
	{ allow_all, "/redirect?to=http://169.254.169.254/latest/", 1, 0,
	    "add \"http://169.254.169.254\" to allow.http" },
	{ allow_all, "/redirect?to=http://[::ffff:127.0.0.1]:1/", 1, 0, "not allowed" },
	{ allow_all, "/redirect?to=file:///etc/passwd", 1, 0, "redirected to file:" },
	{ allow_all, "/redirect?to=gopher://127.0.0.1/", 1, 0, "redirected to gopher:" },
	{ only_here, "/redirect?to=/echo", 1, 0, "to allow.http" },
	{ any_public, "/echo", 0, 0, "to allow.http" },
	{ any_public, "http://2130706433/", 0, 0, "add \"http://127.0.0.1\"" },
	{ any_public, "http://0x7f.1/", 0, 0, "add \"http://127.0.0.1\"" },
	{ any_public, "http://localhost:1/", 0, 0, "local to this machine" },
	{ any_public, "http://0.0.0.0/", 0, 0, "no request may go to" },
	{ allow_all, "ftp://127.0.0.1/", 0, 0, "ftp:// is not spoken" },
	{ allow_all, "http://user:secret@127.0.0.1/", 0, 0, "the URL is wrong" },
	{ allow_all, "not a url", 0, 0, "the URL is wrong" },
	{ allow_all, "", 0, 0, "the URL is wrong" },
	{ allow_all, "http://", 0, 0, "the URL is wrong" },
	{ allow_all, "http://127.0.0.1:99999/", 0, 0, "the URL is wrong" },
};

static void
every_bad_end_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct outcome outcome = { .allow = failures[i].allow };
		const char *to = failures[i].url;

		ask(&outcome, (struct http_request){ .url = to[0] == '/' ? url(to) : to,
				  .redirects_max = failures[i].redirects,
				  .timeout_ms = failures[i].timeout_ms });
		if (strstr(outcome.error, failures[i].error) == NULL)
			fail_msg("%s: status %d, \"%s\"", to, outcome.status, outcome.error);
		outcome_clear(&outcome);
	}
}

static void
headers_of_the_connection_and_broken_ones_are_refused(void **state)
{
	static const char *const bad[][2] = { { "Host", "x" }, { "content-length", "1" },
		{ "Transfer-Encoding", "chunked" }, { "X Y", "1" }, { "", "1" },
		{ "X", "a\r\nY: b" } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_header header = { bytes_of_string(bad[i][0]),
			bytes_of_string(bad[i][1]) };
		struct outcome outcome = { 0 };

		ask(&outcome, (struct http_request){
				  .url = url("/echo"), .headers = &header, .header_count = 1 });
		assert_non_null(strstr(outcome.error, "header"));
		assert_int_equal(outcome.calls, 0);
	}
}

static void
secrets_stay_with_their_origin(void **state)
{
	struct http_header header = { bytes_of_string("Authorization"), bytes_of_string("secret") };
	struct outcome outcome = { 0 };
	char path[200];
	struct peer other;

	(void)state;
	assert_int_equal(peer_start(&other, NULL, NULL), 0);
	(void)snprintf(path, sizeof(path), "/redirect?to=http://127.0.0.1:%d/echo", other.port);
	ask(&outcome,
	    (struct http_request){
		.url = url(path), .headers = &header, .header_count = 1, .redirects_max = 1 });
	assert_int_equal(outcome.status, 200);
	assert_null(strstr(buf_string(&outcome.body), "secret"));
	outcome_clear(&outcome);
	ask(&outcome, (struct http_request){ .url = url("/redirect?to=/echo"),
			  .headers = &header,
			  .header_count = 1,
			  .redirects_max = 1 });
	assert_non_null(strstr(buf_string(&outcome.body), "secret"));
	outcome_clear(&outcome);
	peer_stop(&other);
}

static void
connection_is_used_again(void **state)
{
	struct outcome first = { 0 }, second = { 0 };
	struct world world;

	(void)state;
	world_open(&world, NULL);
	(void)start(&world, &first, &(struct http_request){ .url = url("/echo") });
	run(&world);
	(void)start(&world, &second, &(struct http_request){ .url = url("/echo") });
	run(&world);
	assert_int_equal(second.status, 200);
	assert_string_equal(buf_string(&first.port), buf_string(&second.port));
	outcome_clear(&first);
	outcome_clear(&second);
	world_close(&world);
}

static void
grant_of_one_does_not_open_the_connection_to_another(void **state)
{
	static const char *const named[] = { "http://localhost:*", NULL };
	struct outcome first = { .allow = named }, second = { .allow = any_public };
	struct world world;
	char text[100];

	(void)state;
	(void)snprintf(text, sizeof(text), "http://localhost:%d/echo", plain.port);
	world_open(&world, NULL);
	(void)start(&world, &first, &(struct http_request){ .url = text });
	run(&world);
	(void)start(&world, &second, &(struct http_request){ .url = text });
	run(&world);
	assert_int_equal(first.status, 200);
	assert_int_equal(second.status, 0);
	assert_non_null(strstr(second.error, "local to this machine"));
	outcome_clear(&first);
	outcome_clear(&second);
	world_close(&world);
}

static void
many_wait_in_a_bounded_queue(void **state)
{
	struct outcome outcomes[12] = { { 0 } };
	struct world world;
	int refused = 0;

	(void)state;
	world_open(&world, NULL);
	for (int i = 0; i < 12; i++)
		refused += start(&world, &outcomes[i],
			       &(struct http_request){
				   .owner = (uint64_t)i % 3, .url = url("/echo") }) == NULL;
	assert_int_equal(refused, 2);
	assert_int_equal(http_client_active(world.client), 10);
	run(&world);
	assert_int_equal(http_client_active(world.client), 0);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(outcomes[i].status, i < 10 ? 200 : 0);
		outcome_clear(&outcomes[i]);
	}
	world_close(&world);
}

static void
owners_take_turns(void **state)
{
	struct outcome busy[8] = { { 0 } }, other = { 0 };
	struct world world;

	(void)state;
	world_open(&world, NULL);
	for (int i = 0; i < 8; i++)
		(void)start(
		    &world, &busy[i], &(struct http_request){ .owner = 7, .url = url("/slow") });
	assert_null(
	    start(&world, &other, &(struct http_request){ .owner = 7, .url = url("/echo") }));
	assert_non_null(strstr(other.error, "too many requests wait"));
	(void)start(&world, &other, &(struct http_request){ .owner = 8, .url = url("/echo") });
	world.left = 1; /* whoever ends first ends the run: it must be the other one */
	run(&world);
	assert_int_equal(other.status, 200);
	for (int i = 0; i < 8; i++)
		assert_int_equal(busy[i].calls, 0);
	outcome_clear(&other);
	world_close(&world);
}

static void
what_was_aborted_is_not_heard_of_again(void **state)
{
	struct outcome aborted = { 0 }, other = { 0 }, left = { 0 };
	struct http_transfer *transfer;
	struct world world;
	struct err err;

	(void)state;
	world_open(&world, NULL);
	transfer = start(&world, &aborted, &(struct http_request){ .url = url("/slow") });
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(world.loop, true, &err), 0);
	http_transfer_abort(transfer);
	world.left--;
	(void)start(&world, &other, &(struct http_request){ .url = url("/echo") });
	run(&world);
	assert_int_equal(aborted.calls, 0);
	assert_int_equal(other.status, 200);
	(void)start(&world, &left, &(struct http_request){ .url = url("/slow") });
	assert_int_equal(loop_turn(world.loop, true, &err), 0);
	world_close(&world);
	assert_int_equal(left.calls, 0);
	outcome_clear(&other);
}

static void
proxy_is_used_where_the_environment_names_one(void **state)
{
	struct outcome outcome = { 0 };
	char proxy[64];

	(void)state;
	(void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", plain.port);
	assert_int_equal(setenv("http_proxy", proxy, 1), 0);
	outcome.allow = any_public;
	ask(&outcome, (struct http_request){ .url = "http://example.test/echo" });
	assert_non_null(strstr(buf_string(&outcome.body), "GET http://example.test/echo\n"));
	outcome_clear(&outcome);
	assert_int_equal(setenv("no_proxy", "other.test, .0.1", 1), 0);
	outcome.allow = allow_all;
	ask(&outcome, (struct http_request){ .url = url("/echo") });
	assert_int_equal(outcome.status, 200);
	outcome_clear(&outcome);
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(unsetenv("no_proxy"), 0);
}

static void
certificate_must_be_of_a_trusted_root_and_of_the_host(void **state)
{
	static const char command[] =
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
	    " -nodes -days 2 -subj /CN=localhost -addext "
	    "subjectAltName=DNS:localhost"
	    " -keyout %s/key.pem -out %s/cert.pem 2>/dev/null";
	char folder[] = "/tmp/moonlet-test.XXXXXX", line[512], cert[64], key[64], name[64],
	     address[64];
	struct outcome trusted = { 0 }, wrong_name = { 0 }, untrusted = { 0 };
	struct world world;
	struct peer tls;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(line, sizeof(line), command, folder, folder);
	if (system(line) != 0)
		skip();
	(void)snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	(void)snprintf(key, sizeof(key), "%s/key.pem", folder);
	assert_int_equal(peer_start(&tls, cert, key), 0);
	(void)snprintf(name, sizeof(name), "https://localhost:%d/echo", tls.port);
	(void)snprintf(address, sizeof(address), "https://127.0.0.1:%d/echo", tls.port);
	ask(&untrusted, (struct http_request){ .url = name });
	assert_non_null(strstr(untrusted.error, "certificate"));
	world_open(&world, cert);
	(void)start(&world, &trusted, &(struct http_request){ .url = name });
	(void)start(&world, &wrong_name, &(struct http_request){ .url = address });
	run(&world);
	world_close(&world);
	assert_string_equal(trusted.error, "");
	assert_int_equal(trusted.status, 200);
	assert_non_null(strstr(wrong_name.error, "SSL"));
	outcome_clear(&trusted);
	peer_stop(&tls);
	(void)unlink(cert);
	(void)unlink(key);
	(void)rmdir(folder);
}

static int
set_up(void **state)
{
	(void)state;
	(void)unsetenv("http_proxy");
	(void)unsetenv("https_proxy");
	(void)unsetenv("HTTPS_PROXY");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	return peer_start(&plain, NULL, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	peer_stop(&plain);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_arrives_as_it_was_given),
		cmocka_unit_test(methods_survive_redirects_as_they_should),
		cmocka_unit_test(redirect_is_the_response_where_none_is_followed),
		cmocka_unit_test(every_bad_end_says_why),
		cmocka_unit_test(headers_of_the_connection_and_broken_ones_are_refused),
		cmocka_unit_test(secrets_stay_with_their_origin),
		cmocka_unit_test(connection_is_used_again),
		cmocka_unit_test(grant_of_one_does_not_open_the_connection_to_another),
		cmocka_unit_test(many_wait_in_a_bounded_queue),
		cmocka_unit_test(owners_take_turns),
		cmocka_unit_test(what_was_aborted_is_not_heard_of_again),
		cmocka_unit_test(proxy_is_used_where_the_environment_names_one),
		cmocka_unit_test(certificate_must_be_of_a_trusted_root_and_of_the_host),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

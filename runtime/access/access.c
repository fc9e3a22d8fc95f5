/* SPDX-License-Identifier: MIT
 * Who may do what, at the doors.
 */
#include "runtime/access/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "net/tls_pool.h"
#include "runtime/access/authorizer.h"
#include "runtime/access/credentials.h"
#include "runtime/access/jwt_keys.h"
#include "runtime/access/password.h"
#include "runtime/access/signed_request.h"
#include "runtime/figures.h"
#include "runtime/host.h"

enum { RANDOM_BYTES = 20 };

static void
check_timed(void *arg)
{
	broker_recheck(((struct host *)arg)->broker);
}

void
access_note_timed(struct host *host)
{
	if (!timer_is_set(&host->access->timed))
		timer_set(&host->access->timed, TIMED_CHECK_US);
}

int
access_open(struct host *host, struct err *err)
{
	struct access *access = xcalloc(1, sizeof(*access));

	host->access = access;
	access->generation = 1;
	timer_init(&access->timed, host->loop, check_timed, host);
	loop_sys(host->loop)->random(access->secret, sizeof(access->secret));
	access->threads = tls_pool_new(host->loop, 1, err);
	host->credentials = credentials_new(host);
	host->passwords = passwords_new(host->loop, err);
	host->jwt_keys = jwt_keys_new(host);
	host->authorizers = authorizers_new(host);
	if (access->threads == NULL || host->passwords == NULL)
		return -1;
	return credentials_restore(host->credentials, err);
}

void
access_stop(struct host *host)
{
	if (host->access == NULL)
		return;
	passwords_free(host->passwords);
	host->passwords = NULL;
	jwt_keys_free(host->jwt_keys);
	host->jwt_keys = NULL;
	tls_pool_free(host->access->threads);
	host->access->threads = NULL;
}

void
access_close(struct host *host)
{
	credentials_free(host->credentials);
	authorizers_free(host->authorizers);
	if (host->access != NULL)
		timer_clear(&host->access->timed);
	free(host->access);
	host->access = NULL;
}

void
access_changed(struct host *host)
{
	host->access->generation++;
	broker_recheck(host->broker);
}

/* --- what is refused --- */

static void
note_refused(const struct login *shown, const struct login_answer *answer)
{
	struct access *access = shown->host->access;
	struct log_more more;

	access->refused++;
	if (!log_limit_take(&access->refused_lines, loop_now_us(shown->host->loop), &more))
		return;
	log_warn("access", "client \"%.*s\" (%s) is refused: %s%s", (int)shown->client_id.len,
	    (const char *)shown->client_id.data, shown->peer->address, answer->text, more.text);
}

static void
describe(const struct policy_verdict *verdict, char *out, size_t size)
{
	if (verdict->effect == POLICY_DENIED)
		(void)snprintf(out, size, "statement %zu%s%s of policy %s denies it",
		    verdict->statement + 1, verdict->sid != NULL ? ", " : "",
		    verdict->sid != NULL ? verdict->sid : "", verdict->policy);
	else
		(void)snprintf(out, size, "no statement allows it");
}

static void
note_denied(struct identity *identity, const char *action, const char *kind, struct bytes name)
{
	struct access *access = identity->host->access;
	struct policy_verdict verdict;
	char why[256];
	struct log_more more;

	access->denied++;
	if (!log_limit_take(&access->denied_lines, loop_now_us(identity->host->loop), &more))
		return;
	verdict = identity_explain(identity, action, kind, name);
	if (identity_is_valid(identity))
		describe(&verdict, why, sizeof(why));
	else if (identity->missing != NULL)
		(void)snprintf(why, sizeof(why),
		    "its %s names the policy %.128s, which there is not", identity->kind->name,
		    identity->missing);
	else
		(void)snprintf(
		    why, sizeof(why), "its %s is not valid any more", identity->kind->name);
	log_warn("access", "client \"%s\" (%s, %s %s) may not %s on %s%.*s: %s%s",
	    identity->client_id, identity->peer->address, identity->kind->name, identity->principal,
	    action, kind, (int)name.len, (const char *)name.data, why, more.text);
}

bool
access_may(struct host *host, struct identity *identity, const char *action, const char *kind,
    struct bytes name)
{
	(void)host;
	if (identity_may(identity, action, kind, name))
		return true;
	note_denied(identity, action, kind, name);
	return false;
}

/* --- MQTT --- */

/* A CONNECT on its way. */
struct entry {
	struct host *host;
	struct broker_login *login;
	struct peer *peer;
	struct http_head *head; /* of its WebSocket's request; NULL: it has none */
	struct buf client_id;
	bool is_persistent;
	bool has_will;
};

static void
answer_broker(struct entry *entry, const struct login_answer *answer)
{
	const struct identity *identity = answer->identity;
	struct loop *loop = entry->host->loop;
	struct broker_decision decision = { .reason = answer->reason,
		.identity = answer->identity,
		.client_id = buf_bytes(&entry->client_id) };

	if (identity != NULL) {
		decision.principal = bytes_of_string(identity->principal);
		if (identity->ends_ms != 0)
			decision.ends_us =
			    loop_now_us(loop) + (identity->ends_ms - loop_wall_ms(loop)) * 1000;
	}
	broker_login_done(entry->login, &decision);
	free(entry->head);
	peer_forget_request(entry->peer);
	peer_unref(entry->peer);
	buf_clear(&entry->client_id);
	free(entry);
}

/* Who gives no client id gets one that says whose it is: THING/random. */
static void
name_client(struct entry *entry, struct identity *identity)
{
	uint64_t random;

	(void)identity_is_valid(identity); /* finds its thing */
	if (entry->client_id.len == 0) {
		loop_sys(entry->host->loop)->random(&random, sizeof(random));
		buf_printf(&entry->client_id, "%s/%016llx",
		    identity->thing != NULL ? identity->thing : identity->principal,
		    (unsigned long long)random);
	}
	identity->is_persistent = entry->is_persistent;
	identity->has_will = entry->has_will;
	identity_set_client_id(identity, buf_bytes(&entry->client_id));
}

static void
on_login(void *arg, const struct login_answer *answer)
{
	struct entry *entry = arg;
	struct login_answer refusal = { .reason = MQTT_NOT_AUTHORIZED };
	const struct login shown = {
		.host = entry->host, .peer = entry->peer, .client_id = buf_bytes(&entry->client_id)
	};

	if (answer->reason != MQTT_SUCCESS) {
		note_refused(&shown, answer);
		answer_broker(entry, answer);
		return;
	}
	if (answer->identity != NULL) {
		name_client(entry, answer->identity);
		if (!access_may(entry->host, answer->identity, "iot:Connect", "client/",
			buf_bytes(&entry->client_id))) {
			identity_unref(answer->identity);
			entry->host->access->refused++;
			answer_broker(entry, &refusal);
			return;
		}
	}
	entry->host->access->accepted++;
	answer_broker(entry, answer);
}

static void
forget(struct buf *secret)
{
	if (secret->len > 0)
		explicit_bzero(secret->data, secret->len);
	buf_clear(secret);
}

/* It was parsed before. NULL: there is none. */
static struct http_head *
read_request(const struct peer *peer)
{
	static const struct http_limits limits = { SIZE_MAX, SIZE_MAX, UINT64_MAX };
	struct http_refusal refusal;
	struct http_head *head;
	size_t used;

	if (peer->request == NULL)
		return NULL;
	head = xmalloc(sizeof(*head));
	if (http_head_parse(blob_bytes(peer->request), &limits, head, &used, &refusal) == HTTP_OK)
		return head;
	free(head);
	return NULL;
}

void
access_authenticate(void *arg, struct broker_login *login, const struct mqtt_connect *connect,
    const struct peer *peer)
{
	struct host *host = arg;
	struct entry *entry = xcalloc(1, sizeof(*entry));
	struct buf token = { 0 };
	struct login shown = { .host = host,
		.door = LOGIN_MQTT,
		.peer = (struct peer *)(uintptr_t)peer,
		.client_id = connect->client_id,
		.has_user = connect->has_user,
		.has_password = connect->has_password,
		.user = connect->user,
		.password = connect->password };

	entry->host = host;
	entry->login = login;
	entry->peer = peer_ref(shown.peer);
	entry->head = read_request(peer);
	shown.head = entry->head;
	if (entry->head != NULL)
		shown.query = entry->head->query;
	buf_append_bytes(&entry->client_id, connect->client_id);
	entry->is_persistent = !connect->clean_start || connect->props.session_expiry_s > 0;
	entry->has_will = connect->has_will;
	if (entry->head != NULL && !shown.has_password && signed_request_token(entry->head, &token))
		shown.bearer = buf_bytes(&token);
	login_begin(&shown, on_login, entry);
	forget(&token);
}

bool
access_authorize(void *arg, const struct broker_question *question)
{
	static const struct {
		const char *action;
		const char *kind;
	} rows[] = {
		[BROKER_ACTION_CONNECT] = { "iot:Connect", "client/" },
		[BROKER_ACTION_PUBLISH] = { "iot:Publish", "topic/" },
		[BROKER_ACTION_RETAIN] = { "iot:RetainPublish", "topic/" },
		[BROKER_ACTION_SUBSCRIBE] = { "iot:Subscribe", "topicfilter/" },
		[BROKER_ACTION_RECEIVE] = { "iot:Receive", "topic/" },
	};

	return access_may(arg, question->identity, rows[question->action].action,
	    rows[question->action].kind, question->topic);
}

void
access_identity_unref(void *arg, void *identity)
{
	(void)arg;
	identity_unref(identity);
}

void
access_describe(void *arg, const void *identity, struct buf *out)
{
	(void)arg;
	identity_describe(identity, out);
}

void *
access_recall(void *arg, struct bytes described, struct bytes client_id)
{
	return identity_recall(arg, described, client_id);
}

/* --- HTTP --- */

/* "Basic dXNlcjpwYXNz" (RFC 7617 §2), "Bearer TOKEN" (RFC 6750 §2.1) or AWS's signature. False:
 * none of these is in it, or not well. `secret` keeps what `shown` then views. */
static bool
read_authorization(struct bytes value, struct login *shown, struct buf *secret)
{
	static const char basic_word[] = "basic ", bearer_word[] = "bearer ";
	size_t skip;
	const uint8_t *colon;

	if (value.len >= sizeof(bearer_word) &&
	    strncasecmp((const char *)value.data, bearer_word, sizeof(bearer_word) - 1) == 0) {
		skip = sizeof(bearer_word) - 1;
		shown->bearer = bytes_of(value.data + skip, value.len - skip);
		return true;
	}
	if (signed_request_is(value)) {
		if (signed_request_token(shown->head, secret))
			shown->bearer = buf_bytes(secret);
		return true;
	}
	skip = sizeof(basic_word) - 1;
	if (value.len <= skip || strncasecmp((const char *)value.data, basic_word, skip) != 0 ||
	    base64_decode(bytes_of(value.data + skip, value.len - skip), secret) < 0)
		return false;
	colon = memchr(secret->data, ':', secret->len);
	if (colon == NULL)
		return false;
	shown->has_user = shown->has_password = true;
	shown->user = bytes_of(secret->data, (size_t)(colon - secret->data));
	shown->password = bytes_of(colon + 1, secret->len - shown->user.len - 1);
	return true;
}

static void
on_http_login(void *arg, const struct login_answer *answer)
{
	struct access_request *request = arg;
	const struct peer *peer = http_exchange_peer_of(request->exchange);
	const struct login shown = { .host = request->host,
		.peer = (struct peer *)(uintptr_t)peer };

	if (answer->reason == MQTT_SUCCESS)
		request->host->access->accepted++;
	else if (peer != NULL)
		note_refused(&shown, answer);
	request->done(request, answer);
}

void
access_request(struct access_request *request)
{
	const struct http_head *head = http_exchange_head(request->exchange);
	const struct peer *peer = http_exchange_peer_of(request->exchange);
	struct bytes authorization = http_header_find(head, "authorization");
	const struct login_answer malformed = { .reason = MQTT_BAD_CREDENTIALS,
		.text = "its Authorization header is neither Basic, Bearer nor a signature of "
			"AWS" };
	const struct login_answer gone = { .reason = MQTT_SERVER_UNAVAILABLE,
		.text = "it has left" };
	struct login shown = { .host = request->host,
		.door = LOGIN_HTTP,
		.peer = (struct peer *)(uintptr_t)peer,
		.query = head->query,
		.head = head };
	struct buf secret = { 0 };

	if (peer == NULL)
		request->done(request, &gone);
	else if (authorization.len > 0 && !read_authorization(authorization, &shown, &secret))
		on_http_login(request, &malformed);
	else
		login_begin(&shown, on_http_login, request);
	forget(&secret);
}

void
access_write_figures(const struct access *access, struct buf *out)
{
	figures_counter(
	    out, "moonlet_logins_total", "clients and requests that were let in", access->accepted);
	figures_counter(out, "moonlet_logins_refused_total",
	    "clients and requests that were not let in", access->refused);
	figures_counter(out, "moonlet_denied_total",
	    "what clients wanted to do and no policy allows", access->denied);
	figures_gauge(out, "moonlet_logins_waiting", "clients that wait to be let in",
	    access->logins_waiting);
}

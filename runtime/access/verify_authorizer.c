/* SPDX-License-Identifier: MIT
 * Clients of whom a function decides (runtime/access/authorizer.h). While a client is connected, it
 * is asked for again as often as its answer says; where it then says no, or cannot be asked for
 * twice that time, the client is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/access/access.h"
#include "runtime/access/authorizer.h"
#include "runtime/access/credentials.h"
#include "runtime/access/verifiers.h"
#include "runtime/function.h"

enum { AGAIN_US = 10000000 };

/* What an identity of a live connection is asked for again with. */
struct renewal {
	struct identity *identity; /* which has it */
	struct authorizer_event *event;
	struct asking *asking; /* NULL: not at present */
	char *function_name;
	struct timer timer;
	uint8_t digest[32]; /* of the answer in force */
	uint32_t refresh_s;
	int64_t good_us; /* when it came */
};

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	return identity_collect_named(identity, policies) && authorizers_wanted(host);
}

static const struct identity_kind kind = { "authorizer", collect };

static void
renewal_free(void *extra)
{
	struct renewal *renewal = extra;

	if (renewal->asking != NULL)
		asking_forget(renewal->asking);
	timer_clear(&renewal->timer);
	authorizer_event_unref(renewal->event);
	free(renewal->function_name);
	free(renewal);
}

/* --- the answer in force --- */

static char *
copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

/* `name`: of the function. */
static void
take_answer(struct identity *identity, const struct authorizer_answer *answer, const char *name)
{
	struct buf text = { 0 };

	policy_list_clear(&identity->own);
	for (size_t i = 0; i < answer->document_count; i++) {
		buf_reset(&text);
		buf_printf(&text, "%s[%zu]", name, i);
		policy_list_add(&identity->own, answer->documents[i], buf_string(&text));
	}
	buf_clear(&text);
	free(identity->thing);
	free(identity->policy_names);
	identity->thing = copy(answer->thing);
	identity->policy_names = copy(answer->policy_names);
	identity->generation = 0;
}

/* --- again --- */

static void
end(struct identity *identity, const char *why)
{
	struct host *host = identity->host;
	struct log_more more;

	identity->ends_ms = 1;
	if (log_limit_take(&host->access->refused_lines, loop_now_us(host->loop), &more))
		log_warn("access", "client \"%s\" (%s) must go: its authorizer: %s%s",
		    identity->client_id, identity->peer->address, why, more.text);
	broker_recheck(host->broker);
}

static void
try_later(struct renewal *renewal, const char *problem)
{
	struct loop *loop = renewal->identity->host->loop;
	int64_t old_us = loop_now_us(loop) - renewal->good_us;

	if (old_us > (int64_t)renewal->refresh_s * 2 * 1000000)
		end(renewal->identity, problem);
	else
		timer_set(&renewal->timer, renewal->refresh_s < AGAIN_US / 1000000
					       ? (int64_t)renewal->refresh_s * 1000000
					       : AGAIN_US);
}

static void
renew(struct renewal *renewal, const struct authorizer_answer *answer)
{
	struct identity *identity = renewal->identity;

	renewal->good_us = loop_now_us(identity->host->loop);
	if (answer->refresh_s > 0) {
		renewal->refresh_s = answer->refresh_s;
		timer_set(&renewal->timer, (int64_t)answer->refresh_s * 1000000);
	}
	if (memcmp(renewal->digest, answer->digest, sizeof(renewal->digest)) == 0)
		return;
	memcpy(renewal->digest, answer->digest, sizeof(renewal->digest));
	take_answer(identity, answer, renewal->function_name);
	broker_recheck(identity->host->broker);
}

static void
renewed(void *arg, const struct authorizer_reply *reply)
{
	struct renewal *renewal = arg;

	renewal->asking = NULL;
	if (reply->answer == NULL)
		try_later(renewal, reply->text);
	else if (!reply->answer->is_authenticated)
		end(renewal->identity, "it is not let in any more");
	else if (strcmp(reply->answer->principal, renewal->identity->principal) != 0)
		end(renewal->identity, "it is somebody else now");
	else
		renew(renewal, reply->answer);
}

static void
ask_again(void *arg)
{
	struct renewal *renewal = arg;
	struct identity *identity = renewal->identity;
	struct authorizers *authorizers = identity->host->authorizers;
	struct err err;
	struct function *function =
	    authorizers_wanted(identity->host)
		? authorizers_find(authorizers, bytes_of_string(renewal->function_name), &err)
		: NULL;

	if (function == NULL)
		try_later(renewal, "there is no such authorizer any more");
	else
		renewal->asking =
		    authorizer_ask(authorizers, &(struct authorizer_question){ .function = function,
						    .event = renewal->event,
						    .address = identity->peer->address,
						    .door = "mqtt",
						    .anew = true,
						    .done = renewed,
						    .arg = renewal });
}

/* --- at the door --- */

/* A login of which a function is asked. */
struct judging {
	struct login *login;
	struct authorizer_event *event;
	char *function_name;
};

static void
judging_free(struct judging *judging)
{
	authorizer_event_unref(judging->event);
	free(judging->function_name);
	free(judging);
}

static void
plan_renewal(struct identity *identity, const struct judging *judging,
    const struct authorizer_answer *answer)
{
	struct renewal *renewal;

	if (judging->login->door != LOGIN_MQTT || answer->refresh_s == 0)
		return;
	renewal = xcalloc(1, sizeof(*renewal));
	renewal->identity = identity;
	renewal->event = authorizer_event_ref(judging->event);
	renewal->function_name = xstrdup(judging->function_name);
	renewal->refresh_s = answer->refresh_s;
	renewal->good_us = loop_now_us(identity->host->loop);
	memcpy(renewal->digest, answer->digest, sizeof(renewal->digest));
	timer_init(&renewal->timer, identity->host->loop, ask_again, renewal);
	timer_set(&renewal->timer, (int64_t)answer->refresh_s * 1000000);
	identity->extra = renewal;
	identity->extra_free = renewal_free;
}

static void
let_in(struct judging *judging, const struct authorizer_answer *answer)
{
	struct login *login = judging->login;
	struct identity *identity =
	    identity_new(login->host, &kind, login->peer, answer->principal, NULL);

	take_answer(identity, answer, judging->function_name);
	identity->ends_ms = loop_wall_ms(login->host->loop) + (int64_t)answer->disconnect_s * 1000;
	plan_renewal(identity, judging, answer);
	login_accept(login, identity);
}

static void
judged(void *arg, const struct authorizer_reply *reply)
{
	struct judging *judging = arg;
	struct login *login = judging->login;

	login_checked(login);
	if (reply->problem != AUTHORIZER_ANSWERED) {
		login_refuse(login,
		    reply->problem == AUTHORIZER_BUSY ? MQTT_SERVER_BUSY : MQTT_SERVER_UNAVAILABLE,
		    "authorizer %s: %s", judging->function_name, reply->text);
	} else if (!reply->answer->is_authenticated) {
		login_note_failure(login);
		login_refuse(login, MQTT_BAD_CREDENTIALS, "authorizer %s does not let it in",
		    judging->function_name);
	} else {
		let_in(judging, reply->answer);
	}
	judging_free(judging);
}

static void
ask(struct login *login, struct function *function)
{
	struct judging *judging = xcalloc(1, sizeof(*judging));
	struct err err;

	judging->login = login;
	judging->function_name = xstrdup(function->name);
	judging->event = authorizer_event_new(login, &err);
	if (judging->event == NULL) {
		login_refuse(login, MQTT_BAD_CREDENTIALS, "%s", err.text);
		judging_free(judging);
		return;
	}
	if (!login_may_check(login)) {
		login_refuse(login, MQTT_SERVER_BUSY, "too many clients of its address wait");
		judging_free(judging);
		return;
	}
	(void)authorizer_ask(
	    login->host->authorizers, &(struct authorizer_question){ .function = function,
					  .event = judging->event,
					  .address = login->peer->address,
					  .door = login->door == LOGIN_MQTT ? "mqtt" : "http",
					  .done = judged,
					  .arg = judging });
}

static void
verify(struct login *login)
{
	struct buf name = { 0 };
	struct function *function;
	struct err err;
	bool named;

	named = authorizer_named(login, &name);
	function = authorizers_find(login->host->authorizers, buf_bytes(&name), &err);
	buf_clear(&name);
	if (login_must_wait(login))
		login_refuse(login, MQTT_SERVER_BUSY, "too many failed logins from its address");
	else if (function == NULL)
		login_refuse(
		    login, named ? MQTT_NOT_AUTHORIZED : MQTT_SERVER_UNAVAILABLE, "%s", err.text);
	else
		ask(login, function);
}

static bool
names_one(const struct login *login)
{
	struct buf name = { 0 };
	bool named = authorizers_wanted(login->host) && authorizer_named(login, &name);

	buf_clear(&name);
	return named;
}

static bool
shows_anything(const struct login *login)
{
	bool asks = login->door == LOGIN_MQTT && login->query.len > 0; /* by WebSocket */

	return authorizers_wanted(login->host) &&
	       (login->has_user || login->has_password || login->bearer.len > 0 || asks) &&
	       credentials_find(login->host->credentials, CREDENTIAL_USER, login->user) == NULL;
}

const struct verifier verifier_named_authorizer = { "named authorizer", names_one, verify, NULL };
const struct verifier verifier_authorizer = { "authorizer", shows_anything, verify, NULL };

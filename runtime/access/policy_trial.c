/* SPDX-License-Identifier: MIT
 * Trials of policies: an identity is made of what the registry knows, and asked.
 */
#include "runtime/access/policy_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topic.h"
#include "net/certificate.h"
#include "runtime/access/credentials.h"
#include "runtime/access/identity.h"
#include "runtime/access/policy_target.h"
#include "runtime/registry/registry.h"

struct trial {
	struct host *host;
	const char *action; /* "iot:Publish" */
	char kind[128];	    /* "topic/" */
	const char *name;   /* NULL: the client id */
	const char *client_id;
	const char *address;
	const char *thing; /* NULL: whichever the target has */
	bool is_persistent, has_will;
	const cJSON *policies;
	struct certificate *certificate; /* NULL: what the registry knows */
	int status;
};

static const struct word {
	const char *word;
	const char *action;
	const char *kind;
	bool is_filter;
} words[] = {
	{ "connect", "iot:Connect", "client/", false },
	{ "publish", "iot:Publish", "topic/", false },
	{ "retain", "iot:RetainPublish", "topic/", false },
	{ "receive", "iot:Receive", "topic/", false },
	{ "subscribe", "iot:Subscribe", "topicfilter/", true },
	{ "get-shadow", "iot:GetThingShadow", "thing/", false },
	{ "update-shadow", "iot:UpdateThingShadow", "thing/", false },
	{ "delete-shadow", "iot:DeleteThingShadow", "thing/", false },
	{ "list-shadows", "iot:ListNamedShadowsForThing", "thing/", false },
	{ "get-retained", "iot:GetRetainedMessage", "topic/", false },
};

static const char *
text_of(const cJSON *wish, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(wish, name));

	return text != NULL ? text : "";
}

/* --- the question --- */

static int
unknown_action(const char *action, struct err *err)
{
	struct buf all = { 0 };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		buf_printf(&all, "%s, ", words[i].word);
	(void)err_set(err, "%.80s: an action is %sor one of AWS IoT's, as iot:Publish", action,
	    buf_string(&all));
	buf_clear(&all);
	return -1;
}

/* A shared subscription is one to the filter in it. */
static int
check_name(const struct word *word, const char **name, struct err *err)
{
	struct bytes text = bytes_of_string(*name), group, rest;
	enum topic_defect defect = TOPIC_OK;

	if (word->is_filter)
		defect = topic_filter_check(text);
	else if (strcmp(word->kind, "topic/") == 0)
		defect = topic_name_check(text);
	if (defect != TOPIC_OK)
		return err_set(err, "%.200s: %s", *name, topic_defect_text(defect));
	if (word->is_filter) {
		topic_share_split(text, &group, &rest);
		*name = (const char *)rest.data; /* to the end of the same text */
	}
	return 0;
}

static int
read_question(struct trial *trial, const cJSON *wish, struct err *err)
{
	const char *action = text_of(wish, "action"), *resource = text_of(wish, "resource");
	size_t i = 0;

	if (strchr(action, ':') != NULL) {
		trial->action = action;
		trial->name = resource;
		return 0;
	}
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i].word, action) != 0)
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return unknown_action(action, err);
	trial->action = words[i].action;
	(void)snprintf(trial->kind, sizeof(trial->kind), "%s", words[i].kind);
	if (resource[0] == '\0' && i == 0)
		return 0;
	if (resource[0] == '\0')
		return err_set(
		    err, "%s: it needs a topic, filter or thing: %s...", action, words[i].kind);
	trial->name = resource;
	return check_name(&words[i], &trial->name, err);
}

/* --- who asks --- */

/* Why there would be no such connection; empty: there could be. */
static void
find_hindrance(const struct host *host, const char *target, char *out, size_t size)
{
	const struct registry_certificate *certificate;
	const char *colon = strchr(target, ':');
	enum credential_kind kind = target[0] == 'u' ? CREDENTIAL_USER : CREDENTIAL_TOKEN;

	out[0] = '\0';
	if (colon == NULL)
		return;
	if (strncmp(target, "cert:", 5) != 0) {
		if (credentials_find(host->credentials, kind, bytes_of_string(colon + 1)) == NULL)
			(void)snprintf(out, size, "there is no %s", target);
		return;
	}
	certificate = registry_certificate(host->registry, bytes_of_string(colon + 1));
	if (certificate == NULL)
		(void)snprintf(out, size, "its certificate is not registered");
	else if (certificate->state != REGISTRY_ACTIVE)
		(void)snprintf(
		    out, size, "its certificate is %s", registry_state_text(certificate->state));
}

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	(void)host;
	identity_collect(identity, bytes_of_string(identity->principal), policies);
	return true;
}

static const struct identity_kind trial_kind = { "trial", collect };

static struct peer *
make_peer(const struct trial *trial, const char *target)
{
	const struct registry_certificate *known = NULL;
	struct certificate *shown;
	char address[PEER_ADDRESS_BYTES];
	struct peer *peer;
	bool is_six = strchr(trial->address, ':') != NULL;

	(void)snprintf(address, sizeof(address), "%s%.48s%s:0", is_six ? "[" : "", trial->address,
	    is_six ? "]" : "");
	peer = peer_new(address);
	peer->is_tls = true;
	if (trial->certificate != NULL)
		peer->certificate = certificate_copy(trial->certificate);
	else if (strncmp(target, "cert:", 5) == 0)
		known = registry_certificate(trial->host->registry, bytes_of_string(target + 5));
	if (known == NULL)
		return peer;
	shown = xcalloc(1, sizeof(*shown));
	(void)snprintf(shown->id, sizeof(shown->id), "%s", known->id);
	(void)snprintf(shown->serial, sizeof(shown->serial), "%s", known->serial);
	shown->common_name = xstrdup(known->common_name);
	shown->subject = xstrdup(known->subject);
	shown->issuer = xstrdup(known->issuer);
	peer->certificate = shown;
	return peer;
}

static struct identity *
make_identity(const struct trial *trial, const char *target)
{
	struct peer *peer = make_peer(trial, target);
	struct identity *identity =
	    identity_new(trial->host, &trial_kind, peer, target, trial->thing);
	const cJSON *name;

	identity->is_persistent = trial->is_persistent;
	identity->has_will = trial->has_will;
	identity_set_client_id(identity, bytes_of_string(trial->client_id));
	cJSON_ArrayForEach(name, trial->policies)
	{
		const struct registry_policy *policy = registry_policy(
		    trial->host->registry, bytes_of_string(cJSON_GetStringValue(name)));

		if (policy != NULL)
			policy_list_add(&identity->own, policy->compiled, policy->name);
	}
	peer_unref(peer);
	return identity;
}

/* --- the answer --- */

static void
add_verdict(cJSON *result, const struct policy_verdict *verdict)
{
	static const char *const effects[] = {
		[POLICY_NOTHING_ALLOWS] = "NOTHING_ALLOWS",
		[POLICY_ALLOWED] = "ALLOWED",
		[POLICY_DENIED] = "DENIED",
	};

	api_add_string(result, "effect", effects[verdict->effect]);
	if (verdict->policy == NULL)
		return;
	api_add_string(result, "policy", verdict->policy);
	api_add_number(result, "statement", (double)verdict->statement + 1);
	if (verdict->sid != NULL)
		api_add_string(result, "sid", verdict->sid);
}

static void
add_text(cJSON *result, const struct policy_verdict *verdict, const char *hindrance)
{
	struct buf text = { 0 };

	if (hindrance[0] != '\0')
		buf_append_string(&text, hindrance);
	else if (verdict->effect == POLICY_NOTHING_ALLOWS)
		buf_append_string(&text, "no statement allows it");
	else
		buf_printf(&text, "statement %zu%s%s of policy %s %s it", verdict->statement + 1,
		    verdict->sid != NULL ? ", " : "", verdict->sid != NULL ? verdict->sid : "",
		    verdict->policy, verdict->effect == POLICY_DENIED ? "denies" : "allows");
	api_add_string(result, "text", buf_string(&text));
	buf_clear(&text);
}

static bool
may_connect(struct identity *identity)
{
	return identity_explain(
		   identity, "iot:Connect", "client/", bytes_of_string(identity->client_id))
		   .effect == POLICY_ALLOWED;
}

static cJSON *
try_one(const struct trial *trial, const char *target, bool *allowed)
{
	struct identity *identity = make_identity(trial, target);
	struct policy_verdict verdict;
	cJSON *result = api_object();
	char hindrance[160];

	find_hindrance(trial->host, target, hindrance, sizeof(hindrance));
	verdict = identity_explain(identity, trial->action, trial->kind,
	    bytes_of_string(trial->name != NULL ? trial->name : trial->client_id));
	*allowed = verdict.effect == POLICY_ALLOWED && hindrance[0] == '\0';
	api_add_bool(result, "allowed", *allowed);
	add_verdict(result, &verdict);
	add_text(result, &verdict, hindrance);
	if (target[0] != '\0')
		api_add_string(result, "as", target);
	if (identity->thing != NULL)
		api_add_string(result, "thing", identity->thing);
	api_add_string(result, "clientId", identity->client_id);
	api_add_bool(result, "mayConnect", may_connect(identity));
	identity_unref(identity);
	return result;
}

static cJSON *
try_all(const struct trial *trial, char *const *targets, size_t count)
{
	cJSON *reply = api_object(), *results = api_array();
	struct buf resource = { 0 };
	bool all = count > 0, allowed;

	for (size_t i = 0; i < count; i++) {
		cJSON_AddItemToArray(results, try_one(trial, targets[i], &allowed));
		all = all && allowed;
	}
	buf_printf(
	    &resource, "%s%s", trial->kind, trial->name != NULL ? trial->name : trial->client_id);
	api_add_bool(reply, "allowed", all);
	api_add_string(reply, "action", trial->action);
	api_add_string(reply, "resource", buf_string(&resource));
	api_add(reply, "results", results);
	buf_clear(&resource);
	return reply;
}

/* --- all of it --- */

static int
read_policies(struct trial *trial, const cJSON *wish, struct err *err)
{
	const cJSON *name;

	trial->policies = cJSON_GetObjectItemCaseSensitive(wish, "policies");
	cJSON_ArrayForEach(name, trial->policies)
	{
		if (!cJSON_IsString(name))
			return err_set(err, "policies: an array of names is wanted");
		trial->status = 404;
		if (registry_policy(trial->host->registry, bytes_of_string(name->valuestring)) ==
		    NULL)
			return err_set(err, "there is no policy %.140s", name->valuestring);
		trial->status = 400;
	}
	return 0;
}

static int
read_certificate(struct trial *trial, const cJSON *wish, struct err *err)
{
	const char *pem = text_of(wish, "certificatePem");

	if (pem[0] == '\0')
		return 0;
	trial->certificate = certificate_parse(bytes_of_string(pem), err);
	return trial->certificate != NULL ? 0 : err_prefix(err, "certificatePem");
}

/* Appends one that the caller frees. */
static void
add_target(char **targets, size_t *count, const char *text)
{
	targets[(*count)++] = xstrdup(text);
}

static int
targets_of_thing(struct trial *trial, char **targets, size_t *count, struct err *err)
{
	const struct thing *thing =
	    registry_thing(trial->host->registry, bytes_of_string(trial->thing));

	trial->status = 404;
	if (thing == NULL)
		return err_set(err, "there is no thing %.140s", trial->thing);
	trial->status = 409;
	if (thing->target_count == 0)
		return err_set(err,
		    "thing %s is attached to no certificate, user or token: nobody can speak for "
		    "it",
		    trial->thing);
	for (size_t i = 0; i < thing->target_count; i++)
		add_target(targets, count, thing->targets[i]->text);
	return 0;
}

/* As whom: `targets` has room for all that a thing can have. */
static int
find_targets(struct trial *trial, const cJSON *wish, char **targets, size_t *count, struct err *err)
{
	const char *target = text_of(wish, "target");
	char *found;

	if (trial->certificate != NULL) {
		struct buf text = { 0 };

		buf_printf(&text, "cert:%s", trial->certificate->id);
		add_target(targets, count, buf_string(&text));
		buf_clear(&text);
		return 0;
	}
	if (target[0] != '\0') {
		trial->status = 404;
		found = policy_target_resolve(trial->host->registry, target, err);
		if (found != NULL)
			targets[(*count)++] = found;
		return found != NULL ? 0 : -1;
	}
	if (trial->thing[0] != '\0')
		return targets_of_thing(trial, targets, count, err);
	if (cJSON_GetArraySize(trial->policies) == 0)
		return err_set(
		    err, "as whom? --thing, --cert, --user, --token or --policy says it");
	add_target(targets, count, "");
	return 0;
}

/* A target has to speak for the thing that was named. */
static int
check_thing(struct trial *trial, const char *text, struct err *err)
{
	const struct registry_target *target =
	    registry_target(trial->host->registry, bytes_of_string(text));

	if (trial->thing[0] == '\0' || text[0] == '\0')
		return 0;
	for (size_t i = 0; target != NULL && i < target->thing_count; i++) {
		if (strcmp(target->things[i]->name, trial->thing) == 0)
			return 0;
	}
	trial->status = 409;
	return err_set(err, "thing %.140s is not attached to %.300s", trial->thing, text);
}

/* Who names no client id comes under the name of the thing that it speaks for. */
static void
name_client(struct trial *trial, const char *target)
{
	const struct thing *thing;

	if (trial->client_id[0] != '\0')
		return;
	thing =
	    registry_thing_of(trial->host->registry, bytes_of_string(target), bytes_of_string(""));
	if (thing != NULL)
		trial->client_id = thing->name;
}

cJSON *
policy_trial(struct host *host, const cJSON *wish, int *status, struct err *err)
{
	struct trial trial = { .host = host,
		.thing = text_of(wish, "thing"),
		.client_id = text_of(wish, "clientId"),
		.address = text_of(wish, "address"),
		.is_persistent = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(wish, "persistent")),
		.has_will = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(wish, "will")),
		.status = 400 };
	char *targets[REGISTRY_TARGETS_MAX] = { NULL };
	size_t count = 0;
	cJSON *reply = NULL;

	if (trial.address[0] == '\0')
		trial.address = "127.0.0.1";
	if (trial.client_id[0] == '\0')
		trial.client_id = trial.thing;
	if (read_question(&trial, wish, err) == 0 && read_policies(&trial, wish, err) == 0 &&
	    read_certificate(&trial, wish, err) == 0 &&
	    find_targets(&trial, wish, targets, &count, err) == 0 &&
	    check_thing(&trial, targets[0], err) == 0) {
		name_client(&trial, targets[0]);
		reply = try_all(&trial, targets, count);
	}
	*status = trial.status;
	for (size_t i = 0; i < count; i++)
		free(targets[i]);
	certificate_free(trial.certificate);
	return reply;
}

/* SPDX-License-Identifier: MIT
 * on = { topic = "iot/ccar-ad/+" }: messages that devices publish, by topic filter, here or
 * at an external broker.
 */
#include <stdlib.h>

#include "lib/topic.h"
#include "runtime/function.h"
#include "triggers/external.h"
#include "triggers/triggers.h"

struct topic_binding {
	struct function *function;
	char *filter;
};

static int
check(const cJSON *spec, struct err *err)
{
	const cJSON *filter = cJSON_GetObjectItemCaseSensitive(spec, "topic");
	const char *text = cJSON_GetStringValue(filter);
	enum topic_defect defect;
	struct bytes group, rest;

	if (text == NULL)
		return err_set(err, "topic is a topic filter: { topic = \"iot/+/speed\" }");
	if (spec->child->next != NULL)
		return err_set(err, "a topic trigger has no other keys than topic");
	defect = topic_filter_check(bytes_of_string(text));
	if (defect != TOPIC_OK)
		return err_set(err, "topic \"%s\": %s", text, topic_defect_text(defect));
	topic_share_split(bytes_of_string(text), &group, &rest);
	if (group.len > 0)
		return err_set(err,
		    "topic \"%s\": functions need no shared subscription; write \"%.*s\"", text,
		    (int)rest.len, rest.data);
	return 0;
}

static void *
bind_topic(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct topic_binding *binding = xcalloc(1, sizeof(*binding));

	(void)err;
	binding->function = function;
	binding->filter =
	    xstrdup(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "topic")));
	trie_add(&host->topics, bytes_of_string(binding->filter), function);
	external_bind(host->external, bytes_of_string(binding->filter), function);
	return binding;
}

static void
unbind_topic(struct host *host, void *arg)
{
	struct topic_binding *binding = arg;

	(void)trie_remove(&host->topics, bytes_of_string(binding->filter), binding->function);
	external_unbind(host->external, bytes_of_string(binding->filter), binding->function);
	free(binding->filter);
	free(binding);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	buf_append_string(
	    out, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "topic")));
}

const struct trigger trigger_topic = { "topic", "messages that are published on a topic", check,
	bind_topic, unbind_topic, describe };

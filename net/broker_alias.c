/* SPDX-License-Identifier: MIT
 * Topic aliases in both directions (MQTT 5.0 §3.3.2.3.4). They last as long as the connection.
 *
 * To a client that takes aliases, the first topics it is sent get them, and keep them: a device's
 * subscriber mostly hears the same few topics. Long topics get none, so that the memory is bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

enum { ALIASED_TOPIC_BYTES_MAX = 1024 };

struct aliases {
	struct bytes *theirs; /* by number; heap copies; NULL: none */
	struct hash_map ours; /* by topic */
};

struct alias {
	struct hash_node link; /* by topic */
	uint16_t number;
	char text[];
};

static struct aliases *
aliases_of(struct client *client)
{
	if (client->aliases == NULL)
		client->aliases = xcalloc(1, sizeof(*client->aliases));
	return client->aliases;
}

/* Replaces the topic of a PUBLISH by what its alias stands for, or remembers a new one. */
uint8_t
alias_resolve(struct client *client, struct mqtt_publish *publish)
{
	uint16_t alias_max = client->broker->config.topic_alias_maximum;
	uint16_t alias = publish->props.topic_alias;
	struct aliases *aliases;
	struct bytes *slot;

	if (!mqtt_props_has(&publish->props, MQTT_TOPIC_ALIAS))
		return MQTT_SUCCESS;
	if (alias == 0 || alias > alias_max)
		return MQTT_TOPIC_ALIAS_INVALID;
	aliases = aliases_of(client);
	if (aliases->theirs == NULL)
		aliases->theirs = xcalloc(alias_max, sizeof(*aliases->theirs));
	slot = &aliases->theirs[alias - 1];
	if (publish->topic.len == 0) {
		publish->topic = *slot;
		return slot->len > 0 ? MQTT_SUCCESS : MQTT_PROTOCOL_ERROR;
	}
	free((void *)slot->data);
	*slot =
	    bytes_of(memcpy(xmalloc(publish->topic.len), publish->topic.data, publish->topic.len),
		publish->topic.len);
	return MQTT_SUCCESS;
}

void
alias_use(struct client *client, struct mqtt_outgoing *publish)
{
	const struct aliases *aliases;
	struct hash_node *node;

	if (client->alias_maximum == 0)
		return;
	aliases = aliases_of(client);
	node = hash_find(&aliases->ours, publish->topic);
	if (node != NULL) {
		publish->topic_alias = HASH_OWNER(node, struct alias, link)->number;
		publish->topic.len = 0;
	} else if (aliases->ours.count < client->alias_maximum &&
		   publish->topic.len <= ALIASED_TOPIC_BYTES_MAX) {
		publish->topic_alias = (uint16_t)(aliases->ours.count + 1);
	}
}

void
alias_sent(struct client *client, const struct mqtt_outgoing *publish)
{
	struct alias *alias;

	if (publish->topic_alias == 0 || publish->topic.len == 0)
		return;
	alias = xcalloc(1, sizeof(*alias) + publish->topic.len);
	alias->number = publish->topic_alias;
	memcpy(alias->text, publish->topic.data, publish->topic.len);
	hash_insert(
	    &client->aliases->ours, &alias->link, bytes_of(alias->text, publish->topic.len));
}

void
alias_clear(struct client *client)
{
	struct aliases *aliases = client->aliases;
	uint16_t alias_max = client->broker->config.topic_alias_maximum;
	struct hash_node *node;

	if (aliases == NULL)
		return;
	for (size_t i = 0; aliases->theirs != NULL && i < alias_max; i++)
		free((void *)aliases->theirs[i].data);
	free(aliases->theirs);
	while ((node = hash_next(&aliases->ours, NULL)) != NULL) {
		hash_remove(&aliases->ours, node);
		free(HASH_OWNER(node, struct alias, link));
	}
	hash_clear(&aliases->ours);
	free(aliases);
	client->aliases = NULL;
}

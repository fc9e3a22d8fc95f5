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

struct alias {
	struct hash_node link; /* by topic */
	uint16_t number;
	char text[];
};

/* Replaces the topic of a PUBLISH by what its alias stands for, or remembers a new one. */
uint8_t
alias_resolve(struct client *client, struct mqtt_publish *publish)
{
	uint16_t alias_max = client->broker->config.topic_alias_maximum;
	uint16_t alias = publish->props.topic_alias;
	struct bytes *slot;

	if (!mqtt_props_has(&publish->props, MQTT_TOPIC_ALIAS))
		return MQTT_SUCCESS;
	if (alias == 0 || alias > alias_max)
		return MQTT_TOPIC_ALIAS_INVALID;
	if (client->aliases == NULL)
		client->aliases = xcalloc(alias_max, sizeof(*client->aliases));
	slot = &client->aliases[alias - 1];
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
	struct hash_node *node;

	if (client->alias_maximum == 0)
		return;
	node = hash_find(&client->aliased, publish->topic);
	if (node != NULL) {
		publish->topic_alias = HASH_OWNER(node, struct alias, link)->number;
		publish->topic.len = 0;
	} else if (client->aliased.count < client->alias_maximum &&
		   publish->topic.len <= ALIASED_TOPIC_BYTES_MAX) {
		publish->topic_alias = (uint16_t)(client->aliased.count + 1);
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
	hash_insert(&client->aliased, &alias->link, bytes_of(alias->text, publish->topic.len));
}

void
alias_clear(struct client *client)
{
	struct hash_node *node;

	for (size_t i = 0;
	     client->aliases != NULL && i < client->broker->config.topic_alias_maximum; i++)
		free((void *)client->aliases[i].data);
	free(client->aliases);
	client->aliases = NULL;
	while ((node = hash_next(&client->aliased, NULL)) != NULL) {
		hash_remove(&client->aliased, node);
		free(HASH_OWNER(node, struct alias, link));
	}
	hash_clear(&client->aliased);
}

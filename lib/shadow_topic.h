/* SPDX-License-Identifier: MIT
 * The topics of the shadow service: $aws/things/<thing>/shadow[/name/<name>]/<operation>.
 */
#ifndef LIB_SHADOW_TOPIC_H
#define LIB_SHADOW_TOPIC_H

#include "lib/bytes.h"

enum shadow_request_kind { SHADOW_REQUEST_GET, SHADOW_REQUEST_UPDATE, SHADOW_REQUEST_DELETE };

struct shadow_topic {
	enum shadow_request_kind kind;
	struct bytes thing; /* borrowed from the topic */
	struct bytes name;  /* empty: the classic shadow */
};

/* True for the topic of a request. Things and names are not checked beyond being one level each. */
bool shadow_topic_parse(struct bytes topic, struct shadow_topic *request);

/* Whether they are of letters, digits and ":_-", and not too long. An empty name is valid. */
bool shadow_thing_is_valid(struct bytes thing);
bool shadow_name_is_valid(struct bytes name);

/* Appends the topic of a message of this shadow: `suffix` is "update/accepted", ... */
void shadow_topic_write(struct buf *out, struct bytes thing, struct bytes name, const char *suffix);

/* "get", "update", "delete" */
const char *shadow_request_name(enum shadow_request_kind kind);

#endif

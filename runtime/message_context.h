/* SPDX-License-Identifier: MIT
 * What of a message's MQTT 5 properties a handler finds in its context.
 */
#ifndef RUNTIME_MESSAGE_CONTEXT_H
#define RUNTIME_MESSAGE_CONTEXT_H

#include "lib/mqtt_packet.h"

/* Appends a JSON object: content_type, response_topic, correlation_data (base64), properties. */
void message_context(const struct mqtt_props *props, struct buf *out);

#endif

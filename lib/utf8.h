/* SPDX-License-Identifier: MIT
 * UTF-8 as MQTT has it (MQTT 5.0 §1.5.4): well-formed, no surrogates, no U+0000.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include "lib/bytes.h"

bool utf8_is_valid(struct bytes text);	     /* may hold U+0000 (JSON, payloads) */
size_t utf8_character(struct bytes text);    /* length of the first one; 0: it is none */
bool utf8_is_mqtt_string(struct bytes text); /* at most 65,535 bytes, no U+0000 */

#endif

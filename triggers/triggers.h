/* SPDX-License-Identifier: MIT
 * The table of triggers.
 */
#ifndef TRIGGERS_TRIGGERS_H
#define TRIGGERS_TRIGGERS_H

#include "runtime/trigger.h"

extern const struct trigger *const trigger_table[];
extern const size_t trigger_table_count;

extern const struct trigger trigger_authorizer;
extern const struct trigger trigger_file;
extern const struct trigger trigger_http;
extern const struct trigger trigger_presence;
extern const struct trigger trigger_schedule;
extern const struct trigger trigger_shadow;
extern const struct trigger trigger_table_changes;
extern const struct trigger trigger_topic;

#endif

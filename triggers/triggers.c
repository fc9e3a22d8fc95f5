/* SPDX-License-Identifier: MIT
 * One row for each source of events; each row stands in its source's own file.
 */
#include "triggers/triggers.h"

const struct trigger *const trigger_table[] = {
	&trigger_authorizer,
	&trigger_file,
	&trigger_http,
	&trigger_presence,
	&trigger_schedule,
	&trigger_shadow,
	&trigger_table_changes,
	&trigger_topic,
};

const size_t trigger_table_count = sizeof(trigger_table) / sizeof(trigger_table[0]);

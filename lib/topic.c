/* SPDX-License-Identifier: MIT
 * Checks and matching, level by level.
 */
#include "lib/topic.h"

#include <string.h>

#include "lib/utf8.h"

static const char share_prefix[] = "$share/";

static const char *const texts[] = {
	[TOPIC_OK] = "the topic is valid",
	[TOPIC_EMPTY] = "the topic is empty",
	[TOPIC_TOO_LONG] = "the topic is longer than 65535 bytes",
	[TOPIC_TOO_DEEP] = "the topic has more than 200 levels",
	[TOPIC_NOT_UTF8] = "the topic is not UTF-8 without U+0000",
	[TOPIC_HAS_WILDCARD] = "a topic to publish to has no wildcards (\"+\" or \"#\")",
	[TOPIC_HASH_NOT_LAST] = "\"#\" must be the whole last level of a topic filter",
	[TOPIC_PLUS_NOT_ALONE] = "\"+\" must be a whole level of a topic filter",
	[TOPIC_BAD_SHARE] =
	    "a shared subscription is \"$share/<group>/<filter>\", the group without wildcards",
};

const char *
topic_defect_text(enum topic_defect defect)
{
	return texts[defect];
}

struct bytes
topic_level(struct bytes *rest, bool *more)
{
	const uint8_t *slash = rest->len > 0 ? memchr(rest->data, '/', rest->len) : NULL;
	struct bytes level = *rest;

	*more = slash != NULL;
	if (slash != NULL) {
		level.len = (size_t)(slash - rest->data);
		*rest = bytes_of(slash + 1, rest->len - level.len - 1);
	} else {
		*rest = bytes_of(rest->data + rest->len, 0);
	}
	return level;
}

static bool
has(struct bytes text, char c)
{
	return text.len > 0 && memchr(text.data, c, text.len) != NULL;
}

static enum topic_defect
check_common(struct bytes topic)
{
	size_t levels = 1;

	if (topic.len == 0)
		return TOPIC_EMPTY;
	if (topic.len > TOPIC_BYTES_MAX)
		return TOPIC_TOO_LONG;
	for (size_t i = 0; i < topic.len; i++)
		levels += topic.data[i] == '/';
	if (levels > TOPIC_LEVELS_MAX)
		return TOPIC_TOO_DEEP;
	return utf8_is_mqtt_string(topic) ? TOPIC_OK : TOPIC_NOT_UTF8;
}

enum topic_defect
topic_name_check(struct bytes name)
{
	enum topic_defect defect = check_common(name);

	if (defect == TOPIC_OK && (has(name, '+') || has(name, '#')))
		defect = TOPIC_HAS_WILDCARD;
	return defect;
}

static enum topic_defect
check_wildcards(struct bytes filter)
{
	bool more = true;

	while (more) {
		struct bytes level = topic_level(&filter, &more);

		if (has(level, '#') && (level.len > 1 || more))
			return TOPIC_HASH_NOT_LAST;
		if (has(level, '+') && level.len > 1)
			return TOPIC_PLUS_NOT_ALONE;
	}
	return TOPIC_OK;
}

static bool
is_shared(struct bytes filter)
{
	return filter.len >= sizeof(share_prefix) - 1 &&
	       memcmp(filter.data, share_prefix, sizeof(share_prefix) - 1) == 0;
}

void
topic_share_split(struct bytes filter, struct bytes *group, struct bytes *rest)
{
	bool more;

	*group = bytes_of(filter.data, 0);
	*rest = filter;
	if (!is_shared(filter))
		return;
	(void)topic_level(rest, &more);
	*group = topic_level(rest, &more);
}

enum topic_defect
topic_filter_check(struct bytes filter)
{
	enum topic_defect defect = check_common(filter);
	struct bytes group, rest;

	if (defect != TOPIC_OK)
		return defect;
	topic_share_split(filter, &group, &rest);
	if (is_shared(filter) &&
	    (group.len == 0 || rest.len == 0 || has(group, '+') || has(group, '#')))
		return TOPIC_BAD_SHARE;
	return check_wildcards(rest);
}

static bool
takes_level(struct bytes pattern, struct bytes level)
{
	return bytes_equal(pattern, level) || bytes_equal_string(pattern, "+");
}

/* The walk that matching a name and covering a filter share: a name is a filter without wildcards.
 */
static bool
walk(struct bytes wide, struct bytes narrow)
{
	bool more_wide = true, more_narrow = true;

	while (more_wide) {
		struct bytes pattern = topic_level(&wide, &more_wide), level;

		if (bytes_equal_string(pattern, "#"))
			return true;
		if (!more_narrow)
			return false;
		level = topic_level(&narrow, &more_narrow);
		if (bytes_equal_string(level, "#") || !takes_level(pattern, level))
			return false;
	}
	return !more_narrow;
}

bool
topic_match(struct bytes filter, struct bytes name)
{
	bool wild = filter.len > 0 && (filter.data[0] == '+' || filter.data[0] == '#');

	if (wild && name.len > 0 && name.data[0] == '$')
		return false;
	return walk(filter, name);
}

bool
topic_covers(struct bytes wide, struct bytes narrow)
{
	return topic_match(wide, narrow);
}

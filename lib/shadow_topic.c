/* SPDX-License-Identifier: MIT
 * Reading and writing shadow topics, level by level.
 */
#include "lib/shadow_topic.h"

#include <string.h>

#include "lib/shadow_doc.h"
#include "lib/topic.h"

static const char *const request_names[] = {
	[SHADOW_REQUEST_GET] = "get",
	[SHADOW_REQUEST_UPDATE] = "update",
	[SHADOW_REQUEST_DELETE] = "delete",
};

const char *
shadow_request_name(enum shadow_request_kind kind)
{
	return request_names[kind];
}

static bool
parse_kind(struct bytes level, enum shadow_request_kind *kind)
{
	for (int i = 0; i < 3; i++) {
		if (bytes_equal_string(level, request_names[i])) {
			*kind = (enum shadow_request_kind)i;
			return true;
		}
	}
	return false;
}

bool
shadow_topic_parse(struct bytes topic, struct shadow_topic *request)
{
	enum { LEVELS_MAX = 7 };
	struct bytes levels[LEVELS_MAX];
	size_t count = 0;
	bool more = true;

	while (more && count < LEVELS_MAX)
		levels[count++] = topic_level(&topic, &more);
	if (more || (count != 5 && count != 7) || !bytes_equal_string(levels[0], "$aws") ||
	    !bytes_equal_string(levels[1], "things") || levels[2].len == 0 ||
	    !bytes_equal_string(levels[3], "shadow"))
		return false;
	if (count == 7 && (!bytes_equal_string(levels[4], "name") || levels[5].len == 0))
		return false;
	request->thing = levels[2];
	request->name = count == 7 ? levels[5] : bytes_of(NULL, 0);
	return parse_kind(levels[count - 1], &request->kind);
}

static bool
is_name(struct bytes name, size_t bytes_max)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789:_-";

	if (name.len > bytes_max)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (memchr(allowed, name.data[i], sizeof(allowed) - 1) == NULL)
			return false;
	}
	return true;
}

bool
shadow_thing_is_valid(struct bytes thing)
{
	return thing.len > 0 && is_name(thing, SHADOW_THING_BYTES_MAX);
}

bool
shadow_name_is_valid(struct bytes name)
{
	return is_name(name, SHADOW_NAME_BYTES_MAX);
}

void
shadow_topic_write(struct buf *out, struct bytes thing, struct bytes name, const char *suffix)
{
	buf_append_string(out, "$aws/things/");
	buf_append_bytes(out, thing);
	buf_append_string(out, "/shadow/");
	if (name.len > 0) {
		buf_append_string(out, "name/");
		buf_append_bytes(out, name);
		buf_append_u8(out, '/');
	}
	buf_append_string(out, suffix);
}

/* SPDX-License-Identifier: MIT
 * Texts of policies: wildcards, variables, and matching.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/policy_private.h"

enum { VARIABLES_MAX = 16, VARIABLE_BYTES_MAX = 256, VALUE_BYTES_MAX = 1024 };

static struct buf *
add_part(struct buf **parts, size_t count)
{
	*parts = xrealloc(*parts, (count + 1) * sizeof(**parts));
	(*parts)[count] = (struct buf){ 0 };
	return &(*parts)[count];
}

/* "${*}": the character itself. */
static bool
is_escape(struct bytes name)
{
	return name.len == 1 && strchr("*?$", name.data[0]) != NULL;
}

static bool
is_variable(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] >= 0x7f || strchr("\"'`$*?{", name.data[i]))
			return false;
	}
	return name.len > 0 && name.len <= VARIABLE_BYTES_MAX &&
	       memchr(name.data, ':', name.len) != NULL;
}

/* What stands between "${" and "}". */
static int
take_variable(struct policy_text *out, struct bytes name, struct err *err)
{
	if (is_escape(name)) {
		buf_append_u8(&out->literals[out->variable_count], name.data[0]);
		return 0;
	}
	if (!is_variable(name))
		return err_set(err, "\"${%.*s}\" is no variable: it is written \"${iot:ClientId}\"",
		    (int)(name.len < 80 ? name.len : 80), (const char *)name.data);
	if (out->variable_count == VARIABLES_MAX)
		return err_set(err, "more than %d variables", VARIABLES_MAX);
	buf_append_bytes(add_part(&out->variables, out->variable_count), name);
	out->variable_count++;
	(void)add_part(&out->literals, out->variable_count);
	return 0;
}

int
policy_text_parse(const char *text, bool has_wildcards, struct policy_text *out, struct err *err)
{
	const char *end;

	*out = (struct policy_text){ 0 };
	(void)add_part(&out->literals, 0);
	for (; *text != '\0'; text++) {
		struct buf *literal = &out->literals[out->variable_count];

		if (*text == PATTERN_ANY || *text == PATTERN_ONE)
			return err_set(err, "the characters U+0001 and U+0002 may not stand in it");
		if (text[0] == '$' && text[1] == '{') {
			end = strchr(text, '}');
			if (end == NULL)
				return err_set(err, "\"${\" without its \"}\"");
			if (take_variable(out, bytes_of(text + 2, (size_t)(end - text) - 2), err) <
			    0)
				return -1;
			text = end;
		} else if (has_wildcards && *text == '*') {
			buf_append_u8(literal, PATTERN_ANY);
		} else if (has_wildcards && *text == '?') {
			buf_append_u8(literal, PATTERN_ONE);
		} else {
			buf_append_u8(literal, (uint8_t)*text);
		}
	}
	return 0;
}

void
policy_text_clear(struct policy_text *text)
{
	for (size_t i = 0; text->literals != NULL && i <= text->variable_count; i++)
		buf_clear(&text->literals[i]);
	for (size_t i = 0; i < text->variable_count; i++)
		buf_clear(&text->variables[i]);
	free(text->literals);
	free(text->variables);
	*text = (struct policy_text){ 0 };
}

void
policy_texts_clear(struct policy_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		policy_text_clear(&texts->list[i]);
	free(texts->list);
	*texts = (struct policy_texts){ 0 };
}

/* A value that begins a topic must not reach what the host keeps for itself ("$aws", "$share"). */
static bool
begins_topic(const struct policy_text *text, size_t variable)
{
	struct bytes before = buf_bytes(&text->literals[0]);

	return variable == 0 &&
	       (bytes_equal_string(before, "topic/") || bytes_equal_string(before, "topicfilter/"));
}

static bool
fits(struct bytes value, enum policy_room room, bool at_start)
{
	static const char *const forbidden[] = {
		[POLICY_ROOM_ANY] = "",
		[POLICY_ROOM_NAME] = "+#",
		[POLICY_ROOM_LEVEL] = "+#/",
	};

	for (size_t i = 0; i < value.len; i++) {
		uint8_t byte = value.data[i];

		if (byte == 0 || byte == PATTERN_ANY || byte == PATTERN_ONE ||
		    strchr(forbidden[room], byte) != NULL)
			return false;
	}
	return value.len > 0 && value.len <= VALUE_BYTES_MAX &&
	       !(at_start && room == POLICY_ROOM_LEVEL && value.data[0] == '$');
}

bool
policy_text_fill(
    const struct policy_text *text, const struct policy_filling *filling, struct buf *out)
{
	const struct policy_facts *facts = filling->facts;

	for (size_t i = 0; i < text->variable_count; i++) {
		size_t start;
		bool good;

		buf_append_bytes(out, buf_bytes(&text->literals[i]));
		start = out->len;
		good = facts->get(facts->arg, buf_bytes(&text->variables[i]), out) &&
		       fits(bytes_of(out->data + start, out->len - start), filling->room,
			   begins_topic(text, i));
		if (good)
			continue;
		if (!filling->any)
			return false;
		out->len = start;
		buf_append_u8(out, PATTERN_ANY);
	}
	buf_append_bytes(out, buf_bytes(&text->literals[text->variable_count]));
	return true;
}

static uint8_t
folded(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* How many bytes `?` takes: a whole character of UTF-8. */
static size_t
character_len(struct bytes text, size_t at)
{
	size_t end = at + 1;

	while (end < text.len && (text.data[end] & 0xc0) == 0x80)
		end++;
	return end - at;
}

/* The last wildcard takes one byte more at each failure: no pattern costs more than its length
 * times the text's. */
static bool
match(struct bytes pattern, struct bytes text, bool fold)
{
	size_t p = 0, t = 0, star = SIZE_MAX, taken = 0;

	while (t < text.len) {
		uint8_t want = p < pattern.len ? pattern.data[p] : 0;
		uint8_t is = text.data[t];

		if (p < pattern.len && want == PATTERN_ANY) {
			star = p++;
			taken = t;
		} else if (p < pattern.len && want == PATTERN_ONE) {
			p++;
			t += character_len(text, t);
		} else if (p < pattern.len &&
			   (want == is || (fold && folded(want) == folded(is)))) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++taken;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == PATTERN_ANY)
		p++;
	return p == pattern.len;
}

bool
policy_match(struct bytes pattern, struct bytes text)
{
	return match(pattern, text, false);
}

bool
policy_match_folded(struct bytes pattern, struct bytes text)
{
	return match(pattern, text, true);
}

/* SPDX-License-Identifier: MIT
 * Matching part by part. Within a part only the last `*` is tried again, so that the work is at
 * most the product of the lengths; `**` is tried at each folder.
 */
#include "lib/path_glob.h"

#include <stddef.h>
#include <string.h>

/* A part of a pattern or path: up to the next "/". */
struct part {
	const char *at;
	const char *end;
};

static struct part
part_of(const char *text)
{
	return (struct part){ text, text + strcspn(text, "/") };
}

/* Behind the "]" of a set; NULL: it has none. */
static const char *
set_end(const char *at, const char *end)
{
	at += at < end && *at == '!';
	at += at < end && *at == ']';
	while (at < end && *at != ']')
		at++;
	return at < end ? at + 1 : NULL;
}

static bool
set_takes(const char *at, const char *end, char byte)
{
	bool inverted = *at == '!', found = false;

	at += inverted;
	end--; /* the "]" */
	while (at < end) {
		unsigned char low = (unsigned char)*at, high = low;

		if (end - at > 2 && at[1] == '-') {
			high = (unsigned char)at[2];
			at += 2;
		}
		found = found || ((unsigned char)byte >= low && (unsigned char)byte <= high);
		at++;
	}
	return found != inverted;
}

/* Takes one character by what the pattern has for it. NULL: it does not fit. */
static const char *
take_one(const char *pattern, const char *end, char byte)
{
	const char *behind;

	if (pattern == end)
		return NULL;
	if (*pattern == '?')
		return pattern + 1;
	if (*pattern != '[')
		return *pattern == byte ? pattern + 1 : NULL;
	behind = set_end(pattern + 1, end);
	return behind != NULL && set_takes(pattern + 1, behind, byte) ? behind : NULL;
}

static bool
part_match(struct part pattern, struct part name)
{
	const char *star = NULL, *from = NULL;

	if (name.at < name.end && *name.at == '.' &&
	    (pattern.at == pattern.end || *pattern.at != '.'))
		return false;
	while (name.at < name.end) {
		const char *next;

		if (pattern.at < pattern.end && *pattern.at == '*') {
			star = ++pattern.at;
			from = name.at;
			continue;
		}
		next = take_one(pattern.at, pattern.end, *name.at);
		if (next != NULL) {
			pattern.at = next;
			name.at++;
			continue;
		}
		if (star == NULL)
			return false;
		pattern.at = star;
		name.at = ++from;
	}
	while (pattern.at < pattern.end && *pattern.at == '*')
		pattern.at++;
	return pattern.at == pattern.end;
}

bool
path_glob_match(const char *pattern, const char *path)
{
	const char *many = NULL, *from = NULL;

	for (;;) {
		struct part want = part_of(pattern), have = part_of(path);

		if (want.end - want.at == 2 && strncmp(want.at, "**", 2) == 0 && *want.end == '/') {
			many = pattern = want.end + 1;
			from = path;
			continue;
		}
		if (part_match(want, have) && (*want.end == '/') == (*have.end == '/')) {
			if (*want.end == '\0')
				return true;
			pattern = want.end + 1;
			path = have.end + 1;
			continue;
		}
		if (many == NULL || (from = strchr(from, '/')) == NULL)
			return false;
		path = ++from;
		pattern = many;
	}
}

int
path_glob_check(const char *pattern, struct err *err)
{
	if (pattern[0] == '\0' || pattern[0] == '/')
		return err_set(
		    err, "\"%.100s\": a path below the folder of files: \"inbox/*.csv\"", pattern);
	for (const char *at = pattern;; at++) {
		struct part part = part_of(at);
		size_t len = (size_t)(part.end - part.at);

		if (len == 0 || (len == 1 && *at == '.') || (len == 2 && strncmp(at, "..", 2) == 0))
			return err_set(
			    err, "\"%.100s\": has an empty part, \".\" or \"..\"", pattern);
		for (const char *set = at;
		     (set = memchr(set, '[', (size_t)(part.end - set))) != NULL; set++) {
			if (set_end(set + 1, part.end) == NULL)
				return err_set(err, "\"%.100s\": a \"[\" has no \"]\"", pattern);
		}
		if (*part.end == '\0')
			return 0;
		at = part.end;
	}
}

/* SPDX-License-Identifier: MIT
 * Members, words and lists of words.
 */
#include "triggers/spec.h"

#include <string.h>

#include "lib/bytes.h"

const cJSON *
spec_member(const cJSON *spec, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(spec, name);
}

const char *
spec_text(const cJSON *spec, const char *name)
{
	return cJSON_GetStringValue(spec_member(spec, name));
}

/* "it has shadow, name and changes" */
static int
refuse(const char *key, const char *const *names, struct err *err)
{
	struct buf list = { 0 };

	for (size_t i = 0; names[i] != NULL; i++)
		buf_printf(&list, "%s%s",
		    i == 0		   ? ""
		    : names[i + 1] == NULL ? " and "
					   : ", ",
		    names[i]);
	(void)err_set(
	    err, "a %s trigger has no key \"%.100s\"; it has %s", names[0], key, buf_string(&list));
	buf_clear(&list);
	return -1;
}

int
spec_check_members(const cJSON *spec, const char *const *names, struct err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, spec)
	{
		size_t i = 0;

		while (names[i] != NULL && strcmp(item->string, names[i]) != 0)
			i++;
		if (names[i] == NULL)
			return refuse(item->string, names, err);
	}
	return 0;
}

static unsigned
word_bits(const cJSON *value, const struct spec_word *words)
{
	const char *text = cJSON_GetStringValue(value);

	for (; text != NULL && words->name != NULL; words++) {
		if (strcmp(text, words->name) == 0)
			return words->bits;
	}
	return 0;
}

unsigned
spec_bits(const cJSON *value, const struct spec_word *words)
{
	const cJSON *item;
	unsigned bits = word_bits(value, words);

	cJSON_ArrayForEach(item, value)
	{
		if (word_bits(item, words) == 0)
			return 0;
		bits |= word_bits(item, words);
	}
	return bits;
}

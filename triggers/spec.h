/* SPDX-License-Identifier: MIT
 * Reading an element of a function's `on`: what the triggers share.
 */
#ifndef TRIGGERS_SPEC_H
#define TRIGGERS_SPEC_H

#include <cjson/cJSON.h>

#include "lib/err.h"

const cJSON *spec_member(const cJSON *spec, const char *name); /* NULL: it is not there */
const char *spec_text(const cJSON *spec, const char *name);    /* NULL: not there, or no string */

/* `names` ends with NULL; the first is the trigger's. -1: the element has a key that is none of
 * them; the error names it, and them. */
int spec_check_members(const cJSON *spec, const char *const *names, struct err *err)
    __attribute__((warn_unused_result));

struct spec_word {
	const char *name; /* NULL ends the list */
	unsigned bits;
};

/* A word, or a list of words: the bits of all of them. 0: there is another word, or none. */
unsigned spec_bits(const cJSON *value, const struct spec_word *words);

#endif

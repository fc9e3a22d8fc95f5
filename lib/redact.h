/* SPDX-License-Identifier: MIT
 * Asterisks over what is a secret by its name or its place, so that it stands in no log and no
 * trace. Lengths stay, and what is masked already stays as it is.
 */
#ifndef LIB_REDACT_H
#define LIB_REDACT_H

#include "lib/bytes.h"

/* Whether what has this name (a header, a parameter of a URL, a member of an object) is a secret by
 * all appearance: "Authorization", "x-api-key", "access_token". */
bool redact_is_secret(struct bytes name);

/* Masks `len` bytes. */
void redact_mask(uint8_t *at, size_t len);
/* Masks each occurrence of `secret` in the text. True: there was one. */
bool redact_find(uint8_t *text, size_t len, struct bytes secret);

/* Masks the password of a URL, and those of its parameters whose names are of secrets. */
bool redact_url(uint8_t *url, size_t len);
/* Appends the URL, masked. */
void redact_url_append(struct buf *out, struct bytes url);

/* Masks the strings in a JSON object that are members of secret names, at any depth, and what
 * redact_url masks in the others. The text is
 * valid JSON; where it is not, too much or too little is masked, and never beyond its end. */
bool redact_json(uint8_t *json, size_t len);

#endif

/* SPDX-License-Identifier: MIT
 * Inside of policies: the parsed document, for the files lib/policy*.c.
 */
#ifndef LIB_POLICY_PRIVATE_H
#define LIB_POLICY_PRIVATE_H

#include <cjson/cJSON.h>

#include "lib/policy.h"

/* Stand in patterns for the wildcards: neither may come in a document or in a value. */
enum { PATTERN_ANY = 0x01, PATTERN_ONE = 0x02 };

/* A text of the document: literals with wildcards, and the names of variables between them. */
struct policy_text {
	struct buf *literals; /* variable_count + 1 of them */
	struct buf *variables;
	size_t variable_count;
};

struct policy_texts {
	struct policy_text *list;
	size_t count;
};

/* What remains of an operator's name without "ForAnyValue:" and "IfExists". */
enum policy_operator {
	POLICY_STRING,
	POLICY_STRING_FOLDED, /* in any case */
	POLICY_LIKE,
	POLICY_NUMERIC,
	POLICY_DATE,
	POLICY_BOOL,
	POLICY_IP,
	POLICY_NULL,
};

/* What a value must be, compared with the wanted one. */
enum policy_relation {
	POLICY_EQUAL,
	POLICY_LESS,
	POLICY_LESS_EQUAL,
	POLICY_GREATER,
	POLICY_GREATER_EQUAL
};

struct policy_condition {
	enum policy_operator operator;
	enum policy_relation relation;
	bool negated;
	bool if_exists;
	bool for_any; /* ForAnyValue: false where there is no value */
	bool for_all; /* ForAllValues: true where there is no value */
	struct buf key;
	struct policy_texts wanted;
};

struct policy_statement {
	char *sid; /* NULL: none */
	bool denies;
	bool not_actions;
	bool not_resources;
	struct policy_texts actions;
	struct policy_texts resources;
	struct policy_condition *conditions;
	size_t condition_count;
};

struct policy {
	uint32_t refs;
	struct policy_statement *statements;
	size_t count;
	size_t values; /* actions, resources and conditions' values, all together */
};

/* policy_text.c */
int policy_text_parse(
    const char *text, bool has_wildcards, struct policy_text *out, struct err *err);
void policy_text_clear(struct policy_text *text);
void policy_texts_clear(struct policy_texts *texts);
/* What a variable's value may be where it stands. */
enum policy_room {
	POLICY_ROOM_ANY,
	POLICY_ROOM_NAME,  /* of a client or thing: no `+`, no `#` */
	POLICY_ROOM_LEVEL, /* of a topic: nor `/`, nor `$` as the first character of all */
};
/* Appends the text with its variables filled in. `any`: one that is missing, or that has no room
 * there, becomes a wildcard. False: there is such a one, and `any` is not set. */
struct policy_filling {
	const struct policy_facts *facts;
	enum policy_room room;
	bool any;
};
bool policy_text_fill(
    const struct policy_text *text, const struct policy_filling *filling, struct buf *out);
bool policy_match(struct bytes pattern, struct bytes text);
bool policy_match_folded(struct bytes pattern, struct bytes text); /* ASCII letters in any case */

/* policy_condition.c */
int policy_condition_parse(
    const cJSON *json, struct policy *policy, struct policy_statement *statement, struct err *err);
void policy_condition_clear(struct policy_condition *condition);
/* `denies`: it is one of a Deny, which holds rather than not where a wanted value cannot be filled
 * in. */
bool policy_condition_holds(
    const struct policy_condition *condition, const struct policy_facts *facts, bool denies);

/* policy_parse.c */
/* Puts a step in front of the place that an error names: ".Action" before "[1]: ..." gives
 * ".Action[1]: ...". Returns -1. */
int policy_err_within(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum policy_text_kind {
	POLICY_NAME,	/* of actions or resources: with wildcards, never empty */
	POLICY_PATTERN, /* a condition's wanted value, the same */
	POLICY_VALUE,	/* another one, as it stands */
};
/* A string or an array of strings; wanted values may be numbers, true and false too. */
int policy_texts_parse(const cJSON *json, struct policy *policy, enum policy_text_kind kind,
    struct policy_texts *out, struct err *err);

#endif

/* SPDX-License-Identifier: MIT
 * Queries over a fleet in AWS IoT's language (AWS IoT Core Developer Guide, "Fleet indexing: query
 * syntax"). Pure.
 *
 *	query   a AND b, a b (the same), a OR b, NOT a, -a, (a)
 *	term    field:value, field:(query of values), field:[1 TO 5], field:{1 TO *}, field>=5,
 *value value   word, wo* with wildcards * and ?, "literally this"; \ takes a character literally
 *
 * NOT binds closer than AND, AND closer than OR. Values match in any case (of ASCII letters); a
 * word matches a whole value, or a word of it; numbers are compared as numbers. A range with [ ]
 * takes its ends in, with { } it does not, and may mix them; * is no end. A value without a field
 * is looked for in names, types, groups and values of attributes.
 *
 * Fields: thingName, thingTypeName, thingGroupNames, attributes.NAME, connectivity.connected,
 * connectivity.timestamp, connectivity.disconnectReason, shadow.reported.PATH, shadow.desired.PATH,
 * and shadow.name.NAME.reported.PATH (a PATH is names with "." between them).
 */
#ifndef LIB_FLEET_QUERY_H
#define LIB_FLEET_QUERY_H

#include "lib/bytes.h"
#include "lib/err.h"

enum { FLEET_QUERY_BYTES_MAX = 4096, FLEET_TERMS_MAX = 32, FLEET_DEPTH_MAX = 16 };

enum fleet_field {
	FLEET_ANY, /* names, types, groups, values of attributes */
	FLEET_THING_NAME,
	FLEET_TYPE_NAME,
	FLEET_GROUP_NAMES,
	FLEET_ATTRIBUTE, /* `name` */
	FLEET_CONNECTED,
	FLEET_TIMESTAMP,
	FLEET_DISCONNECT_REASON,
	FLEET_SHADOW, /* `name` ("": the classic one), `path` below its state */
	FLEET_FIELDS
};

enum fleet_match {
	FLEET_MATCH_ALL,     /* any value at all */
	FLEET_MATCH_WORD,    /* with wildcards */
	FLEET_MATCH_LITERAL, /* the whole value */
	FLEET_MATCH_RANGE,
};

/* An end of a range. */
struct fleet_end {
	bool is_there;
	bool is_taken_in;
	bool is_number;
	double number;
	char *text; /* in small letters */
};

struct fleet_term {
	enum fleet_field field;
	char *name; /* NULL where the field has none */
	char *path; /* "reported.doors.0" */
	enum fleet_match match;
	struct buf text; /* in small letters; wildcards are FLEET_STAR and FLEET_MARK */
	bool is_number;
	double number;
	struct fleet_end low, high;
};

/* Stand in `text` for * and ?, which may come in it literally. */
enum { FLEET_STAR = 0x01, FLEET_MARK = 0x02 };

struct fleet_query;

/* NULL: `err` says what is wrong and at which character, from 1. An empty query matches all. */
struct fleet_query *fleet_query_parse(struct bytes text, struct err *err)
    __attribute__((warn_unused_result));
void fleet_query_free(struct fleet_query *query); /* takes NULL */

/* The terms, by their places: borrowed. */
size_t fleet_query_count(const struct fleet_query *query);
const struct fleet_term *fleet_query_term(const struct fleet_query *query, size_t place);

enum fleet_truth { FLEET_NO, FLEET_YES, FLEET_UNKNOWN };

/* The verdict from those of the terms; FLEET_UNKNOWN where it hangs on one that is unknown.
 * `term` is asked only as long as that matters. */
enum fleet_truth fleet_query_decide(
    const struct fleet_query *query, enum fleet_truth (*term)(void *arg, size_t place), void *arg);

/* Whether a value matches the term. */
bool fleet_term_matches(const struct fleet_term *term, struct bytes value);
/* Whether the stored document of a shadow, or "" where there is none, does (FLEET_SHADOW). */
bool fleet_term_matches_shadow(const struct fleet_term *term, struct bytes document);

#endif

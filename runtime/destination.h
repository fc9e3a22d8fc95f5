/* SPDX-License-Identifier: MIT
 * Records of how events ended, for a topic, a function or a table (`on_failure`, `on_success` of a
 * function's table). The record has the shape of AWS Lambda's destinations:
 *
 *   {"version":"1.0","timestamp":"2026-01-31T12:00:00.000Z",
 *    "requestContext":{"requestId":ID,"functionArn":"name:HASH","condition":"RetriesExhausted",
 *        "approximateInvokeCount":3,"trigger":"topic","subject":"iot/car7","time":MS},
 *    "requestPayload":...,
 *    "responseContext":{"statusCode":200,"executedVersion":HASH,"functionError":"Unhandled"},
 *    "responsePayload":...}
 *
 * Payloads that are JSON stand as such, others as strings; what is no text is in base64, and
 * requestContext.payloadEncoding (responseContext.payloadEncoding) says "base64".
 */
#ifndef RUNTIME_DESTINATION_H
#define RUNTIME_DESTINATION_H

#include "runtime/followers.h"
#include "runtime/manifest.h"
#include "store/tables.h"

struct invocation;
struct route;
struct version;

struct destination_story {
	const struct invocation *invocation;
	const struct version *version; /* NULL: its function is no more */
	const char *condition;	       /* "Success", "RetriesExhausted", "EventAgeExceeded" */
	const struct outcome *outcome;
};

/* What a record becomes: to be made durable, and let go after that, with whatever else is in them.
 */
struct destination_parts {
	struct writes *writes;
	struct followers *followers;
	struct table_ops *tables;
	struct route *route; /* the caller's from now on; NULL: none */
};

/* Adds the record. -1: it cannot go there (no such table or function, the operator does not allow
 * it); nothing was added. */
int destination_add(const struct destination *destination, const struct destination_story *story,
    struct destination_parts *parts, struct err *err) __attribute__((warn_unused_result));

/* Appends the record alone. */
void destination_record(const struct destination_story *story, struct buf *json);

#endif

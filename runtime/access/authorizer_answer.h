/* SPDX-License-Identifier: MIT
 * What a custom authorizer answers (AWS IoT Core Developer Guide, "Defining your Lambda function"):
 *
 *   { "isAuthenticated": true, "principalId": "fritz", "policyDocuments": [ {...} or its text ],
 *     "disconnectAfterInSeconds": 3600, "refreshAfterInSeconds": 300 }
 *
 * and, beside AWS' members, "policies" (names of the registry's) and "thing". Pure.
 */
#ifndef RUNTIME_ACCESS_AUTHORIZER_ANSWER_H
#define RUNTIME_ACCESS_AUTHORIZER_ANSWER_H

#include "lib/policy.h"

enum {
	AUTHORIZER_DOCUMENTS_MAX = 10,
	AUTHORIZER_NAMES_MAX = 64,
	AUTHORIZER_SECONDS_MAX = 86400, /* of both times; of the first also where it is left out */
};

/* Counted; never changed once it is made. */
struct authorizer_answer {
	uint32_t refs;
	bool is_authenticated; /* false: the rest is empty */
	char *principal;
	char *thing;	    /* NULL: none */
	char *policy_names; /* "a,b"; NULL: none */
	struct policy *documents[AUTHORIZER_DOCUMENTS_MAX];
	size_t document_count;
	uint32_t disconnect_s;
	uint32_t refresh_s; /* 0: it is not to be remembered */
	uint8_t digest[32]; /* of its text: equal answers have equal ones */
};

/* With one reference. NULL: `err` names the member: "policyDocuments[1]: ...". */
struct authorizer_answer *authorizer_answer_parse(struct bytes json, struct err *err)
    __attribute__((warn_unused_result));
struct authorizer_answer *authorizer_answer_ref(struct authorizer_answer *answer);
void authorizer_answer_unref(struct authorizer_answer *answer); /* takes NULL */

#endif

/* SPDX-License-Identifier: MIT
 * What policies would say to somebody who is not there: a connection as it could come, asked as
 * connections are.
 */
#ifndef RUNTIME_ACCESS_POLICY_TRIAL_H
#define RUNTIME_ACCESS_POLICY_TRIAL_H

#include "runtime/api/api_parts.h"
#include "runtime/host.h"

/* Answers the trial that `wish` describes:
 *
 * action         "publish", "get-shadow", ... or one of AWS IoT's, "iot:Publish"
 * resource       what stands behind "topic/", "client/" and so on; with an action of AWS IoT's, all
 *                of it. Of connect, "": the client id
 * thing          as whom it would come: each certificate, user and token that this one is attached
 *                to is tried
 * target         "cert:ID" (or the beginning of one), "user:NAME", "token:NAME"
 * certificatePem the certificate itself; then what stands in it is known
 * policies       names of policies that it would have besides
 * clientId       "": the thing's name
 * address        from where: "192.0.2.7"; "": 127.0.0.1
 * persistent, will  true: with a session that lasts, with a will
 *
 * The reply: { allowed, action, resource, results: [ { allowed, effect, policy, statement (from 1),
 * sid, as, thing, clientId, mayConnect, text } ] }; allowed, where all of them are. NULL: `err`
 * says what is wrong, `*status` is the HTTP status for it. */
cJSON *policy_trial(struct host *host, const cJSON *wish, int *status, struct err *err)
    __attribute__((warn_unused_result));

#endif

/* SPDX-License-Identifier: MIT
 * The custom authorizer: a function that is asked who a client is (AWS IoT Core Developer Guide,
 * "Custom authentication"). The option `authorizer` names it; it declares `on = { authorizer = true
 * }`.
 *
 * It gets
 *   { protocols = { "mqtt" },                        or "http"
 *     protocolData = {
 *       mqtt = { username, password, clientId },     password in base64
 *       http = { authorization, queryString },       for HTTP
 *       tls = { serverName } },
 *     connectionMetadata = { address } }
 * and answers
 *   { isAuthenticated = true, principalId = "fritz",  1 to 128 characters
 *     policyDocuments = { {...}, "..." },             at most 10, tables or JSON
 *     policies = { "fleet" },                         names of policies, at most 10
 *     disconnectAfterInSeconds = 86400,               300 to 86400; the connection's end
 *     refreshAfterInSeconds = 300 }                   0 to 86400: as long it is not asked again
 * Everything but isAuthenticated = true refuses. Nothing of it is traced.
 */
#ifndef RUNTIME_AUTHORIZER_H
#define RUNTIME_AUTHORIZER_H

#include "lib/bytes.h"
#include "lib/err.h"

enum {
	AUTHORIZER_ANSWERS = 1024, /* that are remembered */
	AUTHORIZER_POLICIES_MAX = 10,
	AUTHORIZER_PRINCIPAL_BYTES_MAX = 128,
	AUTHORIZER_LASTS_S = 86400,
	AUTHORIZER_LASTS_S_MIN = 300,
	AUTHORIZER_REFRESH_S = 300,
	AUTHORIZER_REFRESH_S_MAX = 86400,
};

struct host;
struct function;
struct authorizer;

struct authorizer *authorizer_new(struct host *host);
void authorizer_free(struct authorizer *authorizer); /* after dispatch; takes NULL */

/* The function can be asked from now on. -1: too many can. */
int authorizer_bind(struct authorizer *authorizer, struct function *function, struct err *err)
    __attribute__((warn_unused_result));
void authorizer_unbind(struct authorizer *authorizer, struct function *function);

#endif

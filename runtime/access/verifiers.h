/* SPDX-License-Identifier: MIT
 * The verifiers of logins: one for each way to say who one is.
 */
#ifndef RUNTIME_ACCESS_VERIFIERS_H
#define RUNTIME_ACCESS_VERIFIERS_H

#include "runtime/access/login.h"

/* Who shows a certificate: the registry decides. Names and passwords beside it are not looked at:
 * AWS' device SDKs put their version there. */
extern const struct verifier verifier_certificate;
/* Tokens that Moonlet has made: as MQTT's password, under any name, or as HTTP's Bearer. */
extern const struct verifier verifier_token;
/* Tokens of an identity provider (jwt_jwks_url): as MQTT's password, or as HTTP's Bearer. */
extern const struct verifier verifier_jwt;
/* A function that decides: where it is named (x-amz-customauthorizer-name), and for names,
 * passwords and tokens that are none of ours. */
extern const struct verifier verifier_named_authorizer;
extern const struct verifier verifier_authorizer;
/* A name and a password. */
extern const struct verifier verifier_user;
/* Who shows nothing: by the option `anonymous`. */
extern const struct verifier verifier_anonymous;

#endif

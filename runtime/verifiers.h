/* SPDX-License-Identifier: MIT
 * The verifiers of logins: one for each way to say who one is.
 */
#ifndef RUNTIME_VERIFIERS_H
#define RUNTIME_VERIFIERS_H

#include "runtime/login.h"

/* Who shows a certificate: the registry decides. Names and passwords beside it are not looked at:
 * AWS' device SDKs put their version there. */
extern const struct verifier verifier_certificate;
/* Who shows nothing: by the option `anonymous`. */
extern const struct verifier verifier_anonymous;

#endif

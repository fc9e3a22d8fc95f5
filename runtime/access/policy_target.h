/* SPDX-License-Identifier: MIT
 * Targets of policies as people write them.
 */
#ifndef RUNTIME_ACCESS_POLICY_TARGET_H
#define RUNTIME_ACCESS_POLICY_TARGET_H

#include "runtime/registry/registry.h"

/* "cert:3f2a91" becomes the only certificate whose id begins so, the rest stays as it is. To be
 * freed; NULL: `err` says why it is no target. */
char *policy_target_resolve(const struct registry *registry, const char *text, struct err *err)
    __attribute__((warn_unused_result));

/* To whom the policy is attached, at most `max`: texts, borrowed until the next change. Returns how
 * many there are. */
size_t policy_targets(const struct registry *registry, const struct registry_policy *policy,
    const char **texts, size_t max);

#endif

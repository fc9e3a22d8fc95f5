/* SPDX-License-Identifier: MIT
 * Keeps the host's functions what the folder holds: everything at the start, and what was written,
 * moved in or deleted while it is watched. A save is taken once it has been quiet for a moment,
 * so that an editor's habits (write beside and rename, truncate and write) are one change.
 */
#ifndef RUNTIME_DEPLOY_H
#define RUNTIME_DEPLOY_H

#include "net/loop.h"
#include "runtime/function_folder.h"

struct deploy;

/* Called on the loop thread. */
struct deploy_hooks {
	void *arg;
	/* New or changed; the sources are borrowed for the call. */
	void (*changed)(void *arg, const struct function_sources *sources);
	/* It is there and cannot be used ("overspeed.lua: Permission denied"): what served goes on.
	 */
	void (*broken)(void *arg, const char *name, const char *problem);
	void (*removed)(void *arg, const char *name);
};

/* Watches `folder` (copied) and calls the hooks for what it holds now. A folder that is missing is
 * looked for again from time to time. NULL: the system lets nobody watch. */
struct deploy *deploy_new(struct loop *loop, const char *folder, const struct deploy_hooks *hooks,
    struct err *err) __attribute__((warn_unused_result));
void deploy_free(struct deploy *deploy); /* takes NULL */

/* Looks at everything now. */
void deploy_rescan(struct deploy *deploy);

#endif

/* SPDX-License-Identifier: MIT
 * SIGHUP: reads the configuration anew, off the loop, and applies what can change while the host
 * runs. What cannot is named in the log and holds from the next start. A configuration that is
 * wrong changes nothing.
 */
#ifndef RUNTIME_RELOAD_H
#define RUNTIME_RELOAD_H

#include "runtime/host.h"

struct reload;

/* `options` are the host's, which it changes; `path` is NULL where there is no configuration. */
struct reload *reload_new(struct host *host, struct options *options, const char *path,
    struct err *err) __attribute__((warn_unused_result));
void reload_free(struct reload *reload); /* waits for what it is reading; takes NULL */
void reload_begin(struct reload *reload);

#endif

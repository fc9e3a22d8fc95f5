/* SPDX-License-Identifier: MIT
 * A small simulated fleet, for somebody without a device: a child process in which twelve cars
 * connect to the gateway as any MQTT client does, report once a second, and slow down when their
 * shadow tells them to.
 */
#ifndef RUNTIME_COMMANDS_DEMO_H
#define RUNTIME_COMMANDS_DEMO_H

#include "lib/err.h"

/* Forks the child, which waits until the gateway's address ("127.0.0.1:1883" and a line end) is
 * written to the descriptor that this returns, and ends with this process. To be called before
 * there are threads. -1: it cannot be. */
int demo_start(struct err *err) __attribute__((warn_unused_result));

#endif

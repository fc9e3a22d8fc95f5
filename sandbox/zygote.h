/* SPDX-License-Identifier: MIT
 * The zygote: a confined process that forks workers when the host asks.
 *
 * On its channel (a SOCK_SEQPACKET) the host sends a request: 8 bytes, an id, with the worker's end
 * of a socket pair as ancillary data. The zygote answers with struct zygote_report and, for a
 * worker that was started, a pidfd as ancillary data; and again when it has ended.
 */
#ifndef SANDBOX_ZYGOTE_H
#define SANDBOX_ZYGOTE_H

/* Runs until the channel closes and ends the process then; returns, with an exit status, only where
 * it could not start. In a worker that it forks it calls `worker`, and never returns there. */
int zygote_run(int channel, int (*worker)(int channel));

#endif

/* SPDX-License-Identifier: MIT
 * What http.* and webhook.send have in common: options of a request into its frame.
 */
#ifndef SANDBOX_HTTP_OPTIONS_H
#define SANDBOX_HTTP_OPTIONS_H

#include "sandbox/world.h"

/* The option `timeout` in milliseconds; 0: the host's default. Raises "<what>: ...". */
uint32_t http_option_timeout(lua_State *lua, int options, const char *what);
/* The option `headers`, and a Content-Type where the body is JSON and they name none: u16 headers,
 * headers times name and value. */
void http_put_headers(lua_State *lua, struct sink *out, int options, bool json);
/* Raises where `text` cannot stand in a request's head: "<what> is empty". */
void http_check_line(lua_State *lua, struct bytes text, const char *what);

#endif

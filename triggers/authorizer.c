/* SPDX-License-Identifier: MIT
 * on = { authorizer = true }: the function may be asked who a client is and what it may do
 * (runtime/access/authorizer.h). Whether it is, says the option `authorizer`.
 */
#include "runtime/access/authorizer.h"
#include "runtime/host.h"
#include "triggers/spec.h"
#include "triggers/triggers.h"

static const char *const members[] = { "authorizer", NULL };

static int
check(const cJSON *spec, struct err *err)
{
	if (!cJSON_IsTrue(spec_member(spec, "authorizer")))
		return err_set(
		    err, "authorizer is true; the option authorizer says which is asked");
	return spec_check_members(spec, members, err);
}

static void *
bind_authorizer(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	(void)spec;
	(void)err;
	authorizers_bind(host->authorizers, function);
	return function;
}

static void
unbind_authorizer(struct host *host, void *arg)
{
	authorizers_unbind(host->authorizers, arg);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	(void)spec;
	buf_append_string(out, "clients that log in");
}

const struct trigger trigger_authorizer = { "authorizer",
	"clients that log in, to be let in or not: on = { authorizer = true }", check,
	bind_authorizer, unbind_authorizer, describe };

/* SPDX-License-Identifier: MIT
 * The authorizer trigger: `on = { authorizer = true }`. The function is asked who clients are that
 * show a name, a password or a token (runtime/authorizer.h).
 */
#include "runtime/authorizer.h"

#include "runtime/function.h"
#include "runtime/host.h"
#include "triggers/triggers.h"

static int
authorizer_check(const cJSON *spec, struct err *err)
{
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(spec, "authorizer")))
		return 0;
	return err_set(err, "authorizer = true is all that it can be");
}

static void *
bind_authorizer(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	(void)spec;
	return authorizer_bind(host->authorizer, function, err) == 0 ? function : NULL;
}

static void
unbind_authorizer(struct host *host, void *binding)
{
	authorizer_unbind(host->authorizer, binding);
}

static void
authorizer_describe(const cJSON *spec, struct buf *out)
{
	(void)spec;
	buf_append_string(out, "logins");
}

const struct trigger trigger_authorizer = {
	.name = "authorizer",
	.help = "clients' logins: on = { authorizer = true }, and the option authorizer names it",
	.check = authorizer_check,
	.bind = bind_authorizer,
	.unbind = unbind_authorizer,
	.describe = authorizer_describe,
};

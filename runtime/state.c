/* SPDX-License-Identifier: MIT
 * States are rows like items: read through the cache of records, written with the commit.
 */
#include "runtime/state.h"

#include "lib/json_text.h"
#include "lib/protocol.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

struct bytes
state_key(const struct version *version, const struct invocation *invocation)
{
	if (version->manifest->order == ORDER_FUNCTION || invocation->event->ended != NULL)
		return bytes_of_string("*");
	return invocation->event->key;
}

static int
check(const struct effect *effect, struct err *err)
{
	size_t at;

	if (effect->first.len == 0 || effect->first.len > KEYED_NAME_BYTES_MAX ||
	    memchr(effect->first.data, 0, effect->first.len) != NULL)
		return err_set(err, "state: the name is not valid");
	if (effect->second.len > KEYED_VALUE_BYTES_MAX ||
	    (effect->second.len > 0 && !json_text_is_valid(effect->second, &at)))
		return err_set(err, "state: the value is too large, or no JSON");
	return 0;
}

int
state_take_effect(
    const struct effect *effect, struct bytes prefix, struct writes *writes, struct err *err)
{
	struct buf key = { 0 };

	if (check(effect, err) < 0)
		return -1;
	buf_append_bytes(&key, prefix);
	buf_append_bytes(&key, effect->first);
	if (effect->kind == EFFECT_READ)
		writes_expect(writes, SPACE_STATE, buf_bytes(&key), (uint64_t)effect->value);
	else if (effect->second.len > 0)
		writes_put(writes, SPACE_STATE, buf_bytes(&key), effect->second);
	else
		writes_delete(writes, SPACE_STATE, buf_bytes(&key));
	buf_clear(&key);
	return 0;
}

void
state_submitted(struct records *records, const struct writes *writes, uint64_t version)
{
	struct write write;
	size_t at = 0;

	while (writes_next(writes, &at, &write)) {
		const struct record record = { version, write.value };

		if (write.space != SPACE_STATE || write.kind == WRITE_EXPECT)
			continue;
		if (write.kind == WRITE_PUT)
			records_put(records, SPACE_STATE, write.key, &record);
		else
			records_delete(records, SPACE_STATE, write.key, version);
	}
}

void
state_failed(struct records *records, const struct writes *writes, uint64_t version)
{
	struct write write;
	size_t at = 0;

	while (writes_next(writes, &at, &write)) {
		if (write.space == SPACE_STATE && write.kind != WRITE_EXPECT)
			records_forget(records, SPACE_STATE, write.key, version);
	}
}

void
state_get(struct records *records, const struct invocation *invocation, struct bytes name,
    records_done_fn *done, void *arg)
{
	struct buf key = { 0 };

	keyed_prefix(&key, bytes_of_string(invocation->function->name),
	    state_key(invocation->version, invocation));
	buf_append_bytes(&key, name);
	records_read(records, SPACE_STATE, buf_bytes(&key), done, arg);
	buf_clear(&key);
}

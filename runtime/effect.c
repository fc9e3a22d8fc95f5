/* SPDX-License-Identifier: MIT
 * Decoding effects.
 */
#include "runtime/effect.h"

bool
effect_read(struct cursor *cursor, struct effect *effect)
{
	*effect = (struct effect){ .kind = (enum effect_kind)cursor_u8(cursor) };
	switch (effect->kind) {
	case EFFECT_PUBLISH:
		effect->qos = cursor_u8(cursor);
		effect->retain = cursor_u8(cursor);
		effect->expiry_s = cursor_u32(cursor);
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		effect->third = cursor_bytes(cursor);
		return !cursor->bad && effect->qos <= 2 && effect->retain <= 1;
	case EFFECT_SHADOW:
		effect->operation = cursor_u8(cursor);
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		effect->third = cursor_bytes(cursor);
		return !cursor->bad && effect->operation <= SHADOW_DELETE;
	case EFFECT_INVOKE:
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		return !cursor->bad;
	case EFFECT_METRIC:
		effect->first = cursor_bytes(cursor);
		effect->value = cursor_i64(cursor);
		return !cursor->bad;
	case EFFECT_DB_PUT:
	case EFFECT_DB_DELETE:
	case EFFECT_WEBHOOK:
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		return !cursor->bad;
	case EFFECT_READ:
		effect->operation = cursor_u8(cursor);
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		effect->value = (int64_t)cursor_u64(cursor);
		return !cursor->bad && effect->operation <= READ_SHADOW;
	case EFFECT_STATE:
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		return !cursor->bad;
	case EFFECT_TIMER:
		effect->operation = cursor_u8(cursor);
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		effect->value = cursor_i64(cursor);
		return !cursor->bad && effect->operation <= TIMER_CANCEL;
	case EFFECT_READ_ROWS:
		effect->operation = cursor_u8(cursor);
		effect->first = cursor_bytes(cursor);
		effect->second = cursor_bytes(cursor);
		effect->third = cursor_bytes(cursor);
		effect->fourth = cursor_bytes(cursor);
		effect->rows = cursor_u32(cursor);
		effect->value = (int64_t)cursor_u64(cursor);
		return !cursor->bad && effect->operation <= 1;
	}
	return false;
}

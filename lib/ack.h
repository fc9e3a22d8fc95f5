/* SPDX-License-Identifier: MIT
 * The acknowledgement of one event: whoever still has work with it holds a reference, and when the
 * last one is released its source is told (a PUBACK, a reply, a row that is deleted).
 */
#ifndef LIB_ACK_H
#define LIB_ACK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct ack {
	uint32_t refs;
	uint8_t code; /* 0 success; else the first MQTT 5 reason code >= 0x80 given */
	void (*settled)(struct ack *ack); /* frees or reuses the struct that `ack` is embedded in */
};

static inline void
ack_init(struct ack *ack, void (*settled)(struct ack *ack))
{
	*ack = (struct ack){ .refs = 1, .settled = settled };
}

/* NULL stands for an event that nobody waits for (QoS 0). Returns its argument. */
static inline struct ack *
ack_hold(struct ack *ack)
{
	if (ack != NULL) {
		assert(ack->refs > 0 && ack->refs < UINT32_MAX);
		ack->refs++;
	}
	return ack;
}

/* `code`: 0, or the MQTT 5 reason code (MQTT 5.0 §2.4) with which this part failed. */
static inline void
ack_release(struct ack *ack, uint8_t code)
{
	if (ack == NULL)
		return;
	assert(ack->refs > 0);
	if (ack->code == 0)
		ack->code = code;
	if (--ack->refs == 0)
		ack->settled(ack);
}

#endif

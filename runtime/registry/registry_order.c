/* SPDX-License-Identifier: MIT
 * Orders by serial. Pure.
 */
#include <stdlib.h>

#include "runtime/registry/registry_private.h"

enum { HOLES_MIN = 1024 };

/* The first place whose serial is not below this. */
static size_t
place_of(const struct registry_order *order, uint64_t serial)
{
	size_t low = 0, high = order->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order->places[middle].serial < serial)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *
registry_order_after(const struct registry_order *order, uint64_t serial)
{
	for (size_t i = place_of(order, serial + 1); i < order->count; i++) {
		if (order->places[i].item != NULL)
			return order->places[i].item;
	}
	return NULL;
}

uint64_t
registry_order_add(struct registry_order *order, void *item)
{
	if (order->count == order->cap) {
		order->cap = order->cap > 0 ? order->cap * 2 : 256;
		order->places = xrealloc(order->places, order->cap * sizeof(*order->places));
	}
	order->places[order->count++] = (struct registry_place){ ++order->serial, item };
	return order->serial;
}

static void
tidy(struct registry_order *order)
{
	size_t count = 0;

	for (size_t i = 0; i < order->count; i++) {
		if (order->places[i].item != NULL)
			order->places[count++] = order->places[i];
	}
	order->count = count;
	order->holes = 0;
}

void
registry_order_remove(struct registry_order *order, uint64_t serial)
{
	order->places[place_of(order, serial)].item = NULL;
	order->holes++;
	if (order->holes > HOLES_MIN && order->holes > order->count / 2)
		tidy(order);
}

/* SPDX-License-Identifier: MIT
 * The edit distance with swaps of neighbours, row by row.
 */
#include <string.h>

#include "lib/nearest.h"

enum { NAME_MAX_BYTES = 63 };

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
name_distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	size_t at[NAME_MAX_BYTES + 1][NAME_MAX_BYTES + 1];

	if (rows > NAME_MAX_BYTES || columns > NAME_MAX_BYTES)
		return (size_t)-1;
	for (size_t row = 0; row <= rows; row++) {
		for (size_t column = 0; column <= columns; column++) {
			if (row == 0 || column == 0) {
				at[row][column] = row + column;
				continue;
			}
			size_t change = a[row - 1] == b[column - 1] ? 0 : 1;
			size_t best = at[row - 1][column - 1] + change;
			best = least(best, at[row - 1][column] + 1);
			best = least(best, at[row][column - 1] + 1);
			if (row > 1 && column > 1 && a[row - 1] == b[column - 2] &&
			    a[row - 2] == b[column - 1])
				best = least(best, at[row - 2][column - 2] + 1);
			at[row][column] = best;
		}
	}
	return at[rows][columns];
}

const char *
name_nearest(const char *wrong, const char *const *names)
{
	const char *nearest = NULL;
	size_t best = (size_t)-1;

	for (; *names != NULL; names++) {
		size_t distance = name_distance(wrong, *names);

		if (distance < best && distance <= (strlen(*names) + 2) / 3) {
			best = distance;
			nearest = *names;
		}
	}
	return nearest;
}

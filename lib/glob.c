/* SPDX-License-Identifier: MIT
 * Matching with one step back: where the rest does not fit, the last star takes one byte more.
 */
#include "lib/glob.h"

bool
glob_match(struct bytes pattern, struct bytes name)
{
	size_t at = 0, in = 0, star = SIZE_MAX, resume = 0;

	while (in < name.len) {
		if (at < pattern.len && pattern.data[at] == '*') {
			star = at++;
			resume = in;
		} else if (at < pattern.len && pattern.data[at] == name.data[in]) {
			at++;
			in++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			in = ++resume;
		} else {
			return false;
		}
	}
	while (at < pattern.len && pattern.data[at] == '*')
		at++;
	return at == pattern.len;
}

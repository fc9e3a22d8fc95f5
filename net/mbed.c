/* SPDX-License-Identifier: MIT
 * What mbedtls wants of its user, the same in all versions.
 */
#include "net/mbed.h"

#include <mbedtls/error.h>

#include "lib/sys.h"

int
mbed_random(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	sys_posix.random(out, len);
	return 0;
}

int
mbed_err(struct err *err, int code)
{
	char text[200];

	mbedtls_strerror(code, text, sizeof(text));
	return err_set(err, "%s (-0x%04x)", text, (unsigned)-code);
}

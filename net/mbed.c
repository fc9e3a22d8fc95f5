/* SPDX-License-Identifier: MIT
 * What mbedtls wants of its user, the same in all versions.
 */
#include "net/mbed.h"

#include <malloc.h>
#include <mbedtls/error.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/sys.h"

int
mbed_random(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	sys_posix.random(out, len);
	return 0;
}

#ifndef MBEDTLS_PRIVATE /* 2.28 hides nothing */
#define MBEDTLS_PRIVATE(member) member
#endif

enum { HEAD_BYTES = 64 }; /* counters and the record's header stand in front */

/* The whole pages of a buffer, but for its head: they read as zeros afterwards. */
static void
give_back(unsigned char *buffer)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)buffer + HEAD_BYTES + page - 1) & ~(page - 1);
	uintptr_t to = ((uintptr_t)buffer + malloc_usable_size(buffer)) & ~(page - 1);

	if (buffer != NULL && to > from)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void
mbed_rest(mbedtls_ssl_context *ssl)
{
	bool is_between =
	    ssl->MBEDTLS_PRIVATE(in_left) == 0 && mbedtls_ssl_get_bytes_avail(ssl) == 0;

	if (is_between)
		give_back(ssl->MBEDTLS_PRIVATE(in_buf));
	if (ssl->MBEDTLS_PRIVATE(out_left) == 0)
		give_back(ssl->MBEDTLS_PRIVATE(out_buf));
}

int
mbed_err(struct err *err, int code)
{
	char text[200];

	mbedtls_strerror(code, text, sizeof(text));
	return err_set(err, "%s (-0x%04x)", text, (unsigned)-code);
}

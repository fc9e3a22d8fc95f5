/* SPDX-License-Identifier: MIT
 * Of mbedtls' struct are used here: in_buf and out_buf, the pointers into them, and what says that
 * a record is begun. Its fields have the same names in 2.28 and 3.6.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_records.h"

#include <malloc.h>
#include <mbedtls/platform.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

enum { BEFORE_RECORD = 64 }; /* more than header and IV, which stand before what `used` counts */

#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
#define CID_POINTER(ssl, way) &(ssl)->way##_cid,
#else
#define CID_POINTER(ssl, way)
#endif
#define POINTERS(ssl, way)                                                                      \
	{                                                                                       \
		CID_POINTER(ssl, way) & (ssl)->way##_ctr, &(ssl)->way##_hdr, &(ssl)->way##_len, \
		    &(ssl)->way##_iv, &(ssl)->way##_msg                                         \
	}

/* Without a buffer a pointer holds its distance from where the buffer will begin. */
static void
move(unsigned char **pointers[], size_t count, uintptr_t from, uintptr_t to)
{
	for (size_t i = 0; i < count; i++)
		*pointers[i] = (unsigned char *)((uintptr_t)*pointers[i] - from + to);
}

static void
move_in(mbedtls_ssl_context *ssl, unsigned char *to)
{
	unsigned char **pointers[] = POINTERS(ssl, in);

	move(pointers, sizeof(pointers) / sizeof(pointers[0]), (uintptr_t)ssl->in_buf,
	    (uintptr_t)to);
	ssl->in_buf = to;
}

static void
move_out(mbedtls_ssl_context *ssl, unsigned char *to)
{
	unsigned char **pointers[] = POINTERS(ssl, out);

	move(pointers, sizeof(pointers) / sizeof(pointers[0]), (uintptr_t)ssl->out_buf,
	    (uintptr_t)to);
	ssl->out_buf = to;
}

static bool
is_between_records(const mbedtls_ssl_context *ssl)
{
	bool message_over = ssl->in_msglen == 0 || ssl->in_hslen >= ssl->in_msglen;

	return ssl->in_left == 0 && ssl->in_offt == NULL && message_over &&
	       ssl->keep_current_message == 0 && ssl->out_left == 0;
}

void
tls_records_lend(
    struct tls_spare *spare, mbedtls_ssl_context *ssl, const struct tls_record_numbers *numbers)
{
	if (ssl->in_buf != NULL)
		return;
	if (spare->in == NULL) {
		spare->in = xcalloc(1, spare->in_bytes);
		spare->out = xcalloc(1, spare->out_bytes);
	}
	move_in(ssl, spare->in);
	move_out(ssl, spare->out);
	spare->in = spare->out = NULL;
	memcpy(ssl->in_ctr, numbers->in, sizeof(numbers->in));
	memcpy(ssl->out_ctr, numbers->out, sizeof(numbers->out));
}

static void
wipe(unsigned char *buffer, size_t size, size_t used)
{
	explicit_bzero(buffer, used < size - BEFORE_RECORD ? used + BEFORE_RECORD : size);
}

void
tls_records_return(struct tls_spare *spare, mbedtls_ssl_context *ssl,
    struct tls_record_numbers *numbers, size_t used)
{
	struct tls_spare pair = { ssl->in_buf, ssl->out_buf, 0, 0 };

	if (pair.in == NULL || !is_between_records(ssl))
		return;
	pair.in_bytes = malloc_usable_size(pair.in);
	pair.out_bytes = malloc_usable_size(pair.out);
	memcpy(numbers->in, ssl->in_ctr, sizeof(numbers->in));
	memcpy(numbers->out, ssl->out_ctr, sizeof(numbers->out));
	move_in(ssl, NULL);
	move_out(ssl, NULL);
	wipe(pair.in, pair.in_bytes, used);
	wipe(pair.out, pair.out_bytes, used);
	tls_spare_clear(spare);
	*spare = pair;
}

void
tls_spare_clear(struct tls_spare *spare)
{
	free(spare->in);
	free(spare->out);
	spare->in = spare->out = NULL;
}

void
tls_records_forget_peer(mbedtls_ssl_context *ssl)
{
	mbedtls_ssl_session *session = ssl->session;

	if (session == NULL || session->peer_cert == NULL)
		return;
	mbedtls_x509_crt_free(session->peer_cert);
	mbedtls_free(session->peer_cert);
	session->peer_cert = NULL;
}

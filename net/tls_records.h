/* SPDX-License-Identifier: MIT
 * The buffers in which mbedtls puts records together: two of 16 KiB for each connection, nine
 * tenths of what it takes. Between two records nothing in them counts but the numbers of the next
 * ones, so all connections share one pair, and only those that wait for the rest of a record have
 * their own.
 */
#ifndef NET_TLS_RECORDS_H
#define NET_TLS_RECORDS_H

#include <mbedtls/ssl.h>

/* The pair that nobody uses; all zero: none is there yet. For one thread. */
struct tls_spare {
	unsigned char *in, *out;
	size_t in_bytes, out_bytes; /* of every pair */
};

/* What a connection keeps while it has no buffers. */
struct tls_record_numbers {
	unsigned char in[8], out[8];
};

/* Around every use of mbedtls: gives the connection a pair, where it has none ... */
void tls_records_lend(
    struct tls_spare *spare, mbedtls_ssl_context *ssl, const struct tls_record_numbers *numbers);
/* ... and takes it back where no record is begun, wiping the first `used` bytes of what records had
 * in each. */
void tls_records_return(struct tls_spare *spare, mbedtls_ssl_context *ssl,
    struct tls_record_numbers *numbers, size_t used);
void tls_spare_clear(struct tls_spare *spare);

/* Frees the peer's certificate, which mbedtls keeps behind the handshake, parsed. */
void tls_records_forget_peer(mbedtls_ssl_context *ssl);

#endif

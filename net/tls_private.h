/* SPDX-License-Identifier: MIT
 * Inside of net/tls_*.c.
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <mbedtls/ssl.h>

#include "net/tls_context.h"
#include "net/tls_records.h"

struct tls_link;

struct tls_loaded {
	mbedtls_x509_crt certificate;
	mbedtls_pk_context key;
};

enum { TLS_VERIFIED = 4096 };

/* A certificate that was verified under the lane's authorities. */
struct tls_verified {
	uint8_t digest[32]; /* SHA-256 of the whole certificate */
	int64_t until_s;    /* monotonic; 0: none stands here */
};

/* One lane's copy. `server_name`: what the handshake at hand was told; only its thread looks. */
struct tls_lane {
	mbedtls_ssl_config config;
	mbedtls_x509_crt authorities;
	mbedtls_x509_crt nobody;       /* what mbedtls itself is given of a server: tls_verify.c */
	struct tls_verified *verified; /* TLS_VERIFIED of them; of a server's */
	struct tls_loaded pairs[TLS_PAIRS_MAX];
	size_t pair_count; /* the first is for who calls no name that we know */
	char server_name[256];
};

struct tls_lane *tls_context_lane(struct tls_context *context, unsigned lane);

/* On the lane's thread, behind a server's handshake: why the client's certificate is not believed,
 * MBEDTLS_X509_BADCERT_...; 0: it is. */
uint32_t tls_verify_peer(struct tls_lane *lane, const mbedtls_ssl_context *ssl, int64_t now_s);
/* The alert that says so, or that none was `shown`. */
uint8_t tls_alert_of(uint32_t flags, bool shown);

/* What connections use in turn; all zero at first. */
struct tls_shared {
	struct buf in;	/* what comes */
	struct buf out; /* what leaves */
	struct tls_spare spare;
};

/* The transport of a connection whose handshake is over. Takes over `ssl` (on the heap) and one
 * reference of the context. */
struct tls_link *tls_link_new(
    mbedtls_ssl_context *ssl, struct tls_context *context, struct tls_shared *shared);
extern const struct transport transport_tls;

#endif

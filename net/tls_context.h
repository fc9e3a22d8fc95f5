/* SPDX-License-Identifier: MIT
 * What TLS connections of one kind share: certificate, key, authorities, settings, the key of
 * session tickets. It is never changed: when a file changes, a new one is made, and connections
 * keep theirs.
 *
 * Each lane of the handshakes has its own copy of everything: mbedtls fills tables in keys while it
 * uses them.
 */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include "lib/bytes.h"
#include "lib/err.h"

struct tls_context;

enum tls_side { TLS_SERVER, TLS_CLIENT };

enum { TLS_PAIRS_MAX = 64 };

struct tls_pair {
	const char *name; /* for errors; may be NULL */
	struct bytes certificate;
	struct bytes key;
};

/* PEM texts, borrowed for the call. */
struct tls_material {
	enum tls_side side;
	unsigned lanes;
	const char *name;	  /* of the first certificate, for errors; may be NULL */
	struct bytes certificate; /* with its chain; a client's may be empty */
	struct bytes key;
	/* A server's others: a client gets the first, of all, that has the name which it calls
	 * (RFC 6066 §3), and else the one above. */
	const struct tls_pair *others;
	size_t other_count; /* at most TLS_PAIRS_MAX - 1 */
	/* Who may have signed the peer's certificate. A server: empty where no peer is verified by
	 * an authority. */
	struct bytes authorities;
	bool ask; /* a server asks for a certificate; that it gets a good one is checked later */
	const char *const *protocols; /* for ALPN, the best first, NULL at the end; lasting */
};

/* With one reference. NULL where a text does not parse, or the key is not the certificate's. */
struct tls_context *tls_context_new(const struct tls_material *material, struct err *err)
    __attribute__((warn_unused_result));
/* Loop thread only. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* takes NULL */

#endif

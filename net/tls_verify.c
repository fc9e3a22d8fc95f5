/* SPDX-License-Identifier: MIT
 * Whether the certificate that a client has shown is to be believed. Verifying its signature is a
 * third of what a handshake costs, and devices come again and again with the same one: what was
 * verified under a context's authorities is remembered for a while by its digest. Its time is
 * looked at every time, on resumed sessions too.
 */
#include <mbedtls/x509_crt.h>
#include <string.h>

#include "lib/sha.h"
#include "net/tls_private.h"

enum { REMEMBERED_S = 600 };

static struct tls_verified *
place_of(struct tls_verified *all, const uint8_t digest[SHA_256_BYTES])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return &all[at % TLS_VERIFIED];
}

static uint32_t
time_flags(const mbedtls_x509_crt *shown)
{
	return (mbedtls_x509_time_is_past(&shown->valid_to) ? MBEDTLS_X509_BADCERT_EXPIRED : 0) |
	       (mbedtls_x509_time_is_future(&shown->valid_from) ? MBEDTLS_X509_BADCERT_FUTURE : 0);
}

/* RFC 5246 §7.2.2, in the order in which they help most. */
uint8_t
tls_alert_of(uint32_t flags, bool shown)
{
	static const struct {
		uint32_t flags;
		uint8_t alert;
	} rows[] = {
		{ MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE,
		    MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED },
		{ MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
			MBEDTLS_X509_BADCERT_NS_CERT_TYPE | MBEDTLS_X509_BADCERT_BAD_MD |
			MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
		    MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT },
		{ MBEDTLS_X509_BADCERT_NOT_TRUSTED, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA },
	};

	if (!shown)
		return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((flags & rows[i].flags) != 0)
			return rows[i].alert;
	}
	return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
}

/* mbedtls has been given no authorities: what it says beside "not trusted" counts. */
uint32_t
tls_verify_peer(struct tls_lane *lane, const mbedtls_ssl_context *ssl, int64_t now_s)
{
	const mbedtls_x509_crt *shown = mbedtls_ssl_get_peer_cert(ssl);
	uint32_t said = mbedtls_ssl_get_verify_result(ssl), flags = 0;
	uint8_t digest[SHA_256_BYTES];
	struct tls_verified *place;

	if (shown == NULL)
		return said;
	said = (said & ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED) | time_flags(shown);
	sha_digest(SHA_256, bytes_of(shown->raw.p, shown->raw.len), digest);
	place = place_of(lane->verified, digest);
	if (now_s < place->until_s && memcmp(place->digest, digest, sizeof(digest)) == 0)
		return said;
	if (mbedtls_x509_crt_verify((mbedtls_x509_crt *)(uintptr_t)shown, &lane->authorities, NULL,
		NULL, &flags, NULL, NULL) != 0)
		return said | (flags != 0 ? flags : MBEDTLS_X509_BADCERT_NOT_TRUSTED);
	memcpy(place->digest, digest, sizeof(digest));
	place->until_s = now_s + REMEMBERED_S;
	return said;
}

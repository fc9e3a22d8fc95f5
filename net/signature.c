/* SPDX-License-Identifier: MIT
 * Signatures of tokens.
 */
#include "net/signature.h"

#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>

#include "lib/sha.h"

enum { P256_BYTES = 32 };

static bool
verify_rsa(const struct jwk *key, const uint8_t *digest, struct bytes signature)
{
	mbedtls_pk_context pk;
	mbedtls_rsa_context *rsa;
	bool good;

	mbedtls_pk_init(&pk);
	good = mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0;
	rsa = good ? mbedtls_pk_rsa(pk) : NULL;
	good = good &&
	       mbedtls_rsa_import_raw(rsa, key->first.data, key->first.len, NULL, 0, NULL, 0, NULL,
		   0, key->other.data, key->other.len) == 0 &&
	       mbedtls_rsa_complete(rsa) == 0 && mbedtls_rsa_check_pubkey(rsa) == 0 &&
	       mbedtls_pk_verify(&pk, MBEDTLS_MD_SHA256, digest, SHA_256_BYTES, signature.data,
		   signature.len) == 0;
	mbedtls_pk_free(&pk);
	return good;
}

/* The signature is r and s, 32 bytes each; not DER. */
static bool
verify_ec(const struct jwk *key, const uint8_t *digest, struct bytes signature)
{
	uint8_t point[1 + 2 * P256_BYTES] = { 0x04 };
	mbedtls_ecp_group group;
	mbedtls_ecp_point q;
	mbedtls_mpi r, s;
	bool good;

	if (signature.len != (size_t)2 * P256_BYTES)
		return false;
	memcpy(point + 1, key->first.data, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, key->other.data, P256_BYTES);
	mbedtls_ecp_group_init(&group);
	mbedtls_ecp_point_init(&q);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	good = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
	       mbedtls_ecp_point_read_binary(&group, &q, point, sizeof(point)) == 0 &&
	       mbedtls_ecp_check_pubkey(&group, &q) == 0 &&
	       mbedtls_mpi_read_binary(&r, signature.data, P256_BYTES) == 0 &&
	       mbedtls_mpi_read_binary(&s, signature.data + P256_BYTES, P256_BYTES) == 0 &&
	       mbedtls_ecdsa_verify(&group, digest, SHA_256_BYTES, &q, &r, &s) == 0;
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_ecp_point_free(&q);
	mbedtls_ecp_group_free(&group);
	return good;
}

bool
signature_verify(const struct jwk *key, struct bytes text, struct bytes signature)
{
	uint8_t digest[SHA_256_BYTES];

	sha_digest(SHA_256, text, digest);
	return key->algorithm == JWT_RS256 ? verify_rsa(key, digest, signature)
					   : verify_ec(key, digest, signature);
}

/* SPDX-License-Identifier: MIT
 * Moonlet's own certificate authority: its key and certificate in a folder (ca.key, mode 0600, and
 * ca.pem), made at the first use, and the certificates that it signs. Everything is ECDSA on
 * P-256. One call takes a few milliseconds at most.
 */
#ifndef NET_AUTHORITY_H
#define NET_AUTHORITY_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "net/certificate.h"

struct authority;

/* Opens the folder's, or makes folder, key and certificate where there is none. `now_s`: since
 * 1970. NULL where a file cannot be read or written, or key and certificate are no pair. */
struct authority *authority_open(const char *folder, int64_t now_s, struct err *err)
    __attribute__((warn_unused_result));
void authority_free(struct authority *authority); /* takes NULL */

/* Borrowed until authority_free. */
struct bytes authority_pem(const struct authority *authority);
const struct certificate *authority_certificate(const struct authority *authority);

enum certificate_use { CERTIFICATE_DEVICE, CERTIFICATE_SERVER };

enum { CERTIFICATE_NAMES_MAX = 16, CERTIFICATE_DAYS_DEFAULT = 3650, COMMON_NAME_BYTES_MAX = 64 };

struct certificate_wish {
	const char *common_name; /* 1 to 64 printable bytes, none of `,=+"<>#;\` */
	enum certificate_use use;
	const char *names[CERTIFICATE_NAMES_MAX]; /* a server's: host names and addresses */
	size_t name_count;
	/* NULL data: a new key is made. Else the device's request (PKCS #10, PEM or DER), whose key
	 * is used and whose subject is not; its signature is checked. */
	struct bytes request;
	int64_t now_s;
	uint32_t days; /* it holds from a day before now; 0: CERTIFICATE_DAYS_DEFAULT */
};

/* Appends the certificate to `certificate_pem`, and to `key_pem` its key, where one was made (may
 * be NULL with a request). What is in `key_pem` is a secret: write it with mode 0600, clear it
 * with explicit_bzero. */
int authority_issue(struct authority *authority, const struct certificate_wish *wish,
    struct buf *certificate_pem, struct buf *key_pem, struct err *err)
    __attribute__((warn_unused_result));

#endif

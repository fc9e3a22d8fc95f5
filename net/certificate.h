/* SPDX-License-Identifier: MIT
 * An X.509 certificate as the rest of the program sees it: what is written in it, and who it is.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include "lib/bytes.h"
#include "lib/err.h"

enum { CERTIFICATE_ID_BYTES = 65, CERTIFICATE_SERIAL_BYTES = 65 };

/* All texts end with a zero and are printable: other bytes of a name are shown as "?". */
struct certificate {
	/* Hex of the SHA-256 of the whole certificate (DER): its fingerprint, and what AWS IoT
	 * calls certificateId. */
	char id[CERTIFICATE_ID_BYTES];
	char serial[CERTIFICATE_SERIAL_BYTES]; /* hex */
	char *common_name;		       /* of the subject; "": it has none */
	char *subject;			       /* "CN=audi22, O=Plant" */
	char *issuer;
	int64_t not_before_s; /* since 1970 */
	int64_t not_after_s;
	bool is_authority; /* may sign others */
	struct buf der;
};

/* PEM (the first one of several) or DER. NULL with what is wrong. */
struct certificate *certificate_parse(struct bytes text, struct err *err)
    __attribute__((warn_unused_result));
struct certificate *certificate_copy(const struct certificate *certificate);
void certificate_free(struct certificate *certificate); /* takes NULL */

/* Appends what AWS IoT's policies call iot:Certificate.<name>: "Subject.CommonName",
 * "Issuer.Organization.1" (the second one), "Subject.AlternativeName.DNSName", "SerialNumber".
 * Names match in any case. Of one whose `der` is not known, there are its serial and common name.
 * False: it has none such; then nothing is appended. */
bool certificate_attribute(
    const struct certificate *certificate, struct bytes name, struct buf *value);

void certificate_pem(const struct certificate *certificate, struct buf *out); /* appends */

/* 0: `certificate` (PEM or DER) is within its time and signed, over any number of steps, by one of
 * `authorities` (PEM, one behind another). Else -1 and why. Whether it was revoked is not known
 * here. */
int certificate_verify(struct bytes certificate, struct bytes authorities, struct err *err)
    __attribute__((warn_unused_result));

#endif

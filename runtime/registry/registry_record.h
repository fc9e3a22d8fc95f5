/* SPDX-License-Identifier: MIT
 * Entries of the registry as JSON objects: what the control API shows and takes, and the lines of
 * exports and imports. Names are AWS IoT's where it has them. "kind" says what an object is:
 *
 * thing          thingName, thingTypeName, attributes, thingGroupNames, principals ["cert:ID"],
 *                version, creationDate
 * thingType      thingTypeName, description, searchableAttributes, deprecated
 * thingGroup     thingGroupName, parentGroupName, description, attributes, policies, version
 * certificate    certificateId, status, caCertificateId, commonName, subject, issuer, serial,
 *                notBefore, notAfter (seconds since 1970), policies; or certificatePem, status
 * caCertificate  certificateId, certificatePem, registration
 * policy         policyName, policyDocument
 * target         target ("user:anna"), policies
 */
#ifndef RUNTIME_REGISTRY_REGISTRY_RECORD_H
#define RUNTIME_REGISTRY_REGISTRY_RECORD_H

#include "runtime/registry/registry.h"

/* The caller frees them. */
cJSON *record_of_thing(const struct thing *thing);
/* "connectivity": {"connected", "timestamp", "disconnectReason"}, as of now. */
void record_add_connectivity(cJSON *record, const struct thing *thing);
cJSON *record_of_type(const struct thing_type *type);
cJSON *record_of_group(const struct registry *registry, const struct thing_group *group);
cJSON *record_of_certificate(
    const struct registry *registry, const struct registry_certificate *certificate);
cJSON *record_of_authority(const struct registry_authority *authority);
cJSON *record_of_policy(const struct registry_policy *policy);
cJSON *record_of_target(const struct registry_target *target);

enum record_mode {
	RECORD_NEW, /* it must not be there */
	RECORD_PUT, /* made, or brought to what the record says; attachments are added */
};

/* The steps that make what the record says. A thing's record may hold a certificate's PEM under
 * "certificatePem", and "policies" for it: it is registered as ACTIVE and attached. -1: some steps
 * may have been done, cancel the change. */
int record_apply(struct registry_change *change, const cJSON *record, enum record_mode mode,
    struct err *err) __attribute__((warn_unused_result));

/* The authority that has signed the certificate itself: NULL: none that is known. Calculates for
 * some milliseconds for each authority of the issuer's name. */
struct registry_authority *registry_issuer(
    const struct registry *registry, const struct certificate *certificate);

#endif

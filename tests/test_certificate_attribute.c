/* SPDX-License-Identifier: MIT
 * What policies ask of a certificate.
 */
#include "net/certificate.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit.h"

/* By openssl: C = DE, O = Plant, O = Second/Plant, OU = Line 1, CN = audi22, ... */
static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
			  "MIIDITCCAsigAwIBAgIUWzx2/CT6ekD0UeYwH+mIcEErL0MwCgYIKoZIzj0EAwIw\n"
			  "gdYxCzAJBgNVBAYTAkRFMQ4wDAYDVQQKDAVQbGFudDEVMBMGA1UECgwMU2Vjb25k\n"
			  "L1BsYW50MQ8wDQYDVQQLDAZMaW5lIDExDzANBgNVBAMMBmF1ZGkyMjENMAsGA1UE\n"
			  "BRMENDcxMTEKMAgGA1UELhMBcTEKMAgGA1UEDAwBVDEMMAoGA1UEBAwDU3VyMQ4w\n"
			  "DAYDVQQqDAVHaXZlbjELMAkGA1UEKwwCWFkxDzANBgNVBAgMBkJheWVybjENMAsG\n"
			  "A1UEQQwEbmljazEMMAoGA1UELAwDSUlJMCAXDTI2MTEyMzA5MTAzOFoYDzIwODEw\n"
			  "ODI2MDkxMDM4WjCB1jELMAkGA1UEBhMCREUxDjAMBgNVBAoMBVBsYW50MRUwEwYD\n"
			  "VQQKDAxTZWNvbmQvUGxhbnQxDzANBgNVBAsMBkxpbmUgMTEPMA0GA1UEAwwGYXVk\n"
			  "aTIyMQ0wCwYDVQQFEwQ0NzExMQowCAYDVQQuEwFxMQowCAYDVQQMDAFUMQwwCgYD\n"
			  "VQQEDANTdXIxDjAMBgNVBCoMBUdpdmVuMQswCQYDVQQrDAJYWTEPMA0GA1UECAwG\n"
			  "QmF5ZXJuMQ0wCwYDVQRBDARuaWNrMQwwCgYDVQQsDANJSUkwWTATBgcqhkjOPQIB\n"
			  "BggqhkjOPQMBBwNCAARdiDykkyWG70B6GMPD6FQ+KdyzbJQae5kzNb1m8EU5hXuz\n"
			  "Nptn9PNT9mW0FAfjrwefnI7utlcPsylb+6QxFzgao3AwbjBNBgNVHREERjBEgglh\n"
			  "LmV4YW1wbGWCCWIuZXhhbXBsZYcEwAACB4cQIAENuAAAAAAAAAAAAAAAAYENeEBl\n"
			  "eGFtcGxlLmNvbYYFdXJuOngwHQYDVR0OBBYEFHK1JA0/eGZhsWjL9RdsZz1MgZnE\n"
			  "MAoGCCqGSM49BAMCA0cAMEQCIFVxLptr3ZLeb3YIJ4RtXw2/mXizqblZ4n8Vzx2q\n"
			  "vEzlAiAqLMopiABgJuB9gy9eq6Cbgyc0y+ulwIYedmADLToDjg==\n"
			  "-----END CERTIFICATE-----\n";

static const struct {
	const char *name;
	const char *value; /* NULL: none */
} rows[] = {
	{ "Subject.CommonName", "audi22" },
	{ "subject.commonname", "audi22" },
	{ "Issuer.CommonName", "audi22" },
	{ "Subject.Country", "DE" },
	{ "Subject.Organization", "Plant" },
	{ "Subject.Organization.0", "Plant" },
	{ "Subject.Organization.1", "Second/Plant" },
	{ "Subject.Organization.2", NULL },
	{ "Subject.Organization.4294967297", NULL },
	{ "Subject.Organization.", NULL },
	{ "Subject.Organization1", NULL },
	{ "Subject.OrganizationalUnit", "Line 1" },
	{ "Subject.State", "Bayern" },
	{ "Subject.SerialNumber", "4711" },
	{ "Subject.DistinguishedNameQualifier", "q" },
	{ "Subject.Title", "T" },
	{ "Subject.Surname", "Sur" },
	{ "Subject.GivenName", "Given" },
	{ "Subject.Initials", "XY" },
	{ "Subject.Pseudonym", "nick" },
	{ "Subject.GenerationQualifier", "III" },
	{ "Subject.Locality", NULL },
	{ "Subject.AlternativeName.DNSName", "a.example" },
	{ "Subject.AlternativeName.DNSName.1", "b.example" },
	{ "Subject.AlternativeName.IPAddress", "192.0.2.7" },
	{ "Subject.AlternativeName.IPAddress.1", "2001:db8::1" },
	{ "Subject.AlternativeName.RFC822Name", "x@example.com" },
	{ "Subject.AlternativeName.UniformResourceIdentifier", "urn:x" },
	{ "Issuer.AlternativeName.DNSName", NULL },
	{ "SerialNumber", "5b3c76fc24fa7a40f451e6301fe98870412b2f43" },
	{ "Subject.", NULL },
	{ "Subject", NULL },
	{ "7", NULL },
	{ "", NULL },
};

static void
attributes_are_found_by_their_names(void **state)
{
	struct err err;
	struct certificate *certificate = certificate_parse(bytes_of_string(pem), &err);

	(void)state;
	assert_non_null(certificate);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf value = { 0 };
		bool found =
		    certificate_attribute(certificate, bytes_of_string(rows[i].name), &value);

		if (found != (rows[i].value != NULL))
			(void)fprintf(stderr, "%s\n", rows[i].name);
		assert_int_equal(found, rows[i].value != NULL);
		assert_string_equal(buf_string(&value), found ? rows[i].value : "");
		buf_clear(&value);
	}
	certificate_free(certificate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_are_found_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "net/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/pem_file.h"
#include "tests/unit.h"

static char folder[] = "/tmp/moonlet-authority-XXXXXX";
static struct authority *authority;

static int
make_folder(void **state)
{
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(folder));
	authority = authority_open(folder, (int64_t)time(NULL), &err);
	assert_non_null(authority);
	return 0;
}

static char *
path_of(const char *name)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int
remove_folder(void **state)
{
	(void)state;
	authority_free(authority);
	(void)unlink(path_of("ca.pem"));
	(void)unlink(path_of("ca.key"));
	return rmdir(folder);
}

static void
the_key_can_be_read_by_its_owner_only(void **state)
{
	struct stat stat_of;

	(void)state;
	assert_int_equal(stat(path_of("ca.key"), &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0600);
}

static void
it_is_the_same_when_it_is_opened_again(void **state)
{
	struct err err;
	struct authority *again = authority_open(folder, 0, &err);

	(void)state;
	assert_non_null(again);
	assert_string_equal(authority_certificate(authority)->id, authority_certificate(again)->id);
	assert_true(authority_certificate(again)->is_authority);
	authority_free(again);
}

static struct certificate *
issue(const struct certificate_wish *wish, struct buf *pem, struct buf *key)
{
	struct certificate *certificate;
	struct err err = { "" };

	if (authority_issue(authority, wish, pem, key, &err) < 0)
		fail_msg("%s", err.text);
	certificate = certificate_parse(buf_bytes(pem), &err);
	assert_non_null(certificate);
	return certificate;
}

static void
a_certificate_says_what_was_wished(void **state)
{
	const struct certificate_wish wish = {
		.common_name = "audi22", .now_s = 1767225600 /* 2026-01-01 */, .days = 30
	};
	struct buf pem = { 0 }, key = { 0 }, again = { 0 };
	struct certificate *certificate = issue(&wish, &pem, &key);

	(void)state;
	assert_string_equal(certificate->common_name, "audi22");
	assert_string_equal(certificate->subject, "CN=audi22, O=Moonlet");
	assert_string_equal(certificate->issuer, authority_certificate(authority)->subject);
	assert_int_equal(certificate->not_before_s, 1767225600 - 86400);
	assert_int_equal(certificate->not_after_s, 1767225600 + 30 * 86400);
	assert_int_equal(strlen(certificate->id), 64);
	assert_int_equal(strlen(certificate->serial), 32);
	assert_false(certificate->is_authority);
	assert_non_null(strstr(buf_string(&key), "PRIVATE KEY"));
	certificate_pem(certificate, &again);
	assert_string_equal(buf_string(&again), buf_string(&pem));
	certificate_free(certificate);
	buf_clear(&pem);
	buf_clear(&key);
	buf_clear(&again);
}

static void
what_it_has_signed_verifies_and_what_another_has_signed_does_not(void **state)
{
	const struct certificate_wish wish = { .common_name = "a", .now_s = (int64_t)time(NULL) },
				      old = { .common_name = "b", .now_s = 86400, .days = 1 };
	struct buf pem = { 0 }, key = { 0 }, late = { 0 };
	struct err err;

	(void)state;
	certificate_free(issue(&wish, &pem, &key));
	certificate_free(issue(&old, &late, &key));
	assert_int_equal(certificate_verify(buf_bytes(&pem), authority_pem(authority), &err), 0);
	assert_int_equal(certificate_verify(buf_bytes(&pem), buf_bytes(&pem), &err), -1);
	assert_non_null(strstr(err.text, "not correctly signed"));
	assert_int_equal(certificate_verify(buf_bytes(&late), authority_pem(authority), &err), -1);
	assert_non_null(strstr(err.text, "expired"));
	buf_clear(&pem);
	buf_clear(&key);
	buf_clear(&late);
}

/* RFC 5758 §3.2: no parameters, not even a NULL. Browsers and rustls insist on it. */
static void
the_algorithm_of_a_signature_stands_without_parameters(void **state)
{
	static const uint8_t oid[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	const struct certificate_wish wish = { .common_name = "a", .now_s = (int64_t)time(NULL) };
	struct buf pem = { 0 }, key = { 0 };
	struct certificate *issued = issue(&wish, &pem, &key);
	const struct certificate *all[] = { issued, authority_certificate(authority) };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const uint8_t *at = all[i]->der.data, *end = at + all[i]->der.len;
		unsigned times = 0;

		while ((at = memmem(at, (size_t)(end - at), oid, sizeof(oid))) != NULL) {
			assert_int_equal(at[-2], 0x30);
			assert_int_equal(at[-1], sizeof(oid));
			at += sizeof(oid);
			times++;
		}
		assert_int_equal(times, 2);
	}
	certificate_free(issued);
	buf_clear(&pem);
	buf_clear(&key);
}

static void
a_server_has_names_and_addresses(void **state)
{
	const struct certificate_wish wish = { .common_name = "host",
		.use = CERTIFICATE_SERVER,
		.names = { "localhost", "127.0.0.1", "::1" },
		.name_count = 3,
		.now_s = (int64_t)time(NULL) };
	static const char address[] = { (char)0x87, 4, 127, 0, 0, 1 };
	struct buf pem = { 0 }, key = { 0 };
	struct certificate *certificate = issue(&wish, &pem, &key);

	(void)state;
	assert_non_null(
	    memmem(certificate->der.data, certificate->der.len, "\x82\x09localhost", 11));
	assert_non_null(
	    memmem(certificate->der.data, certificate->der.len, address, sizeof(address)));
	certificate_free(certificate);
	buf_clear(&pem);
	buf_clear(&key);
}

static void
names_that_could_say_more_are_refused(void **state)
{
	static const char *const names[] = { "", "a,O=b", "a\nb", "a=b", "a+b",
		"0123456789012345678901234567890123456789012345678901234567890123x" };
	struct buf pem = { 0 }, key = { 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct certificate_wish wish = { .common_name = names[i], .now_s = 86400 };

		assert_int_equal(authority_issue(authority, &wish, &pem, &key, &err), -1);
		assert_int_equal(pem.len + key.len, 0);
	}
}

static void
what_is_no_certificate_is_told_so(void **state)
{
	static const char *const texts[] = { "", "hello",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "\x30\x82\x01" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(certificate_parse(bytes_of_string(texts[i]), &err));
		assert_non_null(strstr(err.text, "not a certificate"));
	}
}

/* Makes a signing request by the openssl command; false where there is none. */
static bool
make_request(struct buf *out)
{
	struct err err;
	char command[400];

	(void)snprintf(command, sizeof(command),
	    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
	    "-keyout /dev/null -outform DER -out %s 2>/dev/null",
	    path_of("request"));
	if (system(command) != 0)
		return false;
	assert_int_equal(pem_file_read(path_of("request"), out, &err), 0);
	return unlink(path_of("request")) == 0;
}

static void
a_request_is_signed_and_a_changed_one_is_refused(void **state)
{
	struct certificate_wish wish = { .common_name = "car", .now_s = (int64_t)time(NULL) };
	struct buf request = { 0 }, pem = { 0 };
	struct certificate *certificate;
	struct err err;

	(void)state;
	if (!make_request(&request))
		skip();
	wish.request = buf_bytes(&request);
	certificate = issue(&wish, &pem, NULL);
	assert_string_equal(certificate->common_name, "car");
	certificate_free(certificate);
	request.data[request.len - 1] ^= 1;
	assert_int_equal(authority_issue(authority, &wish, &pem, NULL, &err), -1);
	assert_non_null(strstr(err.text, "signing request"));
	buf_clear(&request);
	buf_clear(&pem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_can_be_read_by_its_owner_only),
		cmocka_unit_test(it_is_the_same_when_it_is_opened_again),
		cmocka_unit_test(a_certificate_says_what_was_wished),
		cmocka_unit_test(what_it_has_signed_verifies_and_what_another_has_signed_does_not),
		cmocka_unit_test(the_algorithm_of_a_signature_stands_without_parameters),
		cmocka_unit_test(a_server_has_names_and_addresses),
		cmocka_unit_test(names_that_could_say_more_are_refused),
		cmocka_unit_test(what_is_no_certificate_is_told_so),
		cmocka_unit_test(a_request_is_signed_and_a_changed_one_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

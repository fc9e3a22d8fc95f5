/* SPDX-License-Identifier: MIT
 * moonlet cert: a device's key and certificate, signed by the authority in the data folder. It
 * works on the files, whether a host runs or not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "net/authority.h"
#include "net/pem_file.h"
#include "runtime/command.h"

enum { REQUEST_BYTES_MAX = 65536, DAYS_MAX = 36500 };

static int
read_wish(
    struct command_call *call, struct certificate_wish *wish, struct buf *request, struct err *err)
{
	const char *days = command_value(call, "days"), *csr = command_value(call, "csr");
	char *end = NULL;
	long count = days != NULL ? strtol(days, &end, 10) : CERTIFICATE_DAYS_DEFAULT;

	if (count < 1 || count > DAYS_MAX || (end != NULL && *end != '\0'))
		return err_set(err, "--days: a number from 1 to %d", DAYS_MAX);
	if (strchr(call->arguments[0], '/') != NULL)
		return err_set(err, "%s: a name has no \"/\"", call->arguments[0]);
	*wish = (struct certificate_wish){
		.common_name = call->arguments[0], .now_s = time(NULL), .days = (uint32_t)count
	};
	if (csr != NULL && command_read(csr, REQUEST_BYTES_MAX, request, err) < 0)
		return -1;
	if (csr != NULL)
		wish->request = buf_bytes(request);
	return 0;
}

static struct authority *
open_authority(struct command_call *call, int64_t now_s, struct err *err)
{
	const char *data = options_text(&call->options, OPTION_DATA);
	struct buf folder = { 0 };
	struct authority *authority;

	(void)mkdir(data, 0750);
	buf_printf(&folder, "%s/tls", data);
	authority = authority_open(buf_string(&folder), now_s, err);
	buf_clear(&folder);
	return authority;
}

static int
write_one(const struct command_call *call, const char *ending, const struct buf *pem, mode_t mode,
    struct err *err)
{
	const char *out = command_value(call, "out");
	struct buf path = { 0 };
	int result = 0;

	if (pem->len == 0)
		return 0;
	buf_printf(&path, "%s/%s.%s", out != NULL ? out : ".", call->arguments[0], ending);
	result = pem_file_write(buf_string(&path), buf_bytes(pem), mode, err);
	if (result == 0)
		(void)puts(buf_string(&path));
	buf_clear(&path);
	return result;
}

static int
issue(struct command_call *call, struct err *err)
{
	struct buf certificate = { 0 }, key = { 0 }, request = { 0 };
	struct authority *authority = NULL;
	struct certificate_wish wish;
	int result = read_wish(call, &wish, &request, err);

	if (result == 0)
		authority = open_authority(call, wish.now_s, err);
	if (result == 0)
		result = authority != NULL
			     ? authority_issue(authority, &wish, &certificate, &key, err)
			     : -1;
	if (result == 0)
		result = write_one(call, "key", &key, 0600, err);
	if (result == 0)
		result = write_one(call, "pem", &certificate, 0644, err);
	if (result == 0)
		(void)printf("%s/tls/ca.pem\n", options_text(&call->options, OPTION_DATA));
	if (key.len > 0)
		explicit_bzero(key.data, key.len);
	authority_free(authority);
	buf_clear(&certificate);
	buf_clear(&key);
	buf_clear(&request);
	return result;
}

int
cmd_cert(struct command_call *call)
{
	struct err err;

	if (command_settle(call, &err) < 0 || issue(call, &err) < 0)
		return command_fail(call, &err);
	return EXIT_OK;
}

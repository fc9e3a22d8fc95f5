/* SPDX-License-Identifier: MIT
 * Keys and certificates of devices, written by commands.
 */
#include "runtime/commands/device_files.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "net/authority.h"
#include "net/pem_file.h"

enum { REQUEST_BYTES_MAX = 65536, DAYS_MAX = 36500 };

/* What is being made. */
struct making {
	const struct command_call *call;
	const char *name;
	struct certificate_wish wish;
	struct buf request;
	struct buf key_pem;
	bool replace;
};

static int
read_wish(struct making *making, struct err *err)
{
	const char *days = command_value(making->call, "days"),
		   *csr = command_value(making->call, "csr");
	char *end = NULL;
	long count = days != NULL ? strtol(days, &end, 10) : CERTIFICATE_DAYS_DEFAULT;

	if (count < 1 || count > DAYS_MAX || (end != NULL && *end != '\0'))
		return err_set(err, "--days: a number from 1 to %d", DAYS_MAX);
	if (strchr(making->name, '/') != NULL)
		return err_set(err, "%s: a name has no \"/\"", making->name);
	making->wish = (struct certificate_wish){
		.common_name = making->name, .now_s = time(NULL), .days = (uint32_t)count
	};
	if (csr != NULL && command_read(csr, REQUEST_BYTES_MAX, &making->request, err) < 0)
		return -1;
	if (csr != NULL)
		making->wish.request = buf_bytes(&making->request);
	return 0;
}

/* Root works in the data folder as the user whom it belongs to: the host must be able to read what
 * is made there, and links that the user has put there lead nowhere else. True: it is that user
 * now, until be_root. */
static bool
be_owner(const char *data)
{
	struct stat status;

	if (geteuid() != 0 || stat(data, &status) < 0 || status.st_uid == 0)
		return false;
	if (setegid(status.st_gid) == 0 && seteuid(status.st_uid) == 0)
		return true;
	return false;
}

static void
be_root(void)
{
	if (seteuid(0) < 0 || setegid(0) < 0)
		abort();
}

static struct authority *
open_authority(const struct making *making, struct err *err)
{
	const char *data = options_text(&making->call->options, OPTION_DATA);
	struct buf folder = { 0 };
	struct authority *authority;
	bool changed;

	(void)mkdir(data, 0750);
	buf_printf(&folder, "%s/tls", data);
	changed = be_owner(data);
	authority = authority_open(buf_string(&folder), making->wish.now_s, err);
	if (changed)
		be_root();
	buf_clear(&folder);
	return authority;
}

/* With the folders above it. Where one cannot be made, writing the file tells it. */
static void
make_folder(const char *path)
{
	char *part = xstrdup(path);

	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(part, 0700);
		*slash = '/';
	}
	(void)mkdir(part, 0700);
	free(part);
}

static int
name_file(const struct making *making, const char *ending, struct buf *path, struct err *err)
{
	const char *out = command_value(making->call, "out");

	if (out == NULL || out[0] == '\0')
		out = ".";
	make_folder(out);
	buf_printf(path, "%s/%s.%s", out, making->name, ending);
	if (making->replace || access(buf_string(path), F_OK) < 0)
		return 0;
	return err_set(err, "%s is there already: give another folder by --out", buf_string(path));
}

static int
write_files(struct making *making, struct device_files *files, struct err *err)
{
	int status = name_file(making, "pem", &files->certificate, err);

	if (status == 0 && making->key_pem.len > 0)
		status = name_file(making, "key", &files->key, err);
	if (status < 0) {
		buf_clear(&files->certificate);
		buf_clear(&files->key);
		return -1;
	}
	if (files->key.len > 0 &&
	    pem_file_write(buf_string(&files->key), buf_bytes(&making->key_pem), 0600, err) < 0)
		return -1;
	return pem_file_write(buf_string(&files->certificate), buf_bytes(&files->pem), 0644, err);
}

static int
make(struct making *making, struct device_files *files, struct err *err)
{
	struct authority *authority;
	int status = read_wish(making, err);

	if (status < 0)
		return -1;
	authority = open_authority(making, err);
	if (authority == NULL)
		return -1;
	status = authority_issue(authority, &making->wish, &files->pem, &making->key_pem, err);
	authority_free(authority);
	return status == 0 ? write_files(making, files, err) : -1;
}

int
device_files_make(const struct command_call *call, const char *name, bool replace,
    struct device_files *files, struct err *err)
{
	struct making making = { .call = call, .name = name, .replace = replace };
	int status = make(&making, files, err);

	device_files_authority(call, &files->authority);
	if (making.key_pem.len > 0)
		explicit_bzero(making.key_pem.data, making.key_pem.len);
	buf_clear(&making.key_pem);
	buf_clear(&making.request);
	return status;
}

void
device_files_authority(const struct command_call *call, struct buf *path)
{
	buf_printf(path, "%s/tls/ca.pem", options_text(&call->options, OPTION_DATA));
}

void
device_files_unlink(struct device_files *files)
{
	if (files->key.len > 0)
		(void)unlink(buf_string(&files->key));
	if (files->certificate.len > 0)
		(void)unlink(buf_string(&files->certificate));
}

void
device_files_clear(struct device_files *files)
{
	buf_clear(&files->key);
	buf_clear(&files->certificate);
	buf_clear(&files->authority);
	buf_clear(&files->pem);
}

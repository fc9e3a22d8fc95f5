/* SPDX-License-Identifier: MIT
 * Sockets and files of a host that drops its rights.
 */
#include "runtime/early.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mqtt_url.h"
#include "net/listener.h"
#include "net/pem_file.h"

enum { FILES_MAX = 512 };

static int
bind_one(struct options *options, enum option_id id, struct err *err)
{
	const char *address = options_text(options, id);
	char socket[32];
	int fd;

	if (strcmp(address, "off") == 0 || strncmp(address, "fd:", 3) == 0)
		return 0;
	fd = listener_bind(address, err);
	if (fd < 0)
		return -1;
	(void)snprintf(socket, sizeof(socket), "fd:%d", fd);
	return options_set(options, id, socket, SOURCE_FLAG, err);
}

static int
bind_all(struct options *options, struct err *err)
{
	static const enum option_id ids[] = { OPTION_MQTT, OPTION_MQTTS, OPTION_HTTP,
		OPTION_HTTPS };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (bind_one(options, ids[i], err) < 0)
			return -1;
	}
	return 0;
}

static void
take_file(struct early *early, const char *folder, const char *path)
{
	struct early_file *file;
	struct buf text = { 0 };
	struct err err; /* told by who wants the file */

	if (early->count == FILES_MAX || pem_file_read(path, &text, &err) < 0) {
		buf_clear(&text);
		return;
	}
	early->files = xrealloc(early->files, (early->count + 1) * sizeof(*early->files));
	file = &early->files[early->count++];
	file->folder = folder != NULL ? xstrdup(folder) : NULL;
	file->path = xstrdup(path);
	file->text = text;
}

static void
take_folder(struct early *early, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	struct buf path = { 0 };
	struct stat status;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &status, 0) < 0 ||
		    !S_ISREG(status.st_mode))
			continue;
		buf_reset(&path);
		buf_printf(&path, "%s/%s", folder, entry->d_name);
		take_file(early, folder, buf_string(&path));
	}
	if (dir != NULL)
		(void)closedir(dir);
	buf_clear(&path);
}

static void
take(struct early *early, const char *path)
{
	struct stat status;

	if (path == NULL || strcmp(path, "own") == 0 || stat(path, &status) < 0)
		return;
	if (S_ISDIR(status.st_mode))
		take_folder(early, path);
	else
		take_file(early, NULL, path);
}

static void
take_brokers(struct early *early, const struct broker_setting *broker)
{
	struct mqtt_url url = { 0 };
	struct err err;

	take(early, broker->ca);
	take(early, broker->cert);
	take(early, broker->key);
	if (mqtt_url_parse(broker->url, &url, &err) < 0)
		return;
	take(early, url.ca);
	take(early, url.cert);
	take(early, url.key);
	mqtt_url_clear(&url);
}

int
early_settle(struct early *early, const struct privilege *privilege, struct options *options,
    struct err *err)
{
	if (!privilege->change)
		return 0;
	if (bind_all(options, err) < 0)
		return -1;
	take(early, options_text(options, OPTION_TLS_CERTIFICATE));
	take(early, options_text(options, OPTION_TLS_KEY));
	take(early, options_text(options, OPTION_TLS_CA));
	for (size_t i = 0; i < options->broker_count; i++)
		take_brokers(early, &options->brokers[i]);
	return privilege_drop(privilege, options_text(options, OPTION_DATA), err);
}

void
early_clear(struct early *early)
{
	for (size_t i = 0; i < early->count; i++) {
		struct early_file *file = &early->files[i];

		if (file->text.len > 0)
			explicit_bzero(file->text.data, file->text.len);
		buf_clear(&file->text);
		free(file->folder);
		free(file->path);
	}
	free(early->files);
	*early = (struct early){ 0 };
}

int
early_read(const struct early *early, const char *path, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < early->count; i++) {
		if (strcmp(early->files[i].path, path) == 0) {
			buf_append_bytes(out, buf_bytes(&early->files[i].text));
			return 0;
		}
	}
	return pem_file_read(path, out, err);
}

const char *
early_next(const struct early *early, const char *folder, size_t *at)
{
	while (*at < early->count) {
		const struct early_file *file = &early->files[(*at)++];

		if (file->folder != NULL && strcmp(file->folder, folder) == 0)
			return file->path;
	}
	return NULL;
}

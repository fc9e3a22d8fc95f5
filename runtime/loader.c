/* SPDX-License-Identifier: MIT
 * A lone worker that is asked to load. One that died is replaced at the next request.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/config.h"
#include "runtime/loader.h"
#include "runtime/lone.h"

enum {
	LOAD_TIMEOUT_MS = 2000, /* the worker ends a load that takes longer */
	ANSWER_US = 10000000,	/* without an answer it is given up */
};

struct loader {
	struct lone *lone;
	struct buf *loaded; /* of the request that waits */
	struct err problem;
	uint32_t function; /* number of the last load */
	bool settled;
	int outcome; /* what loader_load returns */
};

static void
settle(struct loader *loader, int outcome, const char *problem)
{
	loader->settled = true;
	loader->outcome = outcome;
	if (outcome < 0)
		err_set(&loader->problem, "%s", problem);
}

static void
take_frame(void *arg, const struct frame *frame)
{
	struct loader *loader = arg;
	struct cursor cursor = cursor_of(frame->fields);
	struct bytes text;
	char *message;

	if (frame->type == WORKER_REFUSED) {
		(void)cursor_u32(&cursor);
		text = cursor_bytes(&cursor);
		message = bytes_to_string(text);
		settle(loader, -1, message);
		free(message);
	} else if (frame->type == WORKER_LOADED) {
		(void)cursor_u32(&cursor);
		(void)cursor_u32(&cursor);
		text = cursor_bytes(&cursor);
		if (!cursor_end(&cursor)) {
			settle(loader, -1, "the worker's answer cannot be read");
			return;
		}
		buf_append_bytes(loader->loaded, text);
		settle(loader, 0, NULL);
	}
}

static void
worker_gone(void *arg, const char *how)
{
	char text[128];

	snprintf(text, sizeof(text), "the worker ended (%s)", how);
	settle(arg, -1, text);
}

struct loader *
loader_start(struct err *err)
{
	struct loader *loader = xcalloc(1, sizeof(*loader));
	const struct lone_hooks hooks = { take_frame, worker_gone, loader };

	loader->lone = lone_start(&hooks, err);
	if (loader->lone != NULL)
		return loader;
	free(loader);
	return NULL;
}

void
loader_end(struct loader *loader)
{
	if (loader == NULL)
		return;
	lone_end(loader->lone);
	free(loader);
}

static void
write_load(struct loader *loader, const struct loader_request *request, struct buf *out)
{
	size_t begun;

	if (loader->function > 0 && request->kind == LOAD_FUNCTION) {
		begun = frame_begin(out, HOST_DROP);
		frame_u32(out, loader->function);
		frame_finish(out, begun);
	}
	begun = frame_begin(out, HOST_LOAD);
	frame_u32(out, ++loader->function);
	frame_u8(out, request->kind);
	frame_string(out, request->name);
	frame_u32(out, request->memory_bytes_max);
	frame_u32(out, LOAD_TIMEOUT_MS);
	frame_u16(out, (uint16_t)request->count);
	for (size_t i = 0; i < request->count; i++) {
		frame_string(out, request->files[i].path);
		frame_bytes(out, buf_bytes(&request->files[i].source));
	}
	frame_finish(out, begun);
}

static int
start_worker(struct loader *loader, struct err *err)
{
	uint64_t seed[2];

	loader->function = 0;
	sys_posix.random(seed, sizeof(seed));
	return lone_worker(loader->lone, seed, err);
}

int
loader_load(struct loader *loader, const struct loader_request *request, struct buf *loaded,
    struct err *err)
{
	struct buf out = { 0 };
	int status = 0;

	loader->loaded = loaded;
	loader->settled = false;
	if (!lone_has_worker(loader->lone))
		status = start_worker(loader, err);
	write_load(loader, request, &out);
	if (status == 0)
		status = lone_send(loader->lone, &out, err);
	buf_clear(&out);
	if (status == 0)
		status = lone_wait(loader->lone, &loader->settled, ANSWER_US, err);
	if (!loader->settled) {
		lone_drop_worker(loader->lone);
		return -1;
	}
	if (loader->outcome < 0)
		*err = loader->problem;
	return loader->outcome;
}

static int
read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return err_errno(err, "%s", path);
	while ((got = read(fd, buf_reserve(out, 16384), 16384)) > 0 &&
	       out->len <= CONFIG_FILE_BYTES_MAX)
		out->len += (size_t)got;
	close(fd);
	if (got < 0)
		return err_errno(err, "%s", path);
	if (out->len > CONFIG_FILE_BYTES_MAX)
		return err_set(err, "%s: larger than %d bytes", path, CONFIG_FILE_BYTES_MAX);
	return 0;
}

/* Names the file where the worker did not, and not what only we call so. */
static void
name_file(const char *path, struct err *err)
{
	static const char inner[] = "configuration.settings.";
	size_t len = strlen(inner);

	if (strncmp(err->text, inner, len) == 0)
		memmove(err->text, err->text + len, strlen(err->text + len) + 1);
	if (strncmp(err->text, path, strlen(path)) != 0)
		(void)err_prefix(err, "%s", path);
}

int
loader_config(
    struct loader *loader, struct options *options, const struct config_read *read, struct err *err)
{
	struct source_file file = { .path = xstrdup(read->path) };
	struct loader_request request = { LOAD_CONFIGURATION, "configuration", &file, 1, 16777216 };
	struct config_source source = {
		.path = read->path, .problem = read->problem, .arg = read->arg
	};
	struct buf loaded = { 0 };
	int status = read_file(read->path, &file.source, err);

	if (status == 0)
		status = loader_load(loader, &request, &loaded, err);
	if (status < 0)
		name_file(read->path, err);
	if (status < 0 && read->problem != NULL)
		read->problem(read->arg, err->text);
	source.loaded = buf_bytes(&loaded);
	if (status == 0)
		status = config_apply(options, &source, err);
	buf_clear(&loaded);
	buf_clear(&file.source);
	free(file.path);
	return status;
}

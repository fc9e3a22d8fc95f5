/* SPDX-License-Identifier: MIT
 * The loader has a loop, a zygote and one worker of its own, and turns the loop until the answer
 * is there. A worker that died is replaced at the next request.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/frame.h"
#include "runtime/config.h"
#include "runtime/loader.h"
#include "runtime/zygote.h"

enum {
	LOAD_TIMEOUT_MS = 2000, /* the worker ends a load that takes longer */
	ANSWER_US = 10000000,	/* without an answer it is given up */
	IMAGES_BYTES_MAX = 1 << 28,
};

struct loader {
	struct loop *loop;
	struct zygote *zygote;
	struct watch watch;
	struct timer timer;
	struct buf in;
	struct buf *loaded; /* of the request that waits */
	struct err problem;
	uint64_t workers;  /* started so far */
	uint32_t function; /* number of the last load */
	int channel;	   /* -1: no worker */
	int outcome;	   /* 1: none yet; else what loader_load returns */
};

static void
settle(struct loader *loader, int outcome, const char *problem)
{
	loader->outcome = outcome;
	if (outcome < 0)
		err_set(&loader->problem, "%s", problem);
}

static void
drop_worker(struct loader *loader)
{
	watch_clear(&loader->watch);
	if (loader->channel >= 0)
		close(loader->channel);
	loader->channel = -1;
	buf_reset(&loader->in);
}

static void
take_frame(struct loader *loader, const struct frame *frame)
{
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
take_frames(struct loader *loader)
{
	struct frame frame;
	enum frame_result result;
	size_t used;

	while ((result = frame_next(buf_bytes(&loader->in), &frame, &used)) == FRAME_OK) {
		take_frame(loader, &frame);
		buf_drain(&loader->in, used);
	}
	if (result == FRAME_BAD)
		settle(loader, -1, "the worker's answer cannot be read");
}

static void
channel_ready(void *arg, bool readable, bool writable)
{
	struct loader *loader = arg;
	ssize_t got = recv(loader->channel, buf_reserve(&loader->in, 65536), 65536, MSG_DONTWAIT);

	(void)readable;
	(void)writable;
	if (got > 0) {
		loader->in.len += (size_t)got;
		take_frames(loader);
	} else if (got == 0) {
		/* How it ended, the zygote tells. */
		watch_want(&loader->watch, false, false);
	}
}

static void
worker_started(void *arg, uint64_t id, int pidfd)
{
	(void)arg;
	(void)id;
	close(pidfd);
}

static void
worker_ended(void *arg, uint64_t id, const char *how)
{
	struct loader *loader = arg;
	char text[128];

	if (id != loader->workers)
		return;
	snprintf(text, sizeof(text), "the worker ended (%s)", how);
	settle(loader, -1, text);
	drop_worker(loader);
}

static void
zygote_gone(void *arg)
{
	settle(arg, -1, "moonlet-worker ended");
}

static void
zygote_ready(void *arg, uint32_t layers)
{
	(void)arg;
	(void)layers;
}

static void
timed_out(void *arg)
{
	settle(arg, -1, "the worker does not answer");
	drop_worker(arg);
}

struct loader *
loader_start(struct err *err)
{
	struct loader *loader = xcalloc(1, sizeof(*loader));
	struct zygote_hooks hooks = { loader, worker_started, worker_ended, zygote_gone,
		zygote_ready };
	char program[PATH_MAX];

	loader->channel = -1;
	loader->loop = loop_new(&sys_posix, err);
	if (loader->loop != NULL) {
		timer_init(&loader->timer, loader->loop, timed_out, loader);
		if (zygote_program(program, sizeof(program), err) == 0)
			loader->zygote = zygote_start(loader->loop, program, &hooks, err);
	}
	if (loader->zygote == NULL) {
		loader_end(loader);
		return NULL;
	}
	return loader;
}

void
loader_end(struct loader *loader)
{
	if (loader == NULL)
		return;
	drop_worker(loader);
	zygote_stop(loader->zygote);
	timer_clear(&loader->timer);
	loop_free(loader->loop);
	buf_clear(&loader->in);
	free(loader);
}

static void
write_setup(struct buf *out)
{
	size_t begun = frame_begin(out, HOST_SETUP);
	uint64_t secret[2];

	sys_posix.random(secret, sizeof(secret));
	frame_u32(out, PROTOCOL_VERSION);
	frame_u64(out, secret[0]);
	frame_u64(out, secret[1]);
	frame_u64(out, IMAGES_BYTES_MAX);
	frame_finish(out, begun);
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
start_worker(struct loader *loader, struct buf *out, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, "start a worker");
	loader->channel = ends[0];
	loader->function = 0;
	watch_init(&loader->watch, loader->loop, loader->channel, channel_ready, loader);
	watch_want(&loader->watch, true, false);
	write_setup(out);
	return zygote_spawn(loader->zygote, ++loader->workers, ends[1], err);
}

/* The worker reads as we write: the host's side may wait here. */
static int
send_all(struct loader *loader, const struct buf *out, struct err *err)
{
	size_t sent = 0;

	while (sent < out->len) {
		ssize_t got =
		    send(loader->channel, out->data + sent, out->len - sent, MSG_NOSIGNAL);

		if (got < 0)
			return err_errno(err, "write to the worker");
		sent += (size_t)got;
	}
	return 0;
}

static int
wait_for_answer(struct loader *loader, struct err *err)
{
	timer_set(&loader->timer, ANSWER_US);
	while (loader->outcome == 1) {
		if (loop_turn(loader->loop, true, err) < 0)
			return -1;
	}
	timer_cancel(&loader->timer);
	if (loader->outcome < 0)
		*err = loader->problem;
	return loader->outcome;
}

int
loader_load(struct loader *loader, const struct loader_request *request, struct buf *loaded,
    struct err *err)
{
	struct buf out = { 0 };
	int status = 0;

	loader->loaded = loaded;
	loader->outcome = 1;
	if (loader->channel < 0)
		status = start_worker(loader, &out, err);
	write_load(loader, request, &out);
	if (status == 0)
		status = send_all(loader, &out, err);
	buf_clear(&out);
	return status == 0 ? wait_for_answer(loader, err) : -1;
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

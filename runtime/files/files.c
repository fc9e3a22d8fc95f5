/* SPDX-License-Identifier: MIT
 * From a file that was found to its functions' events.
 */
#include "runtime/files/files.h"

#include <stdlib.h>

#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/path_glob.h"
#include "lib/queue.h"
#include "runtime/dispatch.h"
#include "runtime/files/file_folders.h"
#include "runtime/files/file_sweep.h"
#include "runtime/files/file_thread.h"
#include "runtime/function.h"

enum { WINDOW = 64, AGAIN_US = 1000000, PATTERNS_MAX = 1024 };

struct file_binding {
	TAILQ_ENTRY(file_binding) link;
	struct files *files;
	struct function *function; /* held */
	char *pattern;
	bool attached;
};

/* A version of a file on its way to one function; in `files->visits` by function and path. */
struct visit {
	TAILQ_ENTRY(visit) link;
	struct store_job job;
	struct file_binding *binding;
	struct file_news *news;
	struct buf key; /* of its row */
	bool is_known;	/* this version has been handled */
	bool is_gone;	/* meanwhile: it is not remembered */
};

struct files {
	struct host *host;
	struct file_folders folders;
	struct file_thread *thread; /* NULL: nobody has asked for files yet */
	struct file_sweep *sweep;   /* with it */
	struct watch watch;
	TAILQ_HEAD(, file_binding) bindings;
	TAILQ_HEAD(visits, visit) visits;
	size_t visit_count;
	struct timer again; /* for the retries */
	struct task more;   /* there is room for more visits */
	struct task patterns;
	TAILQ_HEAD(, retry) retries; /* looked at again by the timer */
	bool started;
	bool stopped;
};

struct retry {
	TAILQ_ENTRY(retry) link;
	char path[];
};

struct reading {
	void (*done)(void *arg, bool ok, struct bytes content, int64_t size);
	void *arg;
};

/* --- events --- */

static void
visit_free(struct visit *visit)
{
	struct files *files = visit->binding->files;

	TAILQ_REMOVE(&files->visits, visit, link);
	files->visit_count--;
	file_news_free(visit->news);
	buf_clear(&visit->key);
	free(visit);
	if (!files->stopped && files->visit_count < WINDOW / 2)
		task_schedule(&files->more, files->host->loop);
}

static void
look_again(struct files *files, const char *path)
{
	size_t len = strlen(path) + 1;
	struct retry *retry = xmalloc(sizeof(*retry) + len);

	memcpy(retry->path, path, len);
	TAILQ_INSERT_TAIL(&files->retries, retry, link);
	timer_set(&files->again, AGAIN_US);
}

static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	const struct visit *visit = arg;

	(void)event;
	if (visit->is_gone)
		writes_delete(writes, SPACE_FILE, buf_bytes(&visit->key));
	else
		writes_put(writes, SPACE_FILE, buf_bytes(&visit->key),
		    bytes_of_string(visit->news->version));
}

static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct visit *visit = arg;
	struct files *files = visit->binding->files;

	(void)event;
	if (!handled && !files->stopped)
		look_again(files, visit->news->path);
	visit_free(visit);
}

static const struct event_source source = { .mark = mark, .settled = settled };

static void
write_event(const struct file_news *news, struct buf *json)
{
	buf_append_string(json, "{\"path\":");
	json_text_quote(bytes_of_string(news->path), json);
	buf_printf(
	    json, ",\"size\":%lld,\"time\":%lld", (long long)news->size, (long long)news->time_ms);
	if (news->has_content) {
		buf_append_string(json, ",\"content\":");
		json_text_quote(buf_bytes(&news->content), json);
	}
	buf_append_u8(json, '}');
}

static void
submit(struct visit *visit)
{
	struct file_binding *binding = visit->binding;
	struct buf json = { 0 };
	struct happening happening = { .trigger = "file",
		.subject = bytes_of_string(visit->news->path),
		.qos = 1,
		.time_ms = visit->news->time_ms,
		.source = &source,
		.source_arg = visit };
	struct occurrence *event;

	write_event(visit->news, &json);
	happening.payload = buf_bytes(&json);
	happening.time_ms = loop_wall_ms(binding->files->host->loop);
	buf_clear(&visit->news->content);
	event = occurrence_new(binding->files->host, &happening);
	(void)dispatch_submit(binding->function, event);
	occurrence_drop(event);
	buf_clear(&json);
}

static int
visit_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct visit *visit = HASH_OWNER(job, struct visit, job);
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_FILE, buf_bytes(&visit->key), &value, NULL, err);

	visit->is_known = found == 1 && file_version_is(visit->news->version, buf_bytes(&value));
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
visit_done(struct store_job *job)
{
	struct visit *visit = HASH_OWNER(job, struct visit, job);
	struct file_binding *binding = visit->binding;
	struct files *files = binding->files;

	if (job->status == 0 && (visit->is_known || !binding->attached || files->stopped)) {
		visit_free(visit);
	} else if (job->status < 0 || binding->function->current == NULL) {
		if (!files->stopped)
			look_again(files, visit->news->path);
		visit_free(visit);
	} else {
		submit(visit);
	}
}

/* Whether this version is on its way to the function already. */
static bool
is_visited(const struct file_binding *binding, const struct file_news *news)
{
	const struct visit *visit;

	TAILQ_FOREACH (visit, &binding->files->visits, link) {
		if (visit->binding == binding && strcmp(visit->news->path, news->path) == 0 &&
		    !visit->is_gone && strcmp(visit->news->version, news->version) == 0)
			return true;
	}
	return false;
}

static struct file_news *
news_copy(const struct file_news *news)
{
	struct file_news *copy = xmalloc(sizeof(*copy));

	*copy = *news;
	copy->path = xstrdup(news->path);
	copy->content = (struct buf){ 0 };
	buf_append_bytes(&copy->content, buf_bytes(&news->content));
	return copy;
}

static void
row_key(const struct file_binding *binding, const char *path, struct buf *key)
{
	buf_append_string(key, binding->function->name);
	buf_append_u8(key, 0);
	buf_append_string(key, path);
}

static void
begin_visit(struct file_binding *binding, const struct file_news *news)
{
	struct files *files = binding->files;
	struct visit *visit;

	if (is_visited(binding, news))
		return;
	visit = xcalloc(1, sizeof(*visit));
	visit->binding = binding;
	visit->news = news_copy(news);
	row_key(binding, news->path, &visit->key);
	visit->job.run = visit_run;
	visit->job.done = visit_done;
	visit->job.bytes = sizeof(*visit) + news->content.len;
	TAILQ_INSERT_TAIL(&files->visits, visit, link);
	files->visit_count++;
	store_submit(files->host->store, &visit->job);
}

/* A file that is gone is forgotten: one of its name that comes later is a new one. */
static void
forget(struct file_binding *binding, const char *path)
{
	struct writes writes = { 0 };
	struct buf key = { 0 };
	struct visit *visit;

	TAILQ_FOREACH (visit, &binding->files->visits, link) {
		if (visit->binding == binding && strcmp(visit->news->path, path) == 0)
			visit->is_gone = true;
	}
	row_key(binding, path, &key);
	writes_delete(&writes, SPACE_FILE, buf_bytes(&key));
	store_write(binding->files->host->store, &writes, NULL, NULL);
	buf_clear(&key);
}

static void
answer_read(struct file_news *news)
{
	struct reading *reading = news->arg;

	reading->done(reading->arg, !news->failed, buf_bytes(&news->content), news->size);
	free(reading);
}

static void
take_file(struct files *files, const struct file_news *news)
{
	struct file_binding *binding;

	TAILQ_FOREACH (binding, &files->bindings, link) {
		if (!binding->attached || !path_glob_match(binding->pattern, news->path))
			continue;
		if (news->kind == FILE_FOUND)
			begin_visit(binding, news);
		else
			forget(binding, news->path);
	}
}

static void
take_one(struct files *files, struct file_news *news)
{
	switch (news->kind) {
	case FILE_READ:
		answer_read(news);
		break;
	case FILE_CHECKED:
		file_sweep_take(files->sweep, news);
		break;
	case FILE_LOST:
		file_sweep_start(files->sweep);
		break;
	case FILE_FOUND:
	case FILE_GONE:
		take_file(files, news);
		break;
	}
}

/* Files wait in the thread's queue, and beyond it on the disk, while many are on their way; what
 * their handlers read does not. */
static void
take_news(void *arg)
{
	struct files *files = arg;
	struct file_news *news;

	if (files->thread == NULL || files->stopped)
		return;
	while ((news = file_thread_next(files->thread, files->visit_count >= WINDOW)) != NULL) {
		take_one(files, news);
		file_news_free(news);
	}
}

static void
on_news(void *arg, bool readable, bool writable)
{
	(void)readable;
	(void)writable;
	take_news(arg);
}

static void
again(void *arg)
{
	struct files *files = arg;
	struct retry *retry;

	while ((retry = TAILQ_FIRST(&files->retries)) != NULL) {
		TAILQ_REMOVE(&files->retries, retry, link);
		file_thread_look(files->thread, retry->path);
		free(retry);
	}
}

/* --- bindings --- */

static void
tell_patterns(void *arg)
{
	struct files *files = arg;
	const char *patterns[PATTERNS_MAX];
	const struct file_binding *binding;
	size_t count = 0;

	if (files->thread == NULL || !files->started || files->stopped)
		return;
	TAILQ_FOREACH (binding, &files->bindings, link) {
		if (binding->attached && count < PATTERNS_MAX)
			patterns[count++] = binding->pattern;
	}
	file_thread_patterns(files->thread, patterns, count);
}

struct files *
files_new(struct host *host, const char *text, struct err *err)
{
	struct files *files = xcalloc(1, sizeof(*files));

	if (file_folders_read(&files->folders, text, err) < 0) {
		(void)err_prefix(err, "option files");
		free(files);
		return NULL;
	}
	if (files->folders.list[0].name[0] != '\0' && file_folders_open(&files->folders, err) < 0) {
		file_folders_clear(&files->folders);
		free(files);
		return NULL;
	}
	files->host = host;
	TAILQ_INIT(&files->bindings);
	TAILQ_INIT(&files->visits);
	TAILQ_INIT(&files->retries);
	timer_init(&files->again, host->loop, again, files);
	task_init(&files->more, take_news, files);
	task_init(&files->patterns, tell_patterns, files);
	return files;
}

void
files_stop(struct files *files)
{
	files->stopped = true;
	timer_cancel(&files->again);
	task_cancel(&files->more);
	task_cancel(&files->patterns);
	file_sweep_stop(files->sweep);
	if (files->thread != NULL)
		watch_clear(&files->watch);
}

void
files_free(struct files *files)
{
	struct file_binding *binding;
	struct file_news *news;
	struct retry *retry;

	if (files == NULL)
		return;
	while (files->thread != NULL && (news = file_thread_next(files->thread, false)) != NULL) {
		if (news->kind == FILE_READ)
			free(news->arg);
		file_news_free(news);
	}
	file_thread_free(files->thread);
	file_sweep_free(files->sweep);
	while ((retry = TAILQ_FIRST(&files->retries)) != NULL) {
		TAILQ_REMOVE(&files->retries, retry, link);
		free(retry);
	}
	while ((binding = TAILQ_FIRST(&files->bindings)) != NULL) {
		TAILQ_REMOVE(&files->bindings, binding, link);
		function_drop(binding->function);
		free(binding->pattern);
		free(binding);
	}
	timer_clear(&files->again);
	file_folders_clear(&files->folders);
	free(files);
}

void
files_start(struct files *files)
{
	files->started = true;
	tell_patterns(files);
	if (files->sweep != NULL)
		file_sweep_start(files->sweep);
}

static int
open_folders(struct files *files, struct err *err)
{
	if (files->thread != NULL)
		return 0;
	if (file_folders_open(&files->folders, err) < 0)
		return -1;
	files->thread = file_thread_new(&files->folders, err);
	if (files->thread == NULL)
		return -1;
	files->sweep = file_sweep_new(files->host->store, files->thread);
	watch_init(&files->watch, files->host->loop, file_thread_fd(files->thread), on_news, files);
	watch_want(&files->watch, true, false);
	if (files->started)
		file_sweep_start(files->sweep);
	return 0;
}

static struct file_binding *
find(const struct files *files, const struct function *function, const char *pattern)
{
	struct file_binding *binding;

	TAILQ_FOREACH (binding, &files->bindings, link) {
		if (strcmp(binding->function->name, function->name) == 0 &&
		    strcmp(binding->pattern, pattern) == 0)
			return binding;
	}
	return NULL;
}

struct file_binding *
files_attach(struct files *files, struct function *function, const char *pattern, struct err *err)
{
	struct file_binding *binding = find(files, function, pattern);

	if (open_folders(files, err) < 0)
		return NULL;
	if (file_folders_check(&files->folders, pattern, err) < 0) {
		(void)err_prefix(err, "file");
		return NULL;
	}
	if (binding != NULL && binding->attached) {
		(void)err_set(err, "file: the function has \"%.100s\" twice", pattern);
		return NULL;
	}
	if (binding != NULL) {
		function_drop(binding->function);
	} else {
		binding = xcalloc(1, sizeof(*binding));
		binding->files = files;
		binding->pattern = xstrdup(pattern);
		TAILQ_INSERT_TAIL(&files->bindings, binding, link);
	}
	function_hold(function);
	binding->function = function;
	binding->attached = true;
	task_schedule(&files->patterns, files->host->loop);
	return binding;
}

void
files_detach(struct file_binding *binding)
{
	binding->attached = false;
	if (!binding->files->stopped)
		task_schedule(&binding->files->patterns, binding->files->host->loop);
}

void
files_read(struct files *files, const struct files_read *read)
{
	struct reading *reading;
	struct err err;
	char *path;

	if (open_folders(files, &err) < 0) {
		read->done(read->arg, false, bytes_of_string(err.text), 0);
		return;
	}
	reading = xmalloc(sizeof(*reading));
	*reading = (struct reading){ read->done, read->arg };
	path = bytes_to_string(read->path);
	file_thread_read(files->thread, path, read->offset, read->length, reading);
	free(path);
}

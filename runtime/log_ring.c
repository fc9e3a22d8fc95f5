/* SPDX-License-Identifier: MIT
 * A line is copied once, into the list of pending ones under a lock; the loop moves it to the list
 * of all lines and that of its function, and tells the followers. Each line stands in both lists,
 * so that the oldest of a function and the oldest of all can be found at once.
 */
#include "runtime/log_ring.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/hash.h"

struct voice;

struct kept {
	TAILQ_ENTRY(kept) link; /* pending, then all */
	TAILQ_ENTRY(kept) mine; /* of its voice */
	struct voice *voice;
	size_t bytes;
	struct log_line line; /* points into text */
	char text[];
};

TAILQ_HEAD(kept_list, kept);

/* A function, or everything that is none. */
struct voice {
	struct hash_node node;
	char *function_name; /* NULL: no function */
	struct kept_list lines;
	unsigned count;
};

struct log_ring {
	struct loop *loop;
	struct log_ring_config config;
	struct watch watch;
	int wake_fd;
	pthread_mutex_t lock; /* for what stands until the empty line */
	struct kept_list pending;
	unsigned pending_count;
	unsigned lost;

	struct kept_list all;
	size_t bytes;
	struct hash_map voices;
	TAILQ_HEAD(, log_follower) followers;
	struct log_follower *next_follower; /* while they are told */
};

static size_t
size_of(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static const char *
copy_text(char **at, const char *text)
{
	char *copy = *at;

	if (text == NULL)
		return NULL;
	memcpy(copy, text, strlen(text) + 1);
	*at += strlen(text) + 1;
	return copy;
}

static struct kept *
kept_new(const struct log_line *line)
{
	size_t texts = size_of(line->component) + size_of(line->function_name) +
		       size_of(line->invocation_id) + size_of(line->text) + size_of(line->detail);
	struct kept *kept = xcalloc(1, sizeof(*kept) + texts);
	char *at = kept->text;

	kept->bytes = sizeof(*kept) + texts;
	kept->line = *line;
	kept->line.component = copy_text(&at, line->component);
	kept->line.function_name = copy_text(&at, line->function_name);
	kept->line.invocation_id = copy_text(&at, line->invocation_id);
	kept->line.text = copy_text(&at, line->text);
	kept->line.detail = copy_text(&at, line->detail);
	return kept;
}

/* On any thread. */
static void
on_line(void *arg, const struct log_line *line)
{
	struct log_ring *ring = arg;
	struct kept *kept;
	bool first, room;

	if (line->function_name == NULL && !log_wanted(line->level))
		return;
	kept = kept_new(line);
	(void)pthread_mutex_lock(&ring->lock);
	first = ring->pending_count == 0;
	room = ring->pending_count < ring->config.pending_max;
	if (room) {
		TAILQ_INSERT_TAIL(&ring->pending, kept, link);
		ring->pending_count++;
	} else {
		ring->lost++;
	}
	(void)pthread_mutex_unlock(&ring->lock);
	if (!room)
		free(kept);
	if (first && eventfd_write(ring->wake_fd, 1) < 0)
		return; /* full: it is readable already */
}

static struct voice *
voice_find(struct log_ring *ring, const char *function_name)
{
	struct hash_node *node = hash_find(&ring->voices, bytes_of_string(function_name));

	return node != NULL ? HASH_OWNER(node, struct voice, node) : NULL;
}

static struct voice *
voice_of(struct log_ring *ring, const char *function_name)
{
	struct voice *voice = voice_find(ring, function_name);

	if (voice != NULL)
		return voice;
	voice = xcalloc(1, sizeof(*voice));
	voice->function_name = function_name != NULL ? xstrdup(function_name) : NULL;
	TAILQ_INIT(&voice->lines);
	hash_insert(&ring->voices, &voice->node, bytes_of_string(voice->function_name));
	return voice;
}

static void
drop(struct log_ring *ring, struct kept *kept)
{
	struct voice *voice = kept->voice;

	TAILQ_REMOVE(&ring->all, kept, link);
	TAILQ_REMOVE(&voice->lines, kept, mine);
	ring->bytes -= kept->bytes;
	free(kept);
	if (--voice->count > 0)
		return;
	hash_remove(&ring->voices, &voice->node);
	free(voice->function_name);
	free(voice);
}

static void
tell_followers(struct log_ring *ring, const struct log_line *line)
{
	struct log_follower *follower = TAILQ_FIRST(&ring->followers);

	while (follower != NULL) {
		ring->next_follower = TAILQ_NEXT(follower, link);
		if (follower->function_name == NULL ||
		    (line->function_name != NULL &&
			strcmp(follower->function_name, line->function_name) == 0))
			follower->line(follower->arg, line);
		follower = ring->next_follower;
	}
}

static void
keep(struct log_ring *ring, struct kept *kept)
{
	struct voice *voice = voice_of(ring, kept->line.function_name);

	kept->voice = voice;
	TAILQ_INSERT_TAIL(&ring->all, kept, link);
	TAILQ_INSERT_TAIL(&voice->lines, kept, mine);
	voice->count++;
	ring->bytes += kept->bytes;
	if (voice->count > ring->config.function_lines_max)
		drop(ring, TAILQ_FIRST(&voice->lines));
	tell_followers(ring, &kept->line);
	while (ring->bytes > ring->config.bytes_max && TAILQ_FIRST(&ring->all) != kept)
		drop(ring, TAILQ_FIRST(&ring->all));
}

static void
tell_lost(struct log_ring *ring, unsigned lost)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%u lines are left out here", lost);
	keep(ring, kept_new(&(struct log_line){ .level = LOG_LEVEL_WARN,
		       .time_ms = loop_wall_ms(ring->loop),
		       .component = "log",
		       .text = text }));
}

/* Takes what is pending over to the loop's side. */
static void
collect(struct log_ring *ring)
{
	struct kept_list taken = TAILQ_HEAD_INITIALIZER(taken);
	struct kept *kept;
	unsigned lost;

	(void)pthread_mutex_lock(&ring->lock);
	TAILQ_CONCAT(&taken, &ring->pending, link);
	ring->pending_count = 0;
	lost = ring->lost;
	ring->lost = 0;
	(void)pthread_mutex_unlock(&ring->lock);
	while ((kept = TAILQ_FIRST(&taken)) != NULL) {
		TAILQ_REMOVE(&taken, kept, link);
		keep(ring, kept);
	}
	if (lost > 0)
		tell_lost(ring, lost);
}

static void
on_wake(void *arg, bool readable, bool writable)
{
	struct log_ring *ring = arg;
	eventfd_t count;

	(void)readable;
	(void)writable;
	if (eventfd_read(ring->wake_fd, &count) == 0)
		collect(ring);
}

struct log_ring *
log_ring_new(struct loop *loop, const struct log_ring_config *config, struct err *err)
{
	struct log_ring *ring = xcalloc(1, sizeof(*ring));

	ring->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ring->wake_fd < 0) {
		free(ring);
		(void)err_errno(err, "make the log's wake-up");
		return NULL;
	}
	ring->loop = loop;
	ring->config = *config;
	(void)pthread_mutex_init(&ring->lock, NULL);
	TAILQ_INIT(&ring->pending);
	TAILQ_INIT(&ring->all);
	TAILQ_INIT(&ring->followers);
	watch_init(&ring->watch, loop, ring->wake_fd, on_wake, ring);
	watch_want(&ring->watch, true, false);
	log_tap(on_line, ring);
	return ring;
}

void
log_ring_free(struct log_ring *ring)
{
	if (ring == NULL)
		return;
	log_tap(NULL, NULL);
	collect(ring);
	while (!TAILQ_EMPTY(&ring->all))
		drop(ring, TAILQ_FIRST(&ring->all));
	hash_clear(&ring->voices);
	watch_clear(&ring->watch);
	(void)close(ring->wake_fd);
	(void)pthread_mutex_destroy(&ring->lock);
	free(ring);
}

/* The first of the last `count` lines. */
static struct kept *
start_of_last(struct kept_list *all, unsigned count)
{
	struct kept *kept = TAILQ_LAST(all, kept_list);
	struct kept *first = NULL;

	for (; kept != NULL && count > 0; kept = TAILQ_PREV(kept, kept_list, link), count--)
		first = kept;
	return first;
}

static struct kept *
start_of_voice(struct voice *voice, unsigned count)
{
	struct kept *kept = TAILQ_LAST(&voice->lines, kept_list);
	struct kept *first = NULL;

	for (; kept != NULL && count > 0; kept = TAILQ_PREV(kept, kept_list, mine), count--)
		first = kept;
	return first;
}

void
log_ring_last(struct log_ring *ring, const char *function_name, unsigned count,
    void (*line)(void *arg, const struct log_line *line), void *arg)
{
	struct voice *voice;
	struct kept *kept;

	collect(ring);
	if (function_name == NULL) {
		for (kept = start_of_last(&ring->all, count); kept != NULL;
		     kept = TAILQ_NEXT(kept, link))
			line(arg, &kept->line);
		return;
	}
	voice = voice_find(ring, function_name);
	if (voice == NULL)
		return;
	for (kept = start_of_voice(voice, count); kept != NULL; kept = TAILQ_NEXT(kept, mine))
		line(arg, &kept->line);
}

void
log_ring_follow(struct log_ring *ring, struct log_follower *follower)
{
	collect(ring);
	TAILQ_INSERT_TAIL(&ring->followers, follower, link);
	log_trace(true);
}

void
log_ring_unfollow(struct log_ring *ring, struct log_follower *follower)
{
	if (ring->next_follower == follower)
		ring->next_follower = TAILQ_NEXT(follower, link);
	TAILQ_REMOVE(&ring->followers, follower, link);
	log_trace(!TAILQ_EMPTY(&ring->followers));
}

static void
add_text(cJSON *object, const char *name, const char *text)
{
	if (text != NULL && cJSON_AddStringToObject(object, name, text) == NULL)
		abort();
}

void
log_line_json(const struct log_line *line, struct buf *out)
{
	cJSON *object = cJSON_CreateObject();
	time_t seconds = (time_t)(line->time_ms / 1000);
	char when[40], *text;
	struct tm tm;
	size_t len;

	(void)gmtime_r(&seconds, &tm);
	len = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(when + len, sizeof(when) - len, ".%03dZ", (int)(line->time_ms % 1000));
	add_text(object, "time", when);
	add_text(object, "level", log_level_name(line->level));
	add_text(object, "component", line->component);
	add_text(object, "function", line->function_name);
	add_text(object, "invocation", line->invocation_id);
	add_text(object, "message", line->text);
	add_text(object, "traceback", line->detail);
	text = cJSON_PrintUnformatted(object);
	if (text == NULL)
		abort();
	buf_append_string(out, text);
	buf_append_string(out, "\n");
	cJSON_free(text);
	cJSON_Delete(object);
}

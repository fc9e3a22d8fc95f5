/* SPDX-License-Identifier: MIT
 * Watching the folder of the functions. Events only say that something happened; what it was is
 * found by comparing the folder with what is known of it, so no event can be misread or missed.
 *
 * Known functions and the folder's list are both sorted by name: one walk over both finds what is
 * new, changed and gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/deploy.h"

enum {
	QUIET_US = 30000,	   /* after the last event */
	QUIET_LONGEST_US = 300000, /* after the first */
	MISSING_US = 500000,	   /* until a missing folder is looked for again */
};

#define FOLDER_EVENTS                                                                       \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB | \
	    IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct deploy {
	struct loop *loop;
	struct deploy_hooks hooks;
	char *folder;
	struct watch watch;
	struct timer timer;
	struct folder_list known;
	int64_t first_event_us; /* of those not looked at yet; 0: none */
	int fd;			/* of inotify */
	int folder_watch;	/* -1: the folder is missing */
};

static void
report(struct deploy *deploy, const struct folder_entry *entry)
{
	struct function_sources *sources = xmalloc(sizeof(*sources));
	struct err err;

	if (entry->problem != NULL)
		deploy->hooks.broken(deploy->hooks.arg, entry->name, entry->problem);
	else if (function_sources_read(deploy->folder, entry, sources, &err) < 0)
		deploy->hooks.broken(deploy->hooks.arg, entry->name, err.text);
	else {
		deploy->hooks.changed(deploy->hooks.arg, sources);
		function_sources_clear(sources);
	}
	free(sources);
}

static bool
is_same(const struct folder_entry *a, const struct folder_entry *b)
{
	return a->signature == b->signature && a->is_folder == b->is_folder &&
	       (a->problem == NULL) == (b->problem == NULL);
}

static void
compare_lists(
    struct deploy *deploy, const struct folder_list *known, const struct folder_list *list)
{
	size_t old = 0, new = 0;

	while (old < known->count || new < list->count) {
		int order = old == known->count ? 1
			    : new == list->count
				? -1
				: strcmp(known->entries[old].name, list->entries[new].name);

		if (order < 0) {
			deploy->hooks.removed(deploy->hooks.arg, known->entries[old].name);
		} else if (order > 0 || !is_same(&known->entries[old], &list->entries[new])) {
			report(deploy, &list->entries[new]);
		}
		old += order <= 0;
		new += order >= 0;
	}
}

/* Folders of functions and lib/ are watched too; adding a watch twice is once. */
static void
watch_below(struct deploy *deploy, const struct folder_list *list)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < list->count; i++) {
		if (!list->entries[i].is_folder)
			continue;
		snprintf(path, sizeof(path), "%s/%s", deploy->folder, list->entries[i].name);
		(void)inotify_add_watch(deploy->fd, path, FOLDER_EVENTS);
	}
	snprintf(path, sizeof(path), "%s/lib", deploy->folder);
	(void)inotify_add_watch(deploy->fd, path, FOLDER_EVENTS);
}

static void
watch_folder(struct deploy *deploy)
{
	if (deploy->folder_watch >= 0)
		return;
	deploy->folder_watch = inotify_add_watch(deploy->fd, deploy->folder, FOLDER_EVENTS);
	if (deploy->folder_watch < 0)
		timer_set(&deploy->timer, MISSING_US);
}

void
deploy_rescan(struct deploy *deploy)
{
	struct folder_list list = { 0 }, known = deploy->known;
	struct err err;

	deploy->first_event_us = 0;
	watch_folder(deploy);
	if (folder_list_read(deploy->folder, &list, &err) < 0) {
		/* Its functions go on serving: a folder that is moved is no wish to remove all. */
		timer_set(&deploy->timer, MISSING_US);
		return;
	}
	watch_below(deploy, &list);
	deploy->known = list;
	compare_lists(deploy, &known, &list);
	folder_list_clear(&known);
}

static void
quiet_ended(void *arg)
{
	deploy_rescan(arg);
}

static void
note_event(struct deploy *deploy, const struct inotify_event *event)
{
	bool gone = (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;

	if (gone && event->wd == deploy->folder_watch) {
		(void)inotify_rm_watch(deploy->fd, deploy->folder_watch);
		deploy->folder_watch = -1;
	}
}

static void
events_ready(void *arg, bool readable, bool writable)
{
	struct deploy *deploy = arg;
	char events[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	int64_t now_us = loop_now_us(deploy->loop);
	ssize_t got;

	(void)readable;
	(void)writable;
	while ((got = read(deploy->fd, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + got;) {
			const struct inotify_event *event = (const void *)at;

			note_event(deploy, event);
			at += sizeof(*event) + event->len;
		}
	}
	if (deploy->first_event_us == 0)
		deploy->first_event_us = now_us;
	if (now_us - deploy->first_event_us < QUIET_LONGEST_US)
		timer_set(&deploy->timer, QUIET_US);
}

struct deploy *
deploy_new(struct loop *loop, const char *folder, const struct deploy_hooks *hooks, struct err *err)
{
	struct deploy *deploy = xcalloc(1, sizeof(*deploy));
	struct stat stat;

	deploy->loop = loop;
	deploy->hooks = *hooks;
	deploy->folder = xstrdup(folder);
	deploy->folder_watch = -1;
	deploy->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (deploy->fd < 0) {
		(void)err_errno(err, "watch the folder %s", folder);
		deploy_free(deploy);
		return NULL;
	}
	timer_init(&deploy->timer, loop, quiet_ended, deploy);
	watch_init(&deploy->watch, loop, deploy->fd, events_ready, deploy);
	watch_want(&deploy->watch, true, false);
	if (fstatat(AT_FDCWD, folder, &stat, 0) < 0)
		log_warn("deploy",
		    "there is no folder %s: put functions there, or run moonlet init", folder);
	deploy_rescan(deploy);
	return deploy;
}

void
deploy_free(struct deploy *deploy)
{
	if (deploy == NULL)
		return;
	if (deploy->fd >= 0) {
		watch_clear(&deploy->watch);
		timer_clear(&deploy->timer);
		close(deploy->fd);
	}
	folder_list_clear(&deploy->known);
	free(deploy->folder);
	free(deploy);
}

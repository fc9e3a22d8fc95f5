/* SPDX-License-Identifier: MIT
 * Restoring the broker: two pages, one being read by the store thread while the other is taken.
 */
#include "runtime/restore.h"

#include <poll.h>

#include "lib/frame.h"
#include "lib/log.h"

enum { PAGE_ROWS = 4096, PAGE_BYTES = 1024 * 1024, PAGES = 2 };

/* Sessions come first: the others belong to them. */
static const enum space order[] = { SPACE_SESSION, SPACE_SUBSCRIPTION, SPACE_SESSION_MESSAGE,
	SPACE_RECEIVED, SPACE_RETAINED, SPACE_WILL };

enum { SPACES = sizeof(order) / sizeof(*order) };

struct page {
	struct store_job job;
	struct page *before; /* the page that was read before this one: where it goes on */
	size_t step;	     /* into `order`; SPACES: there is no more */
	struct buf from;     /* the first key of the next page */
	struct buf rows;     /* key and value, one after another, as frame fields */
	size_t count;
	bool ended; /* the space has no more rows */
	bool over;  /* the job is done */
};

struct restore {
	struct store *store;
	struct broker *broker;
	struct restore_figures *figures;
	struct page pages[PAGES];
};

static bool
page_add(void *arg, const struct txn_row *row)
{
	struct page *page = arg;

	frame_bytes(&page->rows, row->key);
	frame_bytes(&page->rows, row->value);
	page->count++;
	if (page->count < PAGE_ROWS && page->rows.len < PAGE_BYTES)
		return true;
	page->ended = false;
	buf_append_bytes(&page->from, row->key);
	buf_append_u8(&page->from, 0);
	return false;
}

static int
page_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)job;
	struct buf from = { 0 };
	struct txn_range range = { 0 };
	int result;

	page->step = page->before->step + (page->before->ended ? 1 : 0);
	page->ended = true;
	page->count = 0;
	buf_reset(&page->rows);
	if (page->step >= SPACES)
		return 0;
	if (!page->before->ended)
		buf_append_bytes(&from, buf_bytes(&page->before->from));
	buf_reset(&page->from);
	range.space = order[page->step];
	range.from = buf_bytes(&from);
	result = txn_scan(txn, &range, page_add, page, err);
	buf_clear(&from);
	return result;
}

static void
page_over(struct store_job *job)
{
	((struct page *)job)->over = true;
}

static void
page_submit(struct restore *restore, struct page *page)
{
	page->over = false;
	page->job.run = page_run;
	page->job.done = page_over;
	store_submit(restore->store, &page->job);
}

static int
page_await(struct restore *restore, struct page *page, struct err *err)
{
	while (!page->over) {
		struct pollfd fd = { .fd = store_fd(restore->store), .events = POLLIN };

		(void)poll(&fd, 1, -1);
		store_poll(restore->store);
	}
	if (page->job.status < 0)
		*err = page->job.err;
	return page->job.status;
}

static void
page_take(struct restore *restore, const struct page *page)
{
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));
	enum space space = order[page->step];

	for (size_t i = 0; i < page->count; i++) {
		struct bytes key = cursor_bytes(&cursor);
		struct bytes value = cursor_bytes(&cursor);

		if (broker_restore(restore->broker, space, key, value))
			restore->figures->rows[space]++;
		else
			restore->figures->unreadable++;
	}
}

/* While a page is taken here, the store thread reads on into the other one. */
static int
take_all(struct restore *restore, struct err *err)
{
	size_t at = 0;

	page_submit(restore, &restore->pages[0]);
	for (;;) {
		struct page *page = &restore->pages[at], *next = &restore->pages[1 - at];

		if (page_await(restore, page, err) < 0)
			return -1;
		next->before = page;
		if (page->step >= SPACES)
			return 0;
		page_submit(restore, next);
		page_take(restore, page);
		at = 1 - at;
	}
}

int
restore_broker(
    struct store *store, struct broker *broker, struct restore_figures *figures, struct err *err)
{
	struct page start = { .step = 0 };
	struct restore restore = { .store = store, .broker = broker, .figures = figures };
	int result;

	*figures = (struct restore_figures){ 0 };
	restore.pages[0].before = &start;
	result = take_all(&restore, err);
	for (int i = 0; i < PAGES; i++) {
		buf_clear(&restore.pages[i].from);
		buf_clear(&restore.pages[i].rows);
	}
	if (figures->unreadable > 0)
		log_warn("store",
		    "%zu rows of sessions and messages do not decode and are left "
		    "as they are",
		    figures->unreadable);
	if (result == 0)
		broker_restored(broker);
	return result;
}

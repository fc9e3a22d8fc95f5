/* SPDX-License-Identifier: MIT
 * GET /v1/logs: the last lines and, with follow=1, those to come, as JSON lines.
 */
#include <stdlib.h>

#include "runtime/api/api_parts.h"
#include "runtime/log_ring.h"

enum { LINES_DEFAULT = 100, LINES_MAX = 100000 };

/* One who follows. */
struct reader {
	struct log_follower follower;
	struct log_ring *ring;
	struct http_exchange *exchange;
	char *function_name;
};

static void
on_line(void *arg, const struct log_line *line)
{
	struct reader *reader = arg;
	struct buf json = { 0 };

	log_line_json(line, &json);
	http_exchange_send(reader->exchange, buf_bytes(&json));
	buf_clear(&json);
}

static void
reader_free(struct reader *reader)
{
	free(reader->function_name);
	free(reader);
}

static void
on_gone(void *arg)
{
	struct reader *reader = arg;

	log_ring_unfollow(reader->ring, &reader->follower);
	reader_free(reader);
}

static void
on_collect(void *arg, const struct log_line *line)
{
	log_line_json(line, arg);
}

static void
get_logs(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct log_ring *ring = api->parts.log_ring;
	unsigned count = api_query_number(exchange, "lines", LINES_DEFAULT, LINES_MAX);
	bool follow = api_query_number(exchange, "follow", 0, 1) == 1;
	struct http_answer answer = { .status = 200, .content_type = "application/x-ndjson" };
	char *function_name = api_query_string(exchange, "function");
	struct reader *reader;
	struct buf lines = { 0 };

	log_ring_last(ring, function_name, count, on_collect, &lines);
	if (!follow) {
		answer.body = buf_bytes(&lines);
		http_exchange_respond(exchange, &answer);
		free(function_name);
	} else {
		reader = xcalloc(1, sizeof(*reader));
		reader->ring = ring;
		reader->exchange = exchange;
		reader->function_name = function_name;
		reader->follower = (struct log_follower){
			.function_name = function_name, .line = on_line, .arg = reader
		};
		log_ring_follow(ring, &reader->follower);
		if (http_exchange_stream(exchange, &answer, on_gone, reader) < 0)
			on_gone(reader);
		else
			http_exchange_send(exchange, buf_bytes(&lines));
	}
	buf_clear(&lines);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/logs", get_logs, "lines=N, function=NAME, follow=1: JSON lines" },
};

const struct api_table api_logs_table = { routes, sizeof(routes) / sizeof(routes[0]) };

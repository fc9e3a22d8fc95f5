/* SPDX-License-Identifier: MIT
 * Plays the wire tests, tests/wire/<chapter>-<what>.txt: bytes that clients send and what must come
 * back, byte for byte. Each file meets a broker of its own. One step a line:
 *
 *   A > 10 [ ("MQTT") 04 02 003c ("a") ]    client A sends; it connects with its first line
 *   A < 20 02 00 00                         must come next, and nothing else before it
 *   A < closed                              the server closes
 *   A close                                 the client closes, without a word
 *   advance 90                              the clock moves, by seconds
 *   restart                                 the server dies, and starts with what was durable
 *   hold store | release store              what is to be written takes its time
 *   fail store | repair store               it cannot be written
 *   hold acks | release acks | fail acks    functions have not finished; have; have failed (0x97)
 *   pause clients | resume clients          the functions' queues are full: who publishes waits
 *   hold logins | release logins            nobody is let in yet; all who wait are
 *   fail logins                             all who wait are refused (0x87)
 *   deny ACTION TOPIC                       connect, publish, retain, subscribe, receive: from now
 *                                           on nobody may do this
 *   limit NAME VALUE                        a limit of the broker, which is started anew with it
 *
 * Bytes are hex digits and "text"; `?` is any byte; `[ ]` puts the length of what stands inside in
 * front as a variable byte integer, `( )` as two bytes. `#` begins a comment. At the end no client
 * may have anything unread.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/broker_world.h"

enum { CLIENTS = 26, LINE_BYTES = 4096, NEST_MAX = 8, WAIT_MS = 60000, QUIET_TURNS = 8 };

struct wire_peer {
	int fd; /* -1: not connected */
	bool closed;
	struct buf in;
};

struct player {
	struct world world;
	struct wire_peer peers[CLIENTS];
	const char *path;
	int line;
	bool failed;
};

struct pattern {
	struct buf bytes;
	struct buf wild; /* a byte for each: 1 where anything goes */
};

static void
complain(struct player *player, const char *text)
{
	(void)fprintf(stderr, "%s:%d: %s\n", player->path, player->line, text);
	player->failed = true;
}

static void
put(struct pattern *pattern, uint8_t byte, bool wild)
{
	buf_append_u8(&pattern->bytes, byte);
	buf_append_u8(&pattern->wild, wild);
}

static void
insert(struct pattern *pattern, size_t at, const uint8_t *bytes, size_t count)
{
	size_t tail = pattern->bytes.len - at;

	for (size_t i = 0; i < count; i++)
		put(pattern, 0, false);
	memmove(pattern->bytes.data + at + count, pattern->bytes.data + at, tail);
	memmove(pattern->wild.data + at + count, pattern->wild.data + at, tail);
	memcpy(pattern->bytes.data + at, bytes, count);
	memset(pattern->wild.data + at, 0, count);
}

/* Puts the length of what stands behind `at` in front of it. */
static void
close_bracket(struct pattern *pattern, size_t at, char bracket)
{
	size_t len = pattern->bytes.len - at, count = 0;
	uint8_t out[4];

	if (bracket == ')') {
		out[count++] = (uint8_t)(len >> 8);
		out[count++] = (uint8_t)len;
	} else {
		do {
			out[count++] = (uint8_t)(len % 128 | (len >= 128 ? 128 : 0));
			len /= 128;
		} while (len > 0);
	}
	insert(pattern, at, out, count);
}

static int
digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Reads one element; NULL where it is none. */
static const char *
read_element(struct pattern *pattern, const char *at, size_t *opened, int *depth)
{
	if (*at == '"') {
		for (at++; *at != '"' && *at != '\0'; at++)
			put(pattern, (uint8_t)*at, false);
		return *at == '"' ? at + 1 : NULL;
	}
	if (*at == '?') {
		put(pattern, 0, true);
		return at + 1;
	}
	if ((*at == '[' || *at == '(') && *depth < NEST_MAX) {
		opened[(*depth)++] = pattern->bytes.len;
		return at + 1;
	}
	if ((*at == ']' || *at == ')') && *depth > 0) {
		close_bracket(pattern, opened[--(*depth)], *at);
		return at + 1;
	}
	if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]))
		return NULL;
	put(pattern, (uint8_t)(digit(at[0]) << 4 | digit(at[1])), false);
	return at + 2;
}

static bool
read_pattern(struct player *player, const char *text, struct pattern *pattern)
{
	size_t opened[NEST_MAX];
	int depth = 0;

	while (text != NULL && *text != '\0' && *text != '#') {
		if (isspace((unsigned char)*text))
			text++;
		else
			text = read_element(pattern, text, opened, &depth);
	}
	if (text == NULL || depth != 0)
		complain(player, "these are no bytes");
	return text != NULL && depth == 0;
}

static void
nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	(void)nanosleep(&ms, NULL);
}

static void
receive(struct wire_peer *peer)
{
	uint8_t some[8192];
	ssize_t got;

	while (peer->fd >= 0 && !peer->closed) {
		got = recv(peer->fd, some, sizeof(some), MSG_DONTWAIT);
		if (got > 0)
			buf_append(&peer->in, some, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			peer->closed = true;
		else
			return;
	}
}

static void
settle(struct player *player)
{
	for (int i = 0; i < QUIET_TURNS; i++)
		world_turn(&player->world);
	for (int i = 0; i < CLIENTS; i++)
		receive(&player->peers[i]);
}

static void
print_bytes(const char *what, const uint8_t *bytes, size_t len)
{
	(void)fprintf(stderr, "  %s", what);
	for (size_t i = 0; i < len; i++)
		(void)fprintf(stderr, " %02x", bytes[i]);
	(void)fprintf(stderr, "\n");
}

static bool
matches(const struct pattern *pattern, const struct buf *in, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pattern->wild.data[i] == 0 && pattern->bytes.data[i] != in->data[i])
			return false;
	return true;
}

static void
expect_bytes(struct player *player, struct wire_peer *peer, const struct pattern *pattern)
{
	size_t len = pattern->bytes.len, have;

	for (int ms = 0; peer->in.len < len && !peer->closed && ms < WAIT_MS; ms++) {
		settle(player);
		if (peer->in.len < len)
			nap();
	}
	have = peer->in.len < len ? peer->in.len : len;
	if (have == len && matches(pattern, &peer->in, len)) {
		buf_drain(&peer->in, len);
		return;
	}
	complain(player, have < len ? "less came than was expected" : "something else came");
	print_bytes("expected:", pattern->bytes.data, len);
	print_bytes("came:    ", peer->in.data, peer->in.len);
}

static void
expect_closed(struct player *player, struct wire_peer *peer)
{
	for (int ms = 0; !peer->closed && ms < WAIT_MS; ms++) {
		settle(player);
		if (!peer->closed)
			nap();
	}
	if (!peer->closed)
		complain(player, "the server did not close");
	if (peer->in.len > 0) {
		complain(player, "something came before the end");
		print_bytes("came:    ", peer->in.data, peer->in.len);
	}
	(void)close(peer->fd);
	buf_clear(&peer->in);
	*peer = (struct wire_peer){ .fd = -1 };
}

static void
send_bytes(struct player *player, struct wire_peer *peer, const struct pattern *pattern)
{
	if (peer->fd < 0)
		peer->fd = world_connect(&player->world);
	if (send(peer->fd, pattern->bytes.data, pattern->bytes.len, MSG_NOSIGNAL) < 0)
		complain(player, strerror(errno));
	settle(player);
}

static void
client_step(struct player *player, struct wire_peer *peer, const char *step)
{
	struct pattern pattern = { 0 };

	if (strncmp(step, "close", 5) == 0) {
		(void)close(peer->fd);
		buf_clear(&peer->in);
		*peer = (struct wire_peer){ .fd = -1 };
		settle(player);
	} else if (step[0] == '<' && strncmp(step + 1 + strspn(step + 1, " "), "closed", 6) == 0) {
		expect_closed(player, peer);
	} else if ((step[0] != '<' && step[0] != '>')) {
		complain(player, "this is no step");
	} else if (read_pattern(player, step + 1, &pattern)) {
		if (step[0] == '>')
			send_bytes(player, peer, &pattern);
		else
			expect_bytes(player, peer, &pattern);
	}
	buf_clear(&pattern.bytes);
	buf_clear(&pattern.wild);
}

static void
restart(struct player *player)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct wire_peer *peer = &player->peers[i];

		if (peer->fd >= 0)
			(void)close(peer->fd);
		buf_clear(&peer->in);
		*peer = (struct wire_peer){ .fd = -1 };
	}
	world_restart(&player->world);
}

static void
set_limit(struct player *player, const char *name, unsigned long value)
{
	struct broker_config *config = &player->world.config;

	if (strcmp(name, "receive_maximum") == 0)
		config->receive_maximum = (uint16_t)value;
	else if (strcmp(name, "queued_messages") == 0)
		config->queued_messages_max = (uint32_t)value;
	else if (strcmp(name, "keep_alive") == 0)
		config->keep_alive_s_max = (uint16_t)value;
	else if (strcmp(name, "inflight") == 0)
		config->inflight_maximum = (uint16_t)value;
	else if (strcmp(name, "session_expiry") == 0)
		config->session_expiry_s_max = (uint32_t)value;
	else if (strcmp(name, "retained") == 0)
		config->retained_max = (uint32_t)value;
	else if (strcmp(name, "messages_per_s") == 0)
		config->messages_per_s_max = (uint32_t)value;
	else if (strcmp(name, "bytes_per_s") == 0)
		config->bytes_per_s_max = value;
	else if (strcmp(name, "subscriptions") == 0)
		config->subscriptions_max = (uint32_t)value;
	else if (strcmp(name, "subscriptions_total") == 0)
		config->subscriptions_total_max = (uint32_t)value;
	else if (strcmp(name, "sessions") == 0)
		config->sessions_max = (uint32_t)value;
	else if (strcmp(name, "topic_bytes") == 0)
		config->topic_bytes_max = (uint32_t)value;
	else if (strcmp(name, "topic_levels") == 0)
		config->topic_levels_max = (uint32_t)value;
	else if (strcmp(name, "kept_bytes") == 0)
		config->kept_bytes_max = value;
	else if (strcmp(name, "input_bytes") == 0)
		config->input_bytes_max = value;
	else if (strcmp(name, "clients") == 0)
		config->clients_max = (uint32_t)value;
	else
		complain(player, "there is no such limit");
	restart(player);
}

static void
hold(struct player *player, const char *verb, const char *what)
{
	struct world *world = &player->world;

	if (strcmp(what, "store") == 0) {
		world->store_is_held = strcmp(verb, "hold") == 0;
		world->store_status = strcmp(verb, "fail") == 0 ? -1 : 0;
	} else if (strcmp(what, "acks") == 0) {
		world->acks_are_held = strcmp(verb, "hold") == 0;
		if (!world->acks_are_held)
			world_release_acks(
			    world, strcmp(verb, "fail") == 0 ? MQTT_QUOTA_EXCEEDED : 0);
	} else if (strcmp(what, "logins") == 0) {
		world->logins_are_held = strcmp(verb, "hold") == 0;
		if (!world->logins_are_held)
			world_release_logins(
			    world, strcmp(verb, "fail") == 0 ? MQTT_NOT_AUTHORIZED : 0);
	} else if (strcmp(what, "clients") == 0) {
		world->pauses_clients = strcmp(verb, "pause") == 0;
		if (!world->pauses_clients)
			broker_resume(world->broker);
	} else {
		complain(player, "this is no step");
	}
	settle(player);
}

static void
deny(struct player *player, const char *action, const char *topic)
{
	static const char *const actions[] = {
		[BROKER_ACTION_CONNECT] = "connect",
		[BROKER_ACTION_PUBLISH] = "publish",
		[BROKER_ACTION_RETAIN] = "retain",
		[BROKER_ACTION_SUBSCRIBE] = "subscribe",
		[BROKER_ACTION_RECEIVE] = "receive",
	};
	struct world *world = &player->world;
	struct world_denied *denied = &world->denied[world->denied_count];

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(action, actions[i]) != 0 || world->denied_count == WORLD_DENIED_MAX)
			continue;
		denied->action = (enum broker_action)i;
		(void)snprintf(denied->topic, sizeof(denied->topic), "%s", topic);
		world->denied_count++;
		broker_recheck(world->broker);
		settle(player);
		return;
	}
	complain(player, "there is no such action");
}

static void
world_step(struct player *player, const char *line)
{
	char verb[32] = "", what[32] = "", rest[64] = "";
	int fields = sscanf(line, "%31s %31s %63s", verb, what, rest);

	if (strcmp(verb, "advance") == 0 && fields >= 2) {
		settle(player);
		world_advance(strtoll(what, NULL, 10) * 1000000);
		settle(player);
	} else if (strcmp(verb, "restart") == 0) {
		restart(player);
	} else if (strcmp(verb, "limit") == 0 && fields == 3) {
		set_limit(player, what, strtoul(rest, NULL, 10));
	} else if (strcmp(verb, "deny") == 0 && fields == 3) {
		deny(player, what, rest);
	} else {
		hold(player, verb, what);
	}
}

static void
play_line(struct player *player, const char *line)
{
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '\n' || *line == '#')
		return;
	if (isupper((unsigned char)line[0]) && line[1] == ' ')
		client_step(
		    player, &player->peers[line[0] - 'A'], line + 1 + strspn(line + 1, " "));
	else
		world_step(player, line);
}

static void
finish(struct player *player)
{
	settle(player);
	for (int i = 0; i < CLIENTS; i++) {
		struct wire_peer *peer = &player->peers[i];

		if (!player->failed && peer->in.len > 0) {
			complain(player, "a client has something unread");
			print_bytes("came:    ", peer->in.data, peer->in.len);
		}
		if (peer->fd >= 0)
			(void)close(peer->fd);
		buf_clear(&peer->in);
	}
	world_clear(&player->world);
}

static bool
play(const char *path)
{
	struct player *player = xcalloc(1, sizeof(*player));
	FILE *file = fopen(path, "r");
	char line[LINE_BYTES];
	bool good;

	if (file == NULL) {
		perror(path);
		free(player);
		return false;
	}
	player->path = path;
	for (int i = 0; i < CLIENTS; i++)
		player->peers[i].fd = -1;
	world_init(&player->world);
	while (!player->failed && fgets(line, sizeof(line), file) != NULL) {
		player->line++;
		play_line(player, line);
	}
	finish(player);
	good = !player->failed;
	(void)fclose(file);
	free(player);
	return good;
}

static int
play_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort), played = 0, failed = 0;

	for (int i = 0; i < count; i++) {
		struct buf name = { 0 };

		buf_printf(&name, "%s/%s", path, entries[i]->d_name);
		if (strstr(entries[i]->d_name, ".txt") != NULL) {
			played++;
			failed += !play(buf_string(&name));
		}
		buf_clear(&name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	(void)printf("%d wire tests, %d failed\n", played, failed);
	return played == 0 || failed > 0;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char folder[512];
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += !play(argv[i]);
	if (argc > 1)
		return failed > 0;
	(void)snprintf(folder, sizeof(folder), "%s/tests/wire", srcdir != NULL ? srcdir : ".");
	return play_folder(folder);
}

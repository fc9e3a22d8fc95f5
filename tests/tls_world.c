/* SPDX-License-Identifier: MIT */
#include "tests/tls_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void
must(int result, const struct err *err)
{
	if (result == 0)
		return;
	(void)fprintf(stderr, "%s\n", err->text);
	abort();
}

static size_t
on_input(void *arg, struct bytes in)
{
	struct tls_end_state *end = arg;

	buf_append_bytes(&end->in, in);
	return in.len;
}

static void
on_ended(void *arg, const char *reason)
{
	struct tls_end_state *end = arg;

	end->conn = NULL;
	end->over = true;
	(void)snprintf(end->problem, sizeof(end->problem), "%s", reason);
}

static const struct conn_events events = { .input = on_input, .ended = on_ended };

static void
on_done(void *arg, struct tls_outcome *outcome)
{
	struct tls_end_state *end = arg;

	end->handshake = NULL;
	end->verified = outcome->verified;
	(void)snprintf(end->problem, sizeof(end->problem), "%s", outcome->problem);
	(void)snprintf(end->protocol, sizeof(end->protocol), "%s",
	    outcome->protocol != NULL ? outcome->protocol : "");
	end->failed = outcome->stream == NULL;
	if (end->failed)
		return;
	end->peer = outcome->stream->peer;
	end->conn = conn_open(end->world->group, outcome->stream, &events, end);
}

static void
make_context(struct tls_world *world, enum tls_end end, struct authority *signer,
    const struct certificate_wish *wish)
{
	struct tls_material material = { .side = end == END_SERVER ? TLS_SERVER : TLS_CLIENT,
		.lanes = tls_lanes(world->tls),
		.authorities = authority_pem(world->authority),
		.ask = true,
		.protocols = tls_protocols };
	struct buf certificate = { 0 }, key = { 0 };
	struct err err = { "" };

	if (wish != NULL) {
		must(authority_issue(signer, wish, &certificate, &key, &err), &err);
		material.certificate = buf_bytes(&certificate);
		material.key = buf_bytes(&key);
	}
	world->contexts[end] = tls_context_new(&material, &err);
	must(world->contexts[end] != NULL ? 0 : -1, &err);
	buf_clear(&certificate);
	buf_clear(&key);
}

static void
remove_folder(const char *folder)
{
	static const char *const names[] = { "ca.pem", "ca.key" };
	char path[128];

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

static struct authority *
make_authority(char folder[64])
{
	struct authority *authority;
	struct err err = { "" };

	strcpy(folder, "/tmp/moonlet-tls-XXXXXX");
	if (mkdtemp(folder) == NULL)
		abort();
	authority = authority_open(folder, (int64_t)time(NULL), &err);
	must(authority != NULL ? 0 : -1, &err);
	return authority;
}

static void
make_contexts(struct tls_world *world, const struct tls_world_config *config)
{
	const struct certificate_wish server = { .common_name = "host",
		.use = CERTIFICATE_SERVER,
		.names = { "localhost", "127.0.0.1" },
		.name_count = 2,
		.now_s = (int64_t)time(NULL) },
				      client = { .common_name = config->client,
					      .now_s = (int64_t)time(NULL) };
	struct authority *signer = world->authority;
	char folder[64];

	if (config->foreign)
		signer = make_authority(folder);
	make_context(world, END_SERVER, world->authority, &server);
	make_context(world, END_CLIENT, signer, config->client != NULL ? &client : NULL);
	if (!config->foreign)
		return;
	authority_free(signer);
	remove_folder(folder);
}

void
tls_world_open(struct tls_world *world, const struct tls_world_config *config)
{
	const struct tls_limits limits = { .threads = 2,
		.handshakes_max = 100,
		.handshake_ms_max =
		    config->handshake_ms_max != 0 ? config->handshake_ms_max : 10000 };
	struct err err = { "" };

	*world = (struct tls_world){ 0 };
	for (int i = 0; i < TLS_ENDS; i++)
		world->ends[i].world = world;
	world->authority = make_authority(world->folder);
	world->loop = loop_new(&sys_posix, &err);
	must(world->loop != NULL ? 0 : -1, &err);
	world->group = conn_group_new(world->loop);
	world->tls = tls_new(world->loop, &limits, &err);
	must(world->tls != NULL ? 0 : -1, &err);
	make_contexts(world, config);
}

void
tls_world_turn(struct tls_world *world)
{
	struct err err = { "" };

	must(loop_turn(world->loop, false, &err), &err);
}

void
tls_world_shake(struct tls_world *world, enum tls_end end, int fd, const char *host)
{
	const struct tls_request request = { .context = world->contexts[end],
		.fd = fd,
		.address = "test",
		.host = host,
		.done = on_done,
		.arg = &world->ends[end] };

	world->ends[end].handshake = tls_shake(world->tls, &request);
}

void
tls_world_settle(struct tls_world *world)
{
	struct err err = { "" };

	while (world->ends[0].handshake != NULL || world->ends[1].handshake != NULL)
		must(loop_turn(world->loop, true, &err), &err);
}

void
tls_world_hang_up(struct tls_world *world)
{
	for (int i = 0; i < TLS_ENDS; i++) {
		struct tls_end_state *end = &world->ends[i];

		if (end->handshake != NULL)
			tls_cancel(end->handshake);
		if (end->conn != NULL)
			conn_end(end->conn, false, "hung up");
		while (end->conn != NULL)
			tls_world_turn(world);
		peer_unref(end->peer);
		buf_clear(&end->in);
		*end = (struct tls_end_state){ .world = world };
	}
}

void
tls_world_close(struct tls_world *world)
{
	tls_world_hang_up(world);
	conn_group_free(world->group);
	for (int i = 0; i < TLS_ENDS; i++)
		tls_context_unref(world->contexts[i]);
	tls_free(world->tls);
	loop_free(world->loop);
	authority_free(world->authority);
	remove_folder(world->folder);
}

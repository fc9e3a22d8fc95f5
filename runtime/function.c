/* SPDX-License-Identifier: MIT
 * Versions come and go; bindings are swapped within one turn.
 */
#include "runtime/function.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "lib/sha.h"
#include "runtime/dispatch.h"
#include "runtime/pool.h"

enum { LOAD_TIMEOUT_MS = 2000 };

struct functions *
functions_new(struct host *host)
{
	struct functions *functions = xcalloc(1, sizeof(*functions));

	functions->host = host;
	TAILQ_INIT(&functions->unsent);
	TAILQ_INIT(&functions->unanswered);
	return functions;
}

struct function *
function_find(struct functions *functions, struct bytes name)
{
	struct hash_node *node = hash_find(&functions->map, name);

	return node != NULL ? HASH_OWNER(node, struct function, link) : NULL;
}

void
function_hold(struct function *function)
{
	function->refs++;
}

void
function_drop(struct function *function)
{
	assert(function->refs > 0);
	if (--function->refs > 0)
		return;
	hash_clear(&function->lanes);
	metrics_forget(function);
	free(function->problem);
	free(function);
}

void
version_hold(struct version *version)
{
	version->refs++;
}

void
version_drop(struct version *version)
{
	if (version == NULL)
		return;
	assert(version->refs > 0);
	if (--version->refs > 0)
		return;
	pool_forget(version->function->host->pool, version);
	buf_clear(&version->load);
	blob_unref(version->traced);
	buf_clear(&version->source);
	manifest_free(version->manifest);
	free(version->file);
	function_drop(version->function);
	free(version);
}

static struct function *
function_get(struct functions *functions, const char *name)
{
	struct function *function = function_find(functions, bytes_of_string(name));

	if (function != NULL)
		return function;
	function = xcalloc(1, sizeof(*function));
	function->host = functions->host;
	function->refs = 1;
	function->seed[0] = hash_keyed(functions->host->secret, bytes_of_string(name));
	function->seed[1] = hash_keyed(function->seed, bytes_of_string(name));
	function->home = functions->next_home++;
	strncpy(function->name, name, sizeof(function->name) - 1);
	hash_insert(&functions->map, &function->link, bytes_of_string(function->name));
	return function;
}

static void
set_problem(struct function *function, const char *problem)
{
	free(function->problem);
	function->problem = problem != NULL ? xstrdup(problem) : NULL;
}

static void
encode_load(
    struct version *version, const struct function_sources *sources, const struct options *options)
{
	struct buf *out = &version->load;
	size_t begun = frame_begin(out, HOST_LOAD);

	frame_u32(out, version->number);
	frame_u8(out, LOAD_FUNCTION);
	frame_string(out, version->function->name);
	frame_u32(out, (uint32_t)options_number(options, OPTION_MEMORY_BYTES));
	frame_u32(out, LOAD_TIMEOUT_MS);
	frame_u16(out, (uint16_t)sources->count);
	for (size_t i = 0; i < sources->count; i++) {
		frame_string(out, sources->files[i].path);
		frame_bytes(out, buf_bytes(&sources->files[i].source));
	}
	frame_finish(out, begun);
}

/* Over all that its image is made of, its libraries too. */
static void
make_hash(struct version *version, const struct function_sources *sources)
{
	uint8_t digest[SHA_256_BYTES];
	struct buf all = { 0 };

	for (size_t i = 0; i < sources->count; i++) {
		frame_string(&all, sources->files[i].path);
		frame_bytes(&all, buf_bytes(&sources->files[i].source));
	}
	sha_digest(SHA_256, buf_bytes(&all), digest);
	for (size_t i = 0; i < sizeof(version->hash) / 2; i++)
		(void)snprintf(version->hash + 2 * i, 3, "%02x", digest[i]);
	buf_clear(&all);
}

/* Where the memory bound stands in a LOAD frame: behind head, number, kind and name. */
static void
patch_memory(struct version *version)
{
	size_t at = FRAME_HEAD_BYTES + 4 + 1 + 4 + strlen(version->function->name);
	uint32_t bytes = version->manifest->memory_bytes_max;

	for (size_t i = 0; i < sizeof(bytes); i++)
		version->load.data[at + i] = (uint8_t)(bytes >> (8 * i));
}

/* Takes the version that was coming out, whatever becomes of it. */
static bool
arrived(struct version *version)
{
	struct function *function = version->function;
	struct functions *functions = function->host->functions;

	if (function->coming != version)
		return false;
	function->coming = NULL;
	functions->loading--;
	if (version->loader != NULL)
		TAILQ_REMOVE(&functions->unanswered, version, coming_link);
	else
		TAILQ_REMOVE(&functions->unsent, version, coming_link);
	return true;
}

void
function_deploy(struct functions *functions, const struct function_sources *sources)
{
	struct function *function = function_get(functions, sources->name);
	struct version *version = xcalloc(1, sizeof(*version));

	version->refs = 1;
	version->number = ++functions->next_version;
	version->function = function;
	function_hold(function);
	version->file = xstrdup(sources->files[0].path);
	buf_append_bytes(&version->source, buf_bytes(&sources->files[0].source));
	encode_load(version, sources, functions->host->options);
	make_hash(version, sources);
	if (function->coming != NULL) {
		struct version *overtaken = function->coming;

		(void)arrived(overtaken);
		version_drop(overtaken);
	}
	function->coming = version;
	functions->loading++;
	TAILQ_INSERT_TAIL(&functions->unsent, version, coming_link);
	pool_load_all(functions->host->pool);
}

static void
settle(struct functions *functions)
{
	void (*settled)(void *) = functions->settled;

	if (functions->loading > 0 || settled == NULL)
		return;
	functions->settled = NULL;
	settled(functions->settled_arg);
}

static void
unbind_all(struct function *function)
{
	struct version *version = function->current;

	for (size_t i = 0; version != NULL && i < version->manifest->trigger_count; i++) {
		if (function->bindings[i] != NULL)
			version->manifest->triggers[i].trigger->unbind(
			    function->host, function->bindings[i]);
		function->bindings[i] = NULL;
	}
}

static int
bind_all(struct function *function, struct version *version, struct err *err)
{
	const struct manifest *manifest = version->manifest;

	function->current = version;
	for (size_t i = 0; i < manifest->trigger_count; i++) {
		function->bindings[i] = manifest->triggers[i].trigger->bind(
		    function->host, function, manifest->triggers[i].spec, err);
		if (function->bindings[i] == NULL) {
			unbind_all(function);
			return err_prefix(err, "%s:%u", version->file,
			    manifest_line(
				buf_bytes(&version->source), manifest->triggers[i].trigger->name));
		}
	}
	return 0;
}

/* The new version's bindings for the old one's; the old ones again where that fails. */
static int
swap(struct function *function, struct version *version, struct err *err)
{
	struct version *old = function->current;
	struct err ignored;

	unbind_all(function);
	if (bind_all(function, version, err) < 0) {
		function->current = old;
		if (old != NULL && bind_all(function, old, &ignored) < 0)
			function->current = NULL;
		return -1;
	}
	version_drop(old);
	return 0;
}

static void
announce(const struct function *function, const struct version *version)
{
	struct buf on = { 0 };

	for (size_t i = 0; i < version->manifest->trigger_count; i++) {
		if (i > 0)
			buf_append_string(&on, ", ");
		buf_printf(&on, "%s ", version->manifest->triggers[i].trigger->name);
		version->manifest->triggers[i].trigger->describe(
		    version->manifest->triggers[i].spec, &on);
	}
	log_info("functions", "%s serves %s", function->name,
	    on.len > 0 ? buf_string(&on) : "when it is invoked by name");
	buf_clear(&on);
}

static void
fail(struct function *function, const char *problem)
{
	set_problem(function, problem);
	log_error("functions", "%s%s", problem,
	    function->current != NULL ? " (the version before goes on)" : "");
}

static struct manifest *
read_manifest(struct version *version, struct bytes json, struct err *err)
{
	struct host *host = version->function->host;
	const struct manifest_source source = { .file = version->file,
		.source = buf_bytes(&version->source),
		.json = json,
		.options = host->options,
		.triggers = host->triggers,
		.trigger_count = host->trigger_count };

	return manifest_new(&source, err);
}

/* Not when the first event waits for it. */
static void
prepare_http(const struct function *function, const struct version *version)
{
	struct http_client *client = function->host->http_client;
	struct err err;

	if (client != NULL && version->manifest->allow[ALLOW_HTTP].count > 0 &&
	    http_client_prepare(client, &err) < 0)
		log_warn("functions", "%s cannot send requests: %s", function->name, err.text);
}

void
function_loaded(struct version *version, uint32_t image_bytes, struct bytes manifest)
{
	struct function *function = version->function;
	struct functions *functions = function->host->functions;
	struct err err;

	version->image_bytes = image_bytes;
	if (version->manifest != NULL || !arrived(version))
		return; /* loaded again, in another worker */
	version->manifest = read_manifest(version, manifest, &err);
	if (version->manifest == NULL || swap(function, version, &err) < 0) {
		fail(function, err.text);
		version_drop(version);
	} else {
		set_problem(function, NULL);
		function->crashes = 0;
		backlog_attach(function);
		announce(function, version);
		prepare_http(function, version);
		if (version->manifest->memory_bytes_max !=
		    (uint32_t)options_number(function->host->options, OPTION_MEMORY_BYTES)) {
			patch_memory(version);
			pool_forget(function->host->pool, version);
		}
	}
	settle(functions);
}

void
function_refused(struct version *version, const char *message)
{
	struct function *function = version->function;
	struct functions *functions = function->host->functions;

	if (version->manifest != NULL || !arrived(version))
		return;
	fail(function, message);
	version_drop(version);
	settle(functions);
}

void
function_broken(struct functions *functions, const char *name, const char *problem)
{
	fail(function_get(functions, name), problem);
}

void
function_remove(struct functions *functions, const char *name)
{
	struct function *function = function_find(functions, bytes_of_string(name));

	if (function == NULL)
		return;
	if (function->coming != NULL) {
		struct version *coming = function->coming;

		(void)arrived(coming);
		version_drop(coming);
	}
	unbind_all(function);
	version_drop(function->current);
	function->current = NULL;
	function->removed = true;
	hash_remove(&functions->map, &function->link);
	dispatch_removed(function);
	log_info("functions", "%s is removed", function->name);
	function_drop(function);
	settle(functions);
}

void
functions_free(struct functions *functions)
{
	struct hash_node *node;

	if (functions == NULL)
		return;
	while ((node = hash_next(&functions->map, NULL)) != NULL) {
		struct function *function = HASH_OWNER(node, struct function, link);

		unbind_all(function);
		version_drop(function->coming);
		version_drop(function->current);
		hash_remove(&functions->map, node);
		function_drop(function);
	}
	hash_clear(&functions->map);
	free(functions);
}

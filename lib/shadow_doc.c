/* SPDX-License-Identifier: MIT
 * Requests on shadow documents: checked whole first, then merged, then told.
 */
#include "lib/shadow_doc.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_numbers.h"
#include "lib/json_text.h"
#include "lib/shadow_merge.h"
#include "lib/utf8.h"

static const char *const section_names[] = { "desired", "reported" };

enum { SECTIONS = sizeof(section_names) / sizeof(*section_names) };

/* What a request says besides its state. */
struct envelope {
	cJSON *root;	   /* owned; NULL where the payload is empty or no JSON */
	const char *token; /* borrowed from root; NULL: none */
	int64_t version;   /* -1: none */
};

struct refusal {
	int code;
	const char *text; /* NULL: of its code */
};

static const struct refusal code_texts[] = {
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 409, "Version conflict" },
	{ 413, "The payload exceeds the maximum size allowed" },
	{ 415, "Unsupported documented encoding; supported encoding is UTF-8" },
	{ 422, "Failed to process request" },
	{ 429, "Too many requests" },
	{ 500, "Internal service failure" },
};

/* --- text --- */

static cJSON *
member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void
put_json(struct buf *out, const cJSON *item)
{
	char *text = item != NULL ? cJSON_PrintUnformatted(item) : NULL;

	buf_append_string(out, text != NULL ? text : "{}");
	cJSON_free(text);
}

static void
put_quoted(struct buf *out, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	put_json(out, item);
	cJSON_Delete(item);
}

/* The members that every answer ends with. */
static void
put_tail(struct buf *out, const struct envelope *envelope, int64_t now_s)
{
	buf_printf(out, ",\"timestamp\":%lld", (long long)now_s);
	if (envelope->token != NULL) {
		buf_append_string(out, ",\"clientToken\":");
		put_quoted(out, envelope->token);
	}
	buf_append_u8(out, '}');
}

static void
put_document(struct buf *out, const struct shadow_doc *doc)
{
	buf_append_string(out, "\"state\":");
	put_json(out, doc->state);
	buf_append_string(out, ",\"metadata\":");
	put_json(out, doc->metadata);
	buf_printf(out, ",\"version\":%llu", (unsigned long long)doc->version);
}

/* --- the stored form --- */

static int
doc_take(struct shadow_doc *doc, cJSON *root)
{
	const cJSON *version = member(root, "version");
	const cJSON *time = member(root, "timestamp");

	if (!cJSON_IsNumber(version) || !cJSON_IsNumber(time))
		return -1;
	doc->version = (uint64_t)version->valuedouble;
	doc->time_s = (int64_t)time->valuedouble;
	doc->exists = !cJSON_IsTrue(member(root, "deleted"));
	if (!doc->exists)
		return 0;
	if (!cJSON_IsObject(member(root, "state")) || !cJSON_IsObject(member(root, "metadata")))
		return -1;
	doc->state = cJSON_DetachItemFromObjectCaseSensitive(root, "state");
	doc->metadata = cJSON_DetachItemFromObjectCaseSensitive(root, "metadata");
	return 0;
}

int
shadow_doc_read(struct shadow_doc *doc, struct bytes stored)
{
	cJSON *root = cJSON_ParseWithLength((const char *)stored.data, stored.len);
	int result;

	*doc = (struct shadow_doc){ 0 };
	json_numbers_keep(root, stored);
	result = doc_take(doc, root);
	if (result < 0)
		shadow_doc_clear(doc);
	cJSON_Delete(root);
	return result;
}

void
shadow_doc_write(const struct shadow_doc *doc, struct buf *out)
{
	buf_append_u8(out, '{');
	if (doc->exists)
		put_document(out, doc);
	else
		buf_printf(
		    out, "\"deleted\":true,\"version\":%llu", (unsigned long long)doc->version);
	buf_printf(out, ",\"timestamp\":%lld}", (long long)doc->time_s);
}

void
shadow_doc_clear(struct shadow_doc *doc)
{
	cJSON_Delete(doc->state);
	cJSON_Delete(doc->metadata);
	*doc = (struct shadow_doc){ 0 };
}

void
shadow_reply_clear(struct shadow_reply *reply)
{
	buf_clear(&reply->answer);
	buf_clear(&reply->delta);
	buf_clear(&reply->documents);
	buf_clear(&reply->previous);
	reply->created = false;
	reply->code = 0;
}

/* --- refusals --- */

static const char *
code_text(int code)
{
	for (size_t i = 0; i < sizeof(code_texts) / sizeof(*code_texts); i++) {
		if (code_texts[i].code == code)
			return code_texts[i].text;
	}
	return "Bad Request";
}

static int
refuse(struct shadow_reply *reply, const struct refusal *refusal, const struct envelope *envelope,
    int64_t now_s)
{
	reply->code = refusal->code;
	buf_printf(&reply->answer, "{\"code\":%d,\"message\":", refusal->code);
	put_quoted(
	    &reply->answer, refusal->text != NULL ? refusal->text : code_text(refusal->code));
	put_tail(&reply->answer, envelope, now_s);
	return refusal->code;
}

static struct refusal
bad(const char *text)
{
	return (struct refusal){ 400, text };
}

static struct refusal
refuse_envelope(const struct envelope *envelope)
{
	const cJSON *token = member(envelope->root, "clientToken");
	const cJSON *version = member(envelope->root, "version");

	if (token != NULL && envelope->token == NULL)
		return bad("Invalid clientToken");
	if (version != NULL && envelope->version < 0)
		return bad("Invalid version");
	return (struct refusal){ 0 };
}

static void
read_envelope(struct envelope *envelope)
{
	const cJSON *token = member(envelope->root, "clientToken");
	const cJSON *version = member(envelope->root, "version");

	if (cJSON_IsString(token) && strlen(token->valuestring) <= SHADOW_TOKEN_BYTES_MAX)
		envelope->token = token->valuestring;
	if (cJSON_IsNumber(version) && version->valuedouble >= 0 &&
	    version->valuedouble < 9007199254740992.0 &&
	    version->valuedouble == floor(version->valuedouble))
		envelope->version = (int64_t)version->valuedouble;
}

static bool
is_blank(const char *from, const char *end)
{
	while (from < end && strchr(" \t\r\n", *from) != NULL && *from != '\0')
		from++;
	return from == end;
}

/* Parses the payload. Whatever comes back, `envelope` is to be cleared by deleting its root. */
static struct refusal
envelope_open(struct envelope *envelope, struct bytes payload)
{
	const char *text = (const char *)payload.data, *end = NULL;
	size_t at;

	*envelope = (struct envelope){ .version = -1 };
	if (payload.len > SHADOW_STATE_BYTES_MAX)
		return (struct refusal){ 413, NULL };
	if (!utf8_is_valid(payload))
		return (struct refusal){ 415, NULL };
	envelope->root = cJSON_ParseWithLengthOpts(text, payload.len, &end, false);
	if (!cJSON_IsObject(envelope->root) || !is_blank(end, text + payload.len))
		return bad("Invalid JSON");
	if (json_text_is_valid(payload, &at) && !json_text_is_finite(payload))
		return bad("Invalid JSON: a number is too large");
	read_envelope(envelope);
	json_numbers_keep(envelope->root, payload);
	return refuse_envelope(envelope);
}

static struct refusal
refuse_section(const cJSON *section, const char *not_object)
{
	if (section == NULL || cJSON_IsNull(section))
		return (struct refusal){ 0 };
	if (!cJSON_IsObject(section))
		return bad(not_object);
	if (shadow_depth(section) > SHADOW_DEPTH_MAX)
		return bad("JSON contains too many levels of nesting; maximum is 8");
	return (struct refusal){ 0 };
}

static struct refusal
refuse_state(const cJSON *state)
{
	struct refusal refusal;
	const cJSON *item;

	if (state == NULL)
		return bad("Missing required node: state");
	if (!cJSON_IsObject(state))
		return bad("State node must be an object");
	refusal = refuse_section(member(state, "desired"), "Desired node must be an object");
	if (refusal.code == 0)
		refusal =
		    refuse_section(member(state, "reported"), "Reported node must be an object");
	cJSON_ArrayForEach(item, state)
	{
		if (refusal.code == 0 && strcmp(item->string, "desired") != 0 &&
		    strcmp(item->string, "reported") != 0)
			refusal = bad("State contains an invalid node");
	}
	return refusal;
}

/* --- update --- */

static cJSON *
object_in(cJSON *object, const char *name)
{
	cJSON *inner = member(object, name);

	return inner != NULL ? inner : cJSON_AddObjectToObject(object, name);
}

static void
drop_section(struct shadow_doc *doc, const char *name)
{
	cJSON_DeleteItemFromObjectCaseSensitive(doc->state, name);
	cJSON_DeleteItemFromObjectCaseSensitive(doc->metadata, name);
}

static void
merge_section(struct shadow_doc *doc, const char *name, const cJSON *patch, int64_t now_s)
{
	if (patch == NULL)
		return;
	if (cJSON_IsObject(patch))
		shadow_merge(
		    object_in(doc->state, name), object_in(doc->metadata, name), patch, now_s);
	if (cJSON_IsNull(patch) || member(doc->state, name)->child == NULL)
		drop_section(doc, name);
}

/* A copy of `doc` with the request in it. */
static struct shadow_doc
merged(const struct shadow_doc *doc, const cJSON *state, int64_t now_s)
{
	struct shadow_doc next = {
		.state = doc->exists ? cJSON_Duplicate(doc->state, true) : cJSON_CreateObject(),
		.metadata =
		    doc->exists ? cJSON_Duplicate(doc->metadata, true) : cJSON_CreateObject(),
		.version = doc->version + 1,
		.time_s = now_s,
		.exists = true,
	};

	for (int i = 0; i < SECTIONS; i++)
		merge_section(&next, section_names[i], member(state, section_names[i]), now_s);
	return next;
}

static size_t
state_bytes(const struct shadow_doc *doc)
{
	struct buf text = { 0 };
	size_t len;

	put_json(&text, doc->state);
	len = text.len;
	buf_clear(&text);
	return len;
}

static cJSON *
requested_metadata(const cJSON *state, int64_t now_s)
{
	cJSON *metadata = cJSON_CreateObject();

	for (int i = 0; i < SECTIONS; i++) {
		const cJSON *section = member(state, section_names[i]);

		if (section == NULL)
			continue;
		(void)cJSON_AddItemToObject(metadata, section_names[i],
		    cJSON_IsNull(section) ? cJSON_CreateNull() : shadow_stamp(section, now_s));
	}
	return metadata;
}

static void
tell_accepted(struct buf *out, const struct shadow_doc *doc, const struct envelope *envelope)
{
	const struct shadow_doc requested = {
		.state = member(envelope->root, "state"),
		.metadata = requested_metadata(member(envelope->root, "state"), doc->time_s),
		.version = doc->version,
	};

	buf_append_u8(out, '{');
	put_document(out, &requested);
	put_tail(out, envelope, doc->time_s);
	cJSON_Delete(requested.metadata);
}

static void
tell_delta(struct buf *out, const struct shadow_doc *doc, const struct envelope *envelope)
{
	struct shadow_doc delta = {
		.state = cJSON_CreateObject(),
		.metadata = cJSON_CreateObject(),
		.version = doc->version,
	};

	if (shadow_delta(
		member(doc->state, "desired"), member(doc->state, "reported"), delta.state)) {
		shadow_delta_metadata(
		    delta.state, member(doc->metadata, "desired"), delta.metadata);
		buf_append_u8(out, '{');
		put_document(out, &delta);
		put_tail(out, envelope, doc->time_s);
	}
	shadow_doc_clear(&delta);
}

static void
tell_documents(struct buf *out, const struct shadow_doc *previous, const struct shadow_doc *current,
    const struct envelope *envelope)
{
	buf_append_string(out, "{\"previous\":{");
	put_document(out, previous);
	buf_append_string(out, "},\"current\":{");
	put_document(out, current);
	buf_append_u8(out, '}');
	put_tail(out, envelope, current->time_s);
}

static bool
is_conflict(const struct shadow_doc *doc, const struct envelope *envelope)
{
	return envelope->version >= 0 && (uint64_t)envelope->version != doc->version;
}

/* A tombstone that is too old counts for nothing. */
static void
forget_tombstone(struct shadow_doc *doc, int64_t now_s)
{
	if (!doc->exists && now_s - doc->time_s > SHADOW_TOMBSTONE_S)
		doc->version = 0;
}

static struct refusal
try_update(
    struct shadow_doc *doc, struct shadow_doc *next, const struct envelope *envelope, int64_t now_s)
{
	struct refusal refusal = refuse_state(member(envelope->root, "state"));

	if (refusal.code != 0)
		return refusal;
	forget_tombstone(doc, now_s);
	if (is_conflict(doc, envelope))
		return (struct refusal){ 409, NULL };
	*next = merged(doc, member(envelope->root, "state"), now_s);
	if (state_bytes(next) > SHADOW_STATE_BYTES_MAX)
		return (struct refusal){ 413, NULL };
	return (struct refusal){ 0 };
}

int
shadow_doc_update(
    struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply)
{
	struct shadow_doc next = { 0 };
	struct envelope envelope;
	struct refusal refusal = envelope_open(&envelope, request->payload);

	if (refusal.code == 0)
		refusal = try_update(doc, &next, &envelope, request->now_s);
	if (refusal.code == 0) {
		tell_accepted(&reply->answer, &next, &envelope);
		tell_delta(&reply->delta, &next, &envelope);
		tell_documents(&reply->documents, doc, &next, &envelope);
		reply->created = !doc->exists;
		shadow_doc_clear(doc);
		*doc = next;
		next = (struct shadow_doc){ 0 };
	} else {
		(void)refuse(reply, &refusal, &envelope, request->now_s);
	}
	shadow_doc_clear(&next);
	cJSON_Delete(envelope.root);
	return refusal.code;
}

/* --- get, delete --- */

/* Get and delete may come with nothing at all. */
static struct refusal
open_optional(struct envelope *envelope, struct bytes payload)
{
	if (payload.len > 0)
		return envelope_open(envelope, payload);
	*envelope = (struct envelope){ .version = -1 };
	return (struct refusal){ 0 };
}

/* AWS names a named shadow by thing, tilde and name. */
static struct refusal
not_there(const struct shadow_request *request, struct buf *text)
{
	buf_append_string(text, "No shadow exists with name: '");
	buf_append_bytes(text, request->thing);
	if (request->name.len > 0) {
		buf_append_u8(text, '~');
		buf_append_bytes(text, request->name);
	}
	buf_append_u8(text, '\'');
	return (struct refusal){ 404, buf_string(text) };
}

static void
tell_state(struct buf *out, const struct shadow_doc *doc)
{
	cJSON *state = cJSON_Duplicate(doc->state, true);
	cJSON *delta = cJSON_CreateObject();
	struct shadow_doc told = *doc;

	if (shadow_delta(member(doc->state, "desired"), member(doc->state, "reported"), delta))
		(void)cJSON_AddItemToObject(state, "delta", delta);
	else
		cJSON_Delete(delta);
	told.state = state;
	put_document(out, &told);
	cJSON_Delete(state);
}

int
shadow_doc_get(
    const struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply)
{
	struct buf text = { 0 };
	struct envelope envelope;
	struct refusal refusal = open_optional(&envelope, request->payload);

	if (refusal.code == 0 && !doc->exists)
		refusal = not_there(request, &text);
	if (refusal.code != 0) {
		(void)refuse(reply, &refusal, &envelope, request->now_s);
	} else {
		buf_append_u8(&reply->answer, '{');
		tell_state(&reply->answer, doc);
		put_tail(&reply->answer, &envelope, request->now_s);
	}
	buf_clear(&text);
	cJSON_Delete(envelope.root);
	return refusal.code;
}

static void
bury(struct shadow_doc *doc, int64_t now_s)
{
	uint64_t version = doc->version;

	shadow_doc_clear(doc);
	doc->version = version;
	doc->time_s = now_s;
}

int
shadow_doc_delete(
    struct shadow_doc *doc, const struct shadow_request *request, struct shadow_reply *reply)
{
	struct buf text = { 0 };
	struct envelope envelope;
	struct refusal refusal = open_optional(&envelope, request->payload);

	if (refusal.code == 0 && !doc->exists)
		refusal = not_there(request, &text);
	else if (refusal.code == 0 && is_conflict(doc, &envelope))
		refusal = (struct refusal){ 409, NULL };
	if (refusal.code != 0) {
		(void)refuse(reply, &refusal, &envelope, request->now_s);
	} else {
		buf_append_u8(&reply->previous, '{');
		put_document(&reply->previous, doc);
		buf_append_u8(&reply->previous, '}');
		bury(doc, request->now_s);
		buf_printf(&reply->answer, "{\"version\":%llu", (unsigned long long)doc->version);
		put_tail(&reply->answer, &envelope, request->now_s);
	}
	buf_clear(&text);
	cJSON_Delete(envelope.root);
	return refusal.code;
}

void
shadow_reply_refuse(struct shadow_reply *reply, const struct shadow_request *request, int code,
    const char *text)
{
	struct envelope envelope;

	(void)open_optional(&envelope, request->payload);
	(void)refuse(reply, &(struct refusal){ code, text }, &envelope, request->now_s);
	cJSON_Delete(envelope.root);
}

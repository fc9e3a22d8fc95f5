/* SPDX-License-Identifier: MIT
 * Users and tokens.
 */
#include "runtime/access/credentials.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "lib/sha.h"
#include "runtime/access/access.h"
#include "runtime/host.h"

const char token_prefix[] = "mlt_";
const char *const credential_kinds[CREDENTIAL_KINDS] = { "user", "token" };

struct credentials {
	struct host *host;
	struct hash_map map;	/* by text */
	struct hash_map tokens; /* by secret */
	size_t unreadable;	/* at start */
};

/* --- texts --- */

bool
token_is_ours(struct bytes text)
{
	size_t len = sizeof(token_prefix) - 1;

	return text.len > len && memcmp(text.data, token_prefix, len) == 0;
}

bool
credential_name_is_valid(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t byte = name.data[i];

		if (!((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') &&
		    !(byte >= '0' && byte <= '9') && strchr("_-.@+", byte) == NULL)
			return false;
	}
	return name.len > 0 && name.len <= CREDENTIAL_NAME_BYTES_MAX &&
	       memchr(name.data, 0, name.len) == NULL;
}

static void
write_text(enum credential_kind kind, struct bytes name, struct buf *out)
{
	buf_printf(out, "%s:", credential_kinds[kind]);
	buf_append_bytes(out, name);
}

void
token_write(const uint8_t secret[TOKEN_SECRET_BYTES], char text[TOKEN_TEXT_BYTES])
{
	struct buf out = { 0 };

	buf_append_string(&out, token_prefix);
	base64_encode(bytes_of(secret, TOKEN_SECRET_BYTES), &out);
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '+')
			out.data[i] = '-';
		else if (out.data[i] == '/')
			out.data[i] = '_';
		else if (out.data[i] == '=')
			out.len = i;
	}
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	explicit_bzero(out.data, out.len);
	buf_clear(&out);
}

void
token_digest(struct bytes token, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA_256_BYTES];

	sha_digest(SHA_256, token, digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[64] = '\0';
}

/* --- memory --- */

static void
credential_free(struct credential *credential)
{
	free(credential->text);
	free(credential->secret);
	free(credential);
}

static struct credential *
find(const struct credentials *credentials, struct bytes text)
{
	struct hash_node *node = hash_find(&credentials->map, text);

	return node != NULL ? HASH_OWNER(node, struct credential, link) : NULL;
}

static void
drop(struct credentials *credentials, struct bytes text)
{
	struct credential *credential = find(credentials, text);

	if (credential == NULL)
		return;
	hash_remove(&credentials->map, &credential->link);
	if (credential->kind == CREDENTIAL_TOKEN)
		hash_remove(&credentials->tokens, &credential->by_secret);
	credential_free(credential);
}

static const char *
text_of(const cJSON *row, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));

	return text != NULL ? text : "";
}

static int64_t
number_of(const cJSON *row, const char *name)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(row, name);

	return cJSON_IsNumber(number) ? (int64_t)number->valuedouble : 0;
}

/* In place of what is there. */
static void
insert(struct credentials *credentials, struct credential *credential)
{
	drop(credentials, bytes_of_string(credential->text));
	hash_insert(&credentials->map, &credential->link, bytes_of_string(credential->text));
	if (credential->kind == CREDENTIAL_TOKEN)
		hash_insert(&credentials->tokens, &credential->by_secret,
		    bytes_of_string(credential->secret));
}

static bool
take(struct credentials *credentials, struct bytes key, struct bytes value)
{
	cJSON *row = cJSON_ParseWithLength((const char *)value.data, value.len);
	const char *secret = text_of(row, "secret");
	struct credential *credential;
	bool good = secret[0] != '\0';

	for (size_t kind = 0; good && kind < CREDENTIAL_KINDS; kind++) {
		size_t len = strlen(credential_kinds[kind]);

		if (key.len <= len || memcmp(key.data, credential_kinds[kind], len) != 0 ||
		    key.data[len] != ':')
			continue;
		credential = xcalloc(1, sizeof(*credential));
		credential->kind = (enum credential_kind)kind;
		credential->text = bytes_to_string(key);
		credential->name = credential->text + len + 1;
		credential->secret = bytes_to_string(bytes_of_string(secret));
		credential->created_ms = number_of(row, "created");
		credential->expires_ms = number_of(row, "expires");
		insert(credentials, credential);
		cJSON_Delete(row);
		return true;
	}
	cJSON_Delete(row);
	return false;
}

struct credentials *
credentials_new(struct host *host)
{
	struct credentials *credentials = xcalloc(1, sizeof(*credentials));

	credentials->host = host;
	return credentials;
}

void
credentials_free(struct credentials *credentials)
{
	struct hash_node *node;

	if (credentials == NULL)
		return;
	while ((node = hash_next(&credentials->map, NULL)) != NULL)
		drop(credentials, node->key);
	hash_clear(&credentials->map);
	hash_clear(&credentials->tokens);
	free(credentials);
}

const struct credential *
credentials_find(
    const struct credentials *credentials, enum credential_kind kind, struct bytes name)
{
	struct buf text = { 0 };
	const struct credential *found;

	write_text(kind, name, &text);
	found = find(credentials, buf_bytes(&text));
	buf_clear(&text);
	return found;
}

const struct credential *
credentials_find_token(const struct credentials *credentials, struct bytes token)
{
	char hex[65];
	struct hash_node *node;

	token_digest(token, hex);
	node = hash_find(&credentials->tokens, bytes_of_string(hex));
	return node != NULL ? HASH_OWNER(node, struct credential, by_secret) : NULL;
}

const struct credential *
credentials_next(const struct credentials *credentials, const struct credential *at)
{
	struct hash_node *node = hash_next(&credentials->map, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct credential, link) : NULL;
}

/* --- the store --- */

struct reading {
	struct store_job job;
	struct credentials *credentials;
};

static bool
read_row(void *arg, const struct txn_row *row)
{
	struct credentials *credentials = arg;

	if (!take(credentials, row->key, row->value))
		credentials->unreadable++;
	return true;
}

/* On the store's thread, while the loop's waits. */
static int
read_all(struct txn *txn, struct store_job *job, struct err *err)
{
	struct reading *reading = (struct reading *)(void *)job;
	const struct txn_range range = { .space = SPACE_CREDENTIAL };

	return txn_scan(txn, &range, read_row, reading->credentials, err);
}

static void
read_done(struct store_job *job)
{
	(void)job;
}

int
credentials_restore(struct credentials *credentials, struct err *err)
{
	struct reading reading = { .job = { .run = read_all, .done = read_done },
		.credentials = credentials };

	if (store_run(credentials->host->store, &reading.job, err) < 0)
		return err_prefix(err, "read users and tokens");
	if (credentials->unreadable > 0)
		log_warn("access", "%zu users or tokens cannot be read and are left as they are",
		    credentials->unreadable);
	return 0;
}

/* A change on its way to the disk. */
struct change {
	struct store_job again; /* what is stored, where the change was not */
	struct credentials *credentials;
	struct buf text;
	struct buf stored; /* the row; empty: there is none */
	void (*done)(void *arg, int status);
	void *arg;
};

static void
write_row(const struct credential *credential, struct buf *out)
{
	cJSON *row = cJSON_CreateObject();
	char *text;

	if (row == NULL || cJSON_AddStringToObject(row, "secret", credential->secret) == NULL ||
	    cJSON_AddNumberToObject(row, "created", (double)credential->created_ms) == NULL ||
	    cJSON_AddNumberToObject(row, "expires", (double)credential->expires_ms) == NULL ||
	    (text = cJSON_PrintUnformatted(row)) == NULL)
		abort();
	buf_append_string(out, text);
	cJSON_free(text);
	cJSON_Delete(row);
}

static void
change_free(struct change *change)
{
	buf_clear(&change->text);
	buf_clear(&change->stored);
	free(change);
}

static int
read_again(struct txn *txn, struct store_job *job, struct err *err)
{
	struct change *change = (struct change *)(void *)job;

	return txn_get(
		   txn, SPACE_CREDENTIAL, buf_bytes(&change->text), &change->stored, NULL, err) < 0
		   ? -1
		   : 0;
}

static void
was_read_again(struct store_job *job)
{
	struct change *change = (struct change *)(void *)job;

	/* Where not even that can be read, nobody gets in by what may not be there. */
	if (job->status < 0 || change->stored.len == 0)
		drop(change->credentials, buf_bytes(&change->text));
	else
		(void)take(
		    change->credentials, buf_bytes(&change->text), buf_bytes(&change->stored));
	access_changed(change->credentials->host);
	if (change->done != NULL)
		change->done(change->arg, -1);
	change_free(change);
}

static void
changed(void *arg, int status)
{
	struct change *change = arg;

	if (status < 0) {
		change->again = (struct store_job){ .run = read_again, .done = was_read_again };
		store_submit(change->credentials->host->store, &change->again);
		return;
	}
	if (change->done != NULL)
		change->done(change->arg, 0);
	change_free(change);
}

static struct change *
begin(struct credentials *credentials, enum credential_kind kind, struct bytes name)
{
	struct change *change = xcalloc(1, sizeof(*change));

	change->credentials = credentials;
	write_text(kind, name, &change->text);
	return change;
}

int
credentials_check(
    const struct credentials *credentials, const struct credential_wish *wish, struct err *err)
{
	bool is_there = credentials_find(credentials, wish->kind, wish->name) != NULL;

	if (!credential_name_is_valid(wish->name))
		return err_set(err,
		    "a name has 1 to %d letters, digits, \"_\", \"-\", \".\", \"@\" or \"+\"",
		    CREDENTIAL_NAME_BYTES_MAX);
	if (wish->is_new == is_there)
		return err_set(err,
		    is_there ? "the %s %.*s is there already" : "there is no %s %.*s",
		    credential_kinds[wish->kind], (int)wish->name.len,
		    (const char *)wish->name.data);
	if (wish->is_new && credentials->map.count >= CREDENTIALS_MAX)
		return err_set(err, "there are %d users and tokens: no more", CREDENTIALS_MAX);
	return 0;
}

int
credentials_put(struct credentials *credentials, const struct credential_wish *wish,
    void (*done)(void *arg, int status), void *arg, struct err *err)
{
	struct credential credential = { .secret = (char *)(uintptr_t)wish->secret,
		.created_ms = loop_wall_ms(credentials->host->loop),
		.expires_ms = wish->expires_ms };
	struct writes writes = { 0 };
	struct buf row = { 0 };
	struct change *change;

	if (credentials_check(credentials, wish, err) < 0)
		return -1;
	change = begin(credentials, wish->kind, wish->name);
	change->done = done;
	change->arg = arg;
	write_row(&credential, &row);
	(void)take(credentials, buf_bytes(&change->text), buf_bytes(&row));
	access_changed(credentials->host);
	writes_put(&writes, SPACE_CREDENTIAL, buf_bytes(&change->text), buf_bytes(&row));
	store_write(credentials->host->store, &writes, changed, change);
	buf_clear(&row);
	return 0;
}

int
credentials_delete(struct credentials *credentials, enum credential_kind kind, struct bytes name,
    void (*done)(void *arg, int status), void *arg)
{
	struct writes writes = { 0 };
	struct change *change;

	if (credentials_find(credentials, kind, name) == NULL)
		return -1;
	change = begin(credentials, kind, name);
	change->done = done;
	change->arg = arg;
	drop(credentials, buf_bytes(&change->text));
	access_changed(credentials->host);
	writes_delete(&writes, SPACE_CREDENTIAL, buf_bytes(&change->text));
	store_write(credentials->host->store, &writes, changed, change);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Passwords, on a thread of their own.
 */
#include "runtime/access/password.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_pool.h"

static const char prefix[] = "$y$"; /* yescrypt */

struct passwords {
	struct tls_pool *pool;
	struct crypt_data *data;		/* of the thread */
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE]; /* the salt under which no user's password stands */
	unsigned waiting;
};

struct check {
	struct tls_step step;
	struct passwords *passwords;
	void (*done)(void *arg, bool good);
	void *arg;
	bool is_nobody;
	bool good;
	char hash[PASSWORD_HASH_BYTES];
	char password[PASSWORD_BYTES_MAX + 1];
};

int
password_hash(const char *password, char *out, struct err *err)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = NULL;
	int result = 0;

	if (crypt_gensalt_rn(prefix, 0, NULL, 0, salt, sizeof(salt)) != NULL)
		hash = crypt_r(password, salt, data);
	if (hash == NULL || hash[0] == '*' || strlen(hash) >= PASSWORD_HASH_BYTES)
		result = err_errno(err, "hash the password");
	else
		(void)memcpy(out, hash, strlen(hash) + 1);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return result;
}

bool
password_hash_is_valid(const char *hash)
{
	return strlen(hash) < PASSWORD_HASH_BYTES &&
	       strncmp(hash, prefix, sizeof(prefix) - 1) == 0 &&
	       crypt_checksalt(hash) == CRYPT_SALT_OK;
}

struct passwords *
passwords_new(struct loop *loop, struct err *err)
{
	struct passwords *passwords = xcalloc(1, sizeof(*passwords));

	passwords->data = xcalloc(1, sizeof(*passwords->data));
	if (crypt_gensalt_rn(prefix, 0, NULL, 0, passwords->nobody, sizeof(passwords->nobody)) ==
	    NULL)
		(void)err_errno(err, "make a salt for passwords");
	else
		passwords->pool = tls_pool_new(loop, 1, err);
	if (passwords->pool != NULL)
		return passwords;
	passwords_free(passwords);
	return NULL;
}

void
passwords_free(struct passwords *passwords)
{
	if (passwords == NULL)
		return;
	tls_pool_free(passwords->pool);
	explicit_bzero(passwords->data, sizeof(*passwords->data));
	free(passwords->data);
	free(passwords);
}

/* The same time whatever is different. */
static bool
is_same(const char *a, const char *b)
{
	size_t len = strlen(a);
	uint8_t difference = 0;

	if (strlen(b) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		difference |= (uint8_t)(a[i] ^ b[i]);
	return difference == 0;
}

static void
run(struct tls_step *step)
{
	struct check *check = (struct check *)(void *)step;
	const char *hash = crypt_r(check->password, check->hash, check->passwords->data);

	check->good =
	    hash != NULL && hash[0] != '*' && is_same(hash, check->hash) && !check->is_nobody;
	explicit_bzero(check->password, sizeof(check->password));
}

static void
done(struct tls_step *step)
{
	struct check *check = (struct check *)(void *)step;

	check->passwords->waiting--;
	check->done(check->arg, check->good);
	explicit_bzero(check, sizeof(*check));
	free(check);
}

int
password_check(struct passwords *passwords, const char *hash, struct bytes password,
    void (*answer)(void *arg, bool good), void *arg)
{
	struct check *check;

	if (passwords->waiting >= PASSWORDS_WAITING_MAX)
		return -1;
	passwords->waiting++;
	check = xcalloc(1, sizeof(*check));
	check->step.run = run;
	check->step.done = done;
	check->passwords = passwords;
	check->done = answer;
	check->arg = arg;
	/* A password with a zero in it, or one that is too long, is nobody's. */
	check->is_nobody = hash == NULL || password.len > PASSWORD_BYTES_MAX ||
			   memchr(password.data, 0, password.len) != NULL;
	strcpy(check->hash, hash != NULL ? hash : passwords->nobody);
	if (password.len > 0)
		memcpy(check->password, password.data,
		    password.len <= PASSWORD_BYTES_MAX ? password.len : PASSWORD_BYTES_MAX);
	tls_pool_submit(passwords->pool, &check->step, false);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * moonlet user, moonlet token: names with passwords, and access tokens. Passwords are hashed and
 * tokens made here; the host gets the hash.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "runtime/access/credentials.h"
#include "runtime/access/password.h"
#include "runtime/commands/command_resource.h"

/* --- the host --- */

static int
put(const struct command_call *call, const char *secret, bool is_new, double expires_ms,
    struct err *err)
{
	const char *policies = command_value(call, "policy");
	cJSON *body = cJSON_CreateObject();

	cJSON_AddStringToObject(body, "secret", secret);
	cJSON_AddBoolToObject(body, "new", is_new);
	cJSON_AddNumberToObject(body, "expires", expires_ms);
	if (policies != NULL)
		(void)cJSON_AddItemToObject(body, "policies", command_list(policies));
	return command_resource_change(call, "PUT", "", body, err);
}

static void
print_date(const char *before, const cJSON *ms)
{
	char text[32];
	time_t seconds = cJSON_IsNumber(ms) ? (time_t)(ms->valuedouble / 1000) : 0;
	struct tm tm;

	if (seconds == 0 || gmtime_r(&seconds, &tm) == NULL)
		return;
	(void)strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	(void)printf("%s%s", before, text);
}

static void
print_row(const cJSON *row)
{
	struct buf policies = { 0 };

	command_join(cJSON_GetObjectItemCaseSensitive(row, "policies"), &policies);
	(void)printf("%-24s", command_text(row, "name"));
	print_date("  since ", cJSON_GetObjectItemCaseSensitive(row, "created"));
	print_date("  until ", cJSON_GetObjectItemCaseSensitive(row, "expires"));
	(void)printf("  policies: %s\n",
	    policies.len > 0 ? buf_string(&policies) : "none: it may do nothing");
	buf_clear(&policies);
}

/* --- passwords --- */

/* A line, without its end. */
static int
read_line(FILE *file, char *out, struct err *err)
{
	size_t len = 0;
	int byte;

	while ((byte = getc(file)) != EOF && byte != '\n' && len <= PASSWORD_BYTES_MAX)
		out[len++] = (char)byte;
	if (byte == EOF && len == 0)
		return err_set(err, "no password came");
	if (len > PASSWORD_BYTES_MAX)
		return err_set(err, "a password has at most %d bytes", PASSWORD_BYTES_MAX);
	if (len > 0 && out[len - 1] == '\r')
		len--;
	if (memchr(out, 0, len) != NULL)
		return err_set(err, "a password has no zero in it");
	out[len] = '\0';
	return len > 0 ? 0 : err_set(err, "the password is empty");
}

static int
ask_person(const char *question, char *out, struct err *err)
{
	struct termios shown, hidden;
	sigset_t ends, before;
	int status;

	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return err_errno(err, "hide what is typed");
	hidden = shown;
	/* A signal that ends the command does so when the terminal is as it was. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &ends, &before);
	hidden.c_lflag &= (tcflag_t)~ECHO;
	(void)fputs(question, stderr);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	status = read_line(stdin, out, err);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	(void)fputs("\n", stderr);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}

static int
ask_twice(char *out, struct err *err)
{
	char again[PASSWORD_BYTES_MAX + 2];
	int status = ask_person("Password: ", out, err);

	if (status == 0)
		status = ask_person("The same again: ", again, err);
	if (status == 0 && strcmp(out, again) != 0)
		status = err_set(err, "the two are not the same");
	explicit_bzero(again, sizeof(again));
	return status;
}

static int
read_password(const struct command_call *call, char *out, struct err *err)
{
	const char *path = command_value(call, "password-file");
	FILE *file = path != NULL ? fopen(path, "re") : stdin;
	int status;

	if (file == NULL)
		return err_errno(err, "%s", path);
	if (path == NULL && isatty(STDIN_FILENO))
		return ask_twice(out, err);
	status = read_line(file, out, err);
	if (path != NULL)
		(void)fclose(file);
	return status;
}

static int
set_password(const struct command_call *call, bool is_new, struct err *err)
{
	char password[PASSWORD_BYTES_MAX + 2], hash[PASSWORD_HASH_BYTES];
	int status = read_password(call, password, err);

	if (status == 0)
		status = password_hash(password, hash, err);
	explicit_bzero(password, sizeof(password));
	if (status == 0)
		status = put(call, hash, is_new, 0, err);
	return status;
}

static int
add(const struct command_call *call, struct err *err)
{
	return set_password(call, true, err);
}

static int
passwd(const struct command_call *call, struct err *err)
{
	return set_password(call, false, err);
}

/* --- tokens --- */

static int
create(const struct command_call *call, struct err *err)
{
	const char *expires = command_value(call, "expires");
	uint8_t secret[TOKEN_SECRET_BYTES];
	char token[TOKEN_TEXT_BYTES], digest[65];
	int64_t lasts_ms = 0;
	int status;

	if (expires != NULL && (duration_parse(expires, &lasts_ms) < 0 || lasts_ms == 0))
		return err_set(err, "--expires %s: it is a time like 90d or 12h", expires);
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return err_errno(err, "draw a token");
	token_write(secret, token);
	token_digest(bytes_of_string(token), digest);
	status = put(call, digest, true,
	    expires != NULL ? (double)time(NULL) * 1000 + (double)lasts_ms : 0, err);
	if (status == 0)
		(void)printf("%s\n", token);
	if (status == 0 && isatty(STDOUT_FILENO))
		(void)fprintf(stderr, "It is shown this once: what is kept is its digest.\n");
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(token, sizeof(token));
	return status;
}

int
cmd_user(struct command_call *call)
{
	static const struct command_resource users = { "/v1/users", NULL, print_row };
	static const struct command_word words[] = {
		{ "add", "NAME", 1, 1, add },
		{ "passwd", "NAME", 1, 1, passwd },
		{ "delete", "NAME", 1, 1, command_resource_delete },
		{ "ls", "", 0, 0, command_resource_list },
		{ NULL, NULL, 0, 0, NULL },
	};

	return command_resource_run(call, &users, words);
}

int
cmd_token(struct command_call *call)
{
	static const struct command_resource tokens = { "/v1/tokens", NULL, print_row };
	static const struct command_word words[] = {
		{ "create", "NAME", 1, 1, create },
		{ "revoke", "NAME", 1, 1, command_resource_delete },
		{ "ls", "", 0, 0, command_resource_list },
		{ NULL, NULL, 0, 0, NULL },
	};

	return command_resource_run(call, &tokens, words);
}

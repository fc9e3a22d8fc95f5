/* SPDX-License-Identifier: MIT
 * moonlet user, moonlet token: names with passwords, and access tokens. Passwords are hashed and
 * tokens made here; the host gets the hash.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "net/http_local.h"
#include "runtime/command.h"
#include "runtime/credentials.h"
#include "runtime/password.h"

struct user_word {
	const char *word;
	size_t arguments; /* after the word */
	int (*run)(const struct command_call *call, struct err *err);
};

/* --- the host --- */

static int
ask(const struct command_call *call, const char *method, struct bytes body, struct buf *reply,
    struct err *err)
{
	struct buf target = { 0 };
	int status;

	buf_printf(&target, "/v1/%ss", call->command->name);
	if (call->count > 1) {
		buf_append_u8(&target, '/');
		http_local_encode(&target, call->arguments[1]);
	}
	status = command_ask(
	    call, &(struct command_request){ method, buf_string(&target), body }, reply, err);
	buf_clear(&target);
	return status;
}

static void
add_policies(cJSON *body, const char *names)
{
	cJSON *list = cJSON_AddArrayToObject(body, "policies");
	char *copy = xstrdup(names), *rest = copy, *name;

	while ((name = strsep(&rest, ";")) != NULL) {
		if (*name != '\0')
			cJSON_AddItemToArray(list, cJSON_CreateString(name));
	}
	free(copy);
}

static int
put(const struct command_call *call, const char *secret, bool is_new, double expires_ms,
    struct err *err)
{
	const char *policies = command_value(call, "policy");
	cJSON *body = cJSON_CreateObject();
	struct buf reply = { 0 };
	char *text;
	int status;

	cJSON_AddStringToObject(body, "secret", secret);
	cJSON_AddBoolToObject(body, "new", is_new);
	cJSON_AddNumberToObject(body, "expires", expires_ms);
	if (policies != NULL)
		add_policies(body, policies);
	text = cJSON_PrintUnformatted(body);
	if (text == NULL)
		abort();
	status = ask(call, "PUT", bytes_of_string(text), &reply, err);
	cJSON_free(text);
	cJSON_Delete(body);
	buf_clear(&reply);
	return status;
}

static int delete (const struct command_call *call, struct err *err)
{
	struct buf reply = { 0 };
	int status = ask(call, "DELETE", bytes_of(NULL, 0), &reply, err);

	buf_clear(&reply);
	return status;
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
	const cJSON *policy, *policies = cJSON_GetObjectItemCaseSensitive(row, "policies");

	(void)printf("%-24s", cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "name")));
	print_date("  since ", cJSON_GetObjectItemCaseSensitive(row, "created"));
	print_date("  until ", cJSON_GetObjectItemCaseSensitive(row, "expires"));
	(void)printf("  policies:");
	cJSON_ArrayForEach(policy, policies)(void) printf(" %s", cJSON_GetStringValue(policy));
	(void)printf("%s\n", cJSON_GetArraySize(policies) == 0 ? " none: it may do nothing" : "");
}

static int
list(const struct command_call *call, struct err *err)
{
	struct buf reply = { 0 };
	int status = ask(call, "GET", bytes_of(NULL, 0), &reply, err);
	cJSON *rows;
	const cJSON *row;

	if (status == 0 && command_value(call, "json") != NULL) {
		(void)printf("%s\n", buf_string(&reply));
	} else if (status == 0) {
		rows = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		cJSON_ArrayForEach(row, rows) print_row(row);
		cJSON_Delete(rows);
	}
	buf_clear(&reply);
	return status;
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

static int
perform(struct command_call *call, const struct user_word *words, size_t count)
{
	struct err err;
	size_t i = 0;
	int status;

	while (i < count && strcmp(words[i].word, call->arguments[0]) != 0)
		i++;
	if (i == count || call->count != words[i].arguments + 1) {
		(void)err_set(&err,
		    i == count ? "'%s' is none of its words: see --help"
			       : "'%s' takes another number of names: see --help",
		    call->arguments[0]);
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = words[i].run(call, &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

int
cmd_user(struct command_call *call)
{
	static const struct user_word words[] = { { "add", 1, add }, { "passwd", 1, passwd },
		{ "delete", 1, delete }, { "ls", 0, list } };

	return perform(call, words, sizeof(words) / sizeof(words[0]));
}

int
cmd_token(struct command_call *call)
{
	static const struct user_word words[] = { { "create", 1, create }, { "revoke", 1, delete },
		{ "ls", 0, list } };

	return perform(call, words, sizeof(words) / sizeof(words[0]));
}

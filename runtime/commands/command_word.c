/* SPDX-License-Identifier: MIT
 * Words of commands, and JSON between commands and the host.
 */
#include "runtime/commands/command_word.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/certificate.h"
#include "net/http_local.h"

enum { PEM_BYTES_MAX = 65536 };

static const struct command_word *
find(const struct command_word *words, const char *word)
{
	for (; words->word != NULL; words++) {
		if (strcmp(words->word, word) == 0)
			return words;
	}
	return NULL;
}

static void
list_words(const struct command_word *words, struct buf *out)
{
	for (const struct command_word *at = words; at->word != NULL; at++)
		buf_printf(out, "%s%s", at == words ? "" : ", ", at->word);
}

int
command_word_run(struct command_call *call, const struct command_word *words)
{
	const struct command_word *row = find(words, call->arguments[0]);
	size_t count = call->count - 1;
	struct buf all = { 0 };
	struct err err;
	int status;

	if (row == NULL) {
		list_words(words, &all);
		(void)err_set(&err, "'%s' is none of %s", call->arguments[0], buf_string(&all));
		buf_clear(&all);
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	if (count < row->arguments_min || count > row->arguments_max) {
		(void)err_set(&err, "it is: moonlet %s %s %s", call->command->name, row->word,
		    row->arguments);
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err) < 0 ? -1 : row->run(call, &err);
	return status < 0 ? command_fail(call, &err) : status;
}

bool
command_has(const struct command_call *call, const char *name)
{
	return command_value(call, name) != NULL;
}

void
command_target(struct buf *out, const char *path, ...)
{
	const char *piece;
	va_list list;

	buf_append_string(out, path);
	va_start(list, path);
	while ((piece = va_arg(list, const char *)) != NULL) {
		if (piece[0] == '/') {
			buf_append_string(out, piece);
		} else {
			buf_append_u8(out, '/');
			http_local_encode(out, piece);
		}
	}
	va_end(list);
}

int
command_ask_json(const struct command_call *call, const struct command_request *request,
    cJSON *body, cJSON **reply, struct err *err)
{
	struct command_request asked = *request;
	char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
	struct buf answer = { 0 };
	int status;

	if (text != NULL)
		asked.body = bytes_of_string(text);
	status = command_ask(call, &asked, &answer, err);
	if (status == 0 && reply != NULL) {
		*reply = cJSON_ParseWithLength(buf_string(&answer), answer.len);
		if (*reply == NULL)
			status = err_set(err, "the host's answer is not JSON");
	}
	buf_clear(&answer);
	cJSON_free(text);
	cJSON_Delete(body);
	return status;
}

cJSON *
command_pairs(const char *text, const char *name, struct err *err)
{
	char *copy = xstrdup(text), *rest = copy, *one;
	cJSON *object = cJSON_CreateObject();

	while (object != NULL && (one = strsep(&rest, ";")) != NULL) {
		char *equals = strchr(one, '=');

		if (*one == '\0')
			continue;
		if (equals == NULL) {
			(void)err_set(err, "--%s %s: it is NAME=VALUE", name, one);
			cJSON_Delete(object);
			object = NULL;
			break;
		}
		*equals = '\0';
		cJSON_DeleteItemFromObjectCaseSensitive(object, one);
		if (cJSON_AddStringToObject(object, one, equals + 1) == NULL)
			abort();
	}
	free(copy);
	return object;
}

cJSON *
command_list(const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *one;
	cJSON *list = cJSON_CreateArray();

	while ((one = strsep(&rest, ";")) != NULL) {
		if (*one != '\0')
			cJSON_AddItemToArray(list, cJSON_CreateString(one));
	}
	free(copy);
	return list;
}

void
command_print_json(const cJSON *json)
{
	char *text = cJSON_Print(json);

	if (text == NULL)
		abort();
	command_make_plain(text);
	(void)puts(text);
	cJSON_free(text);
}

const char *
command_text(const cJSON *object, const char *name)
{
	char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	command_make_plain(text);
	return text != NULL ? text : "";
}

void
command_join(const cJSON *list, struct buf *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		char *text = cJSON_GetStringValue(item);

		command_make_plain(text);
		buf_printf(out, "%s%s", out->len > 0 ? ", " : "", text != NULL ? text : "");
	}
}

static int
id_of_file(const char *path, struct buf *id, struct err *err)
{
	struct buf text = { 0 };
	struct certificate *certificate;

	if (command_read(path, PEM_BYTES_MAX, &text, err) < 0)
		return -1;
	certificate = certificate_parse(buf_bytes(&text), err);
	buf_clear(&text);
	if (certificate == NULL)
		return err_prefix(err, "%s", path);
	buf_append_string(id, certificate->id);
	certificate_free(certificate);
	return 0;
}

int
command_certificate(const char *text, struct buf *id, struct err *err)
{
	if (access(text, R_OK) == 0)
		return id_of_file(text, id, err);
	for (; *text != '\0'; text++) {
		if (*text != ':')
			buf_append_u8(id, (uint8_t)tolower((unsigned char)*text));
	}
	return 0;
}

int
command_add_target(cJSON *body, const char *text, struct err *err)
{
	static const char cert[] = "cert:";
	struct buf target = { 0 };
	bool is_certificate = strncmp(text, cert, sizeof(cert) - 1) == 0;
	int status = 0;

	buf_append_string(&target, is_certificate ? cert : text);
	if (is_certificate)
		status = command_certificate(text + sizeof(cert) - 1, &target, err);
	if (status == 0)
		(void)cJSON_AddStringToObject(body, "target", buf_string(&target));
	buf_clear(&target);
	return status;
}

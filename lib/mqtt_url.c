/* SPDX-License-Identifier: MIT
 * The URL's parts, from its end to its start.
 */
#include "lib/mqtt_url.h"

#include <stdlib.h>
#include <string.h>

static int
hex_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, c | 0x20, 16);

	return at != NULL ? (int)(at - digits) : -1;
}

/* A heap copy with %XX decoded; NULL where an escape is wrong or stands for zero. */
static char *
decode(const char *from, size_t len)
{
	char *out = xmalloc(len + 1), *to = out;

	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_of(from[i + 1]) : -1;
			int low = i + 2 < len ? hex_of(from[i + 2]) : -1;

			c = high < 0 || low < 0 ? '\0' : (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0') {
			free(out);
			return NULL;
		}
		*to++ = c;
	}
	*to = '\0';
	return out;
}

static int
parse_login(const char *text, size_t len, struct mqtt_url *url, struct err *err)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon != NULL ? (size_t)(colon - text) : len;

	url->user = decode(text, user_len);
	if (url->user == NULL || user_len == 0)
		return err_set(err, "the user's name is not valid (encode \"%%\" as %%25)");
	if (colon == NULL)
		return 0;
	url->password = decode(colon + 1, len - user_len - 1);
	if (url->password == NULL)
		return err_set(err, "the password is not valid (encode \"%%\" as %%25)");
	return 0;
}

static int
parse_port(const char *text, struct mqtt_url *url, struct err *err)
{
	unsigned long port = 0;

	for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
		port = port * 10 + (unsigned long)(*text - '0');
	if (*text != '\0' || port == 0 || port > UINT16_MAX)
		return err_set(err, "the port must be a number from 1 to 65535");
	url->port = (uint16_t)port;
	return 0;
}

static int
parse_host(const char *text, struct mqtt_url *url, struct err *err)
{
	bool bracket = text[0] == '[';
	const char *start = text + bracket;
	size_t len = strcspn(start, bracket ? "]" : ":");
	const char *behind = start + len + bracket;

	if (len == 0)
		return err_set(err, "must be a URL like mqtt://host:1883: the host is missing");
	if (bracket && start[len] != ']')
		return err_set(err, "\"[\" without \"]\"");
	if (!bracket && strspn(start, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._") < len)
		return err_set(err, "the host's name has a character that names do not have");
	url->host = decode(start, len);
	if (url->host == NULL)
		return err_set(err, "the host is not valid");
	if (*behind == '\0')
		return 0;
	if (*behind != ':')
		return err_set(err, "behind the host only \":PORT\" may follow");
	return parse_port(behind + 1, url, err);
}

/* "ca=FILE&cert=FILE" */
static int
parse_files(char *text, struct mqtt_url *url, struct err *err)
{
	const struct {
		const char *name;
		char **value;
	} files[] = { { "ca=", &url->ca }, { "cert=", &url->cert }, { "key=", &url->key } };

	for (char *at = text, *next; at != NULL; at = next) {
		bool known = false;

		next = strchr(at, '&');
		if (next != NULL)
			*next++ = '\0';
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			size_t len = strlen(files[i].name);

			if (strncmp(at, files[i].name, len) != 0 || *files[i].value != NULL)
				continue;
			known = true;
			*files[i].value = decode(at + len, strlen(at + len));
			if (*files[i].value == NULL || **files[i].value == '\0')
				return err_set(err, "%.*s: the file is missing", (int)len - 1, at);
		}
		if (!known)
			return err_set(
			    err, "behind \"?\" only ca=, cert= and key= may stand, once each");
	}
	return url->tls ? 0 : err_set(err, "ca, cert and key need mqtts://");
}

static char *
parse_scheme(char *text, struct mqtt_url *url)
{
	static const char plain[] = "mqtt://", tls[] = "mqtts://";

	if (strncmp(text, plain, sizeof(plain) - 1) == 0)
		return text + sizeof(plain) - 1;
	if (strncmp(text, tls, sizeof(tls) - 1) != 0)
		return NULL;
	url->tls = true;
	url->port = MQTTS_PORT;
	return text + sizeof(tls) - 1;
}

static int
parse(char *text, struct mqtt_url *url, struct err *err)
{
	char *login = parse_scheme(text, url), *at, *slash, *files;

	if (login == NULL)
		return err_set(err, "must be a URL like mqtt://host:1883");
	files = strchr(login, '?');
	if (files != NULL) {
		*files++ = '\0';
		if (parse_files(files, url, err) < 0)
			return -1;
	}
	at = strrchr(login, '@');
	slash = strchr(at != NULL ? at : login, '/');
	if (slash != NULL && slash[1] == '\0')
		*slash = '\0';
	if (at == NULL)
		return parse_host(login, url, err);
	if (parse_login(login, (size_t)(at - login), url, err) < 0)
		return -1;
	return parse_host(at + 1, url, err);
}

int
mqtt_url_parse(const char *text, struct mqtt_url *url, struct err *err)
{
	char *copy = xstrdup(text);
	int result;

	*url = (struct mqtt_url){ .port = MQTT_PORT };
	result = parse(copy, url, err);
	if (result < 0)
		mqtt_url_clear(url);
	free(copy);
	return result;
}

void
mqtt_url_clear(struct mqtt_url *url)
{
	free(url->user);
	free(url->password);
	free(url->host);
	free(url->ca);
	free(url->cert);
	free(url->key);
	*url = (struct mqtt_url){ 0 };
}

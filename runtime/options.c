/* SPDX-License-Identifier: MIT
 * Setting options from text, and asking for them.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mqtt_url.h"
#include "lib/nearest.h"
#include "lib/redact.h"
#include "runtime/files/file_folders.h"
#include "runtime/options.h"

enum { MASKED_BYTES_MIN = 6 };

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit durations[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "min", 60000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
	{ NULL, 0 },
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KB", 1024 },
	{ "KiB", 1024 },
	{ "MB", 1048576 },
	{ "MiB", 1048576 },
	{ "GB", 1073741824 },
	{ "GiB", 1073741824 },
	{ NULL, 0 },
};

static int
unit_parse(const char *text, const struct unit *unit, int64_t *value)
{
	char *end;
	double number;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	number = strtod(text, &end);
	if (text[1] == 'x' || text[1] == 'X')
		return -1;
	while (*end == ' ')
		end++;
	for (; unit->name != NULL; unit++) {
		if (strcmp(end, unit->name) != 0)
			continue;
		if (number * (double)unit->factor > 9e15)
			return -1;
		*value = (int64_t)(number * (double)unit->factor);
		return 0;
	}
	return -1;
}

int
duration_parse(const char *text, int64_t *ms)
{
	return unit_parse(text, durations, ms);
}

int
size_parse(const char *text, int64_t *bytes)
{
	return unit_parse(text, sizes, bytes);
}

static int
number_parse(const char *text, int64_t *value)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 15 || text[digits] != '\0')
		return -1;
	*value = strtoll(text, NULL, 10);
	return 0;
}

/* Writes a bound as a user would. */
static void
bound_write(const struct option *option, int64_t value, char out[32])
{
	const struct unit *unit = option->type == OPTION_DURATION ? durations : sizes, *best = unit;

	if (option->type == OPTION_NUMBER) {
		snprintf(out, 32, "%" PRId64, value);
		return;
	}
	for (; unit->name != NULL; unit++) {
		if (value != 0 && value % unit->factor == 0 && strcmp(unit->name, "m") != 0)
			best = unit;
	}
	snprintf(out, 32, "%" PRId64 "%s", value / best->factor, best->name);
}

static int
set_range_error(const struct option *option, const char *what, struct err *err)
{
	char low[32], high[32];

	bound_write(option, option->min, low);
	bound_write(option, option->max, high);
	return err_set(err, "must be %s from %s to %s", what, low, high);
}

static int
check_number(const struct option *option, const char *text, int64_t *number, struct err *err)
{
	static const struct {
		int (*parse)(const char *text, int64_t *value);
		const char *what;
	} kinds[] = {
		[OPTION_NUMBER] = { number_parse, "a whole number" },
		[OPTION_BYTES] = { size_parse, "a size (\"256KiB\")" },
		[OPTION_DURATION] = { duration_parse, "a duration (\"3s\", \"500ms\")" },
	};

	if (kinds[option->type].parse(text, number) < 0 || *number < option->min ||
	    *number > option->max)
		return set_range_error(option, kinds[option->type].what, err);
	return 0;
}

static int
check_address(const char *text, struct err *err)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	if (strcmp(text, "off") == 0)
		return 0;
	if (colon == NULL || colon == text || number_parse(colon + 1, &port) < 0 || port > 65535)
		return err_set(err, "must be ADDR:PORT like \"127.0.0.1:1883\", or \"off\"");
	if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL)
		return err_set(err, "an IPv6 address stands in brackets: \"[::1]:1883\"");
	return 0;
}

static int
check_choice(const struct option *option, const char *text, struct err *err)
{
	const char *at = option->choices;
	size_t len = strlen(text);

	while (len > 0 && (at = strstr(at, text)) != NULL) {
		bool starts = at == option->choices || at[-1] == ' ';

		if (starts && (at[len] == ' ' || at[len] == '\0'))
			return 0;
		at += len;
	}
	return err_set(err, "must be one of: %s", option->choices);
}

static int
check_folders(const char *text, struct err *err)
{
	struct file_folders folders;

	if (text[0] == '\0')
		return err_set(err, "must not be empty");
	if (file_folders_read(&folders, text, err) < 0)
		return -1;
	file_folders_clear(&folders);
	return 0;
}

static int
check_value(const struct option *option, const char *text, int64_t *number, struct err *err)
{
	switch (option->type) {
	case OPTION_TEXT:
		return text[0] != '\0' ? 0 : err_set(err, "must not be empty");
	case OPTION_FOLDERS:
		return check_folders(text, err);
	case OPTION_ADDRESS:
		return check_address(text, err);
	case OPTION_CHOICE:
		return check_choice(option, text, err);
	case OPTION_NUMBER:
	case OPTION_BYTES:
	case OPTION_DURATION:
		return check_number(option, text, number, err);
	}
	return err_set(err, "has an unknown type");
}

int
options_set(struct options *options, enum option_id id, const char *text, enum option_source source,
    struct err *err)
{
	struct option_value *value = &options->values[id];
	int64_t number = 0;

	if (check_value(&option_table[id], text, &number, err) < 0)
		return -1;
	if (source < value->source)
		return 0;
	free(value->text);
	*value = (struct option_value){ xstrdup(text), number, source };
	return 0;
}

void
options_init(struct options *options)
{
	struct err err;

	*options = (struct options){ .ready_fd = -1 };
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		if (options_set(options, id, option_table[id].initial, SOURCE_DEFAULT, &err) < 0)
			abort();
	}
}

static void
broker_clear(struct broker_setting *broker)
{
	free(broker->name);
	free(broker->url);
	free(broker->client_id);
	free(broker->share);
	free(broker->ca);
	free(broker->cert);
	free(broker->key);
	*broker = (struct broker_setting){ 0 };
}

static void
brokers_clear(struct options *options)
{
	for (size_t i = 0; i < options->broker_count; i++)
		broker_clear(&options->brokers[i]);
	options->broker_count = 0;
}

void
options_clear(struct options *options)
{
	for (enum option_id id = 0; id < OPTION_COUNT; id++)
		free(options->values[id].text);
	brokers_clear(options);
	for (size_t i = 0; i < options->secret_count; i++) {
		free(options->secrets[i].name);
		explicit_bzero(options->secrets[i].value, strlen(options->secrets[i].value));
		free(options->secrets[i].value);
	}
	for (size_t i = 0; i < options->allow_count; i++)
		free(options->allows[i].pattern);
	for (size_t i = 0; i < options->table_count; i++)
		table_def_clear(&options->tables[i]);
	free(options->tables);
	*options = (struct options){ 0 };
}

void
options_copy_flags(struct options *options, const struct options *from)
{
	struct err err;

	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		if (from->values[id].source == SOURCE_FLAG &&
		    options_set(options, id, from->values[id].text, SOURCE_FLAG, &err) < 0)
			abort();
	}
	for (size_t i = 0; from->broker_source == SOURCE_FLAG && i < from->broker_count; i++) {
		if (options_add_broker(options, &from->brokers[i], SOURCE_FLAG, &err) < 0)
			abort();
	}
}

void
options_take(struct options *options, struct options *fresh)
{
	struct options old = *options;

	*options = *fresh;
	*fresh = old;
	options->ready_fd = old.ready_fd;
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		if (!option_table[id].at_start)
			continue;
		fresh->values[id] = options->values[id];
		options->values[id] = old.values[id];
	}
	memcpy(fresh->brokers, options->brokers, sizeof(old.brokers));
	memcpy(options->brokers, old.brokers, sizeof(old.brokers));
	fresh->broker_count = options->broker_count;
	options->broker_count = old.broker_count;
	options->broker_source = old.broker_source;
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

/* The same files may be named in the URL or beside it. Clears `url` where it is wrong. */
static int
check_broker_files(const struct broker_setting *broker, struct mqtt_url *url, struct err *err)
{
	bool cert = broker->cert != NULL || url->cert != NULL;
	bool key = broker->key != NULL || url->key != NULL;
	int result = 0;

	if (!url->tls && (cert || key || broker->ca != NULL))
		result = err_set(err, "ca, cert and key need mqtts://");
	else if (cert != key)
		result = err_set(err, "cert and key go together: set both");
	if (result < 0)
		mqtt_url_clear(url);
	return result;
}

int
options_add_broker(struct options *options, const struct broker_setting *broker,
    enum option_source source, struct err *err)
{
	struct broker_setting *new;
	struct mqtt_url url;
	const char *host;

	if (mqtt_url_parse(broker->url, &url, err) < 0 || check_broker_files(broker, &url, err) < 0)
		return err_prefix(err, "broker");
	mqtt_url_clear(&url);
	if (broker->share != NULL && strpbrk(broker->share, "/+#") != NULL)
		return err_set(err,
		    "broker: share \"%s\": a name without \"/\", \"+\" and \"#\", or off",
		    broker->share);
	if (source < options->broker_source)
		return 0;
	if (source > options->broker_source)
		brokers_clear(options);
	if (options->broker_count == BROKERS_MAX)
		return err_set(err, "more than %d brokers", BROKERS_MAX);
	options->broker_source = source;
	new = &options->brokers[options->broker_count++];
	host = strrchr(broker->url, '@');
	host = host != NULL ? host + 1 : strstr(broker->url, "://") + 3;
	new->name = xstrdup(broker->name != NULL ? broker->name : host);
	if (broker->name == NULL)
		new->name[strcspn(new->name, "?")] = '\0';
	new->url = xstrdup(broker->url);
	new->client_id = copy_or_null(broker->client_id);
	new->ca = copy_or_null(broker->ca);
	new->cert = copy_or_null(broker->cert);
	new->key = copy_or_null(broker->key);
	new->share = xstrdup(broker->share != NULL ? broker->share : "moonlet");
	return 0;
}

enum option_id
option_find(struct bytes name)
{
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		const char *known = option_table[id].name;
		size_t i = 0;

		while (i < name.len && known[i] != '\0' &&
		       (known[i] == name.data[i] || (known[i] == '_' && name.data[i] == '-')))
			i++;
		if (i == name.len && known[i] == '\0')
			return id;
	}
	return OPTION_COUNT;
}

const char *
option_nearest(struct bytes name)
{
	const char *names[OPTION_COUNT + 1] = { NULL };
	char *wrong = bytes_to_string(name);
	const char *found;

	for (enum option_id id = 0; id < OPTION_COUNT; id++)
		names[id] = option_table[id].name;
	for (char *at = wrong; *at != '\0'; at++) {
		if (*at == '-')
			*at = '_';
	}
	found = name_nearest(wrong, names);
	free(wrong);
	return found;
}

static int
set_unknown_variable(const char *variable, struct bytes name, struct err *err)
{
	const char *near = option_nearest(name);
	char upper[64] = "";

	for (size_t i = 0; near != NULL && near[i] != '\0' && i < sizeof(upper) - 1; i++)
		upper[i] = (char)toupper((unsigned char)near[i]);
	if (near == NULL)
		return err_set(
		    err, "environment: MOONLET_%.*s names no option", (int)name.len, variable);
	return err_set(err, "environment: MOONLET_%.*s names no option; did you mean MOONLET_%s?",
	    (int)name.len, variable, upper);
}

/* "LOG_LEVEL=debug" */
static int
set_variable(struct options *options, const char *variable, struct err *err)
{
	const char *equals = strchr(variable, '=');
	char name[64];
	size_t len = equals != NULL ? (size_t)(equals - variable) : 0;
	enum option_id id;

	if (len >= sizeof(name))
		return 0;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)variable[i]);
	name[len] = '\0';
	if (strcmp(name, "broker") == 0) {
		struct broker_setting broker = { .url = (char *)(uintptr_t)(equals + 1) };
		return options_add_broker(options, &broker, SOURCE_ENVIRONMENT, err);
	}
	id = option_find(bytes_of(name, len));
	if (id == OPTION_COUNT)
		return set_unknown_variable(variable, bytes_of(name, len), err);
	if (options_set(options, id, equals + 1, SOURCE_ENVIRONMENT, err) < 0)
		return err_prefix(err, "environment: MOONLET_%.*s", (int)len, variable);
	return 0;
}

int
options_from_environment(struct options *options, char *const *environment, struct err *err)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, "MOONLET_", 8) == 0 &&
		    strchr(*environment, '=') != NULL &&
		    set_variable(options, *environment + 8, err) < 0)
			return -1;
	}
	return 0;
}

void
options_mask_secrets(const struct options *options, uint8_t *text, size_t len)
{
	for (size_t i = 0; i < options->secret_count; i++) {
		struct bytes secret = bytes_of_string(options->secrets[i].value);

		if (secret.len >= MASKED_BYTES_MIN)
			(void)redact_find(text, len, secret);
	}
}

const char *
options_secret(const struct options *options, struct bytes name)
{
	for (size_t i = 0; i < options->secret_count; i++) {
		if (bytes_equal_string(name, options->secrets[i].name))
			return options->secrets[i].value;
	}
	return NULL;
}

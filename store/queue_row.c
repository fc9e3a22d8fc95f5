/* SPDX-License-Identifier: MIT
 * Rows to JSON and back: {"function": name, "attempt": n, "due": ms, "created": ms, "event":
 * base64}, and for a dead letter also "id", "kind", "failed", "error", "traceback", "version",
 * "trace".
 */
#include "store/queue_row.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/utf8.h"

void
queue_id_text(const uint8_t id[FAILED_ID_BYTES], char text[QUEUE_ID_TEXT])
{
	for (int i = 0; i < FAILED_ID_BYTES; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", id[i]);
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

int
queue_id_read(struct bytes text, uint8_t id[FAILED_ID_BYTES])
{
	if (text.len != QUEUE_ID_TEXT - 1)
		return -1;
	for (int i = 0; i < FAILED_ID_BYTES; i++) {
		int high = hex_digit((char)text.data[2 * i]);
		int low = hex_digit((char)text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		id[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* A traceback may hold any bytes; JSON may not. */
static void
put_string(struct buf *out, const char *name, struct bytes value)
{
	bool is_text = utf8_is_valid(value);
	char *text = bytes_to_string(value), *printed;
	cJSON *item;

	for (size_t i = 0; i < value.len; i++) {
		if (text[i] == '\0' || (!is_text && (text[i] & 0x80) != 0))
			text[i] = '?';
	}
	item = cJSON_CreateString(text);
	printed = cJSON_PrintUnformatted(item);
	buf_printf(out, ",\"%s\":", name);
	buf_append_string(out, printed);
	cJSON_free(printed);
	cJSON_Delete(item);
	free(text);
}

static void
put_row(const struct queue_row *row, struct buf *out)
{
	put_string(out, "function", row->function_name);
	buf_printf(out, ",\"attempt\":%u,\"due\":%lld,\"created\":%lld", row->attempt,
	    (long long)row->due_ms, (long long)row->created_ms);
}

/* Last, for it is long. */
static void
put_event(const struct queue_row *row, struct buf *out)
{
	buf_append_string(out, ",\"event\":\"");
	base64_encode(row->event, out);
	buf_append_string(out, "\"}");
}

void
queue_row_write(const struct queue_row *row, struct buf *out)
{
	size_t begun = out->len;

	put_row(row, out);
	out->data[begun] = '{';
	put_event(row, out);
}

static const char *const kind_names[] = {
	[FAILED_EVENT] = "event", [FAILED_CHANGE] = "change", [FAILED_WEBHOOK] = "webhook"
};

void
failed_row_write(const struct failed_row *failed, struct buf *out)
{
	char id[QUEUE_ID_TEXT];

	queue_id_text(failed->id, id);
	buf_printf(out, "{\"id\":\"%s\",\"kind\":\"%s\"", id, kind_names[failed->kind]);
	put_row(&failed->row, out);
	buf_printf(out, ",\"failed\":%lld", (long long)failed->failed_ms);
	put_string(out, "error", failed->error);
	put_string(out, "traceback", failed->traceback);
	put_string(out, "version", failed->function_version);
	put_string(out, "trace", failed->trace);
	put_event(&failed->row, out);
}

static int
number_read(const cJSON *json, const char *name, int64_t *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	if (!cJSON_IsNumber(item))
		return -1;
	*value = (int64_t)item->valuedouble;
	return 0;
}

static int
fields_read(struct queue_read *read)
{
	struct queue_row *row = &read->row;
	const cJSON *json = read->json;
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "function"));
	const char *event = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "event"));
	const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "kind"));
	int64_t attempt;

	if (name == NULL || event == NULL || number_read(json, "attempt", &attempt) < 0 ||
	    number_read(json, "due", &row->due_ms) < 0 ||
	    number_read(json, "created", &row->created_ms) < 0 ||
	    base64_decode(bytes_of_string(event), &read->event) < 0)
		return -1;
	row->attempt = (uint32_t)attempt;
	for (size_t i = 0; kind != NULL && i < sizeof(kind_names) / sizeof(*kind_names); i++) {
		if (strcmp(kind, kind_names[i]) == 0)
			read->kind = (enum failed_kind)i;
	}
	row->function_name = bytes_of_string(name);
	row->event = buf_bytes(&read->event);
	return 0;
}

int
queue_row_read(struct queue_read *read, struct bytes value)
{
	*read = (struct queue_read){ 0 };
	read->json = cJSON_ParseWithLength((const char *)value.data, value.len);
	if (fields_read(read) == 0)
		return 0;
	queue_read_clear(read);
	return -1;
}

void
queue_read_clear(struct queue_read *read)
{
	cJSON_Delete(read->json);
	buf_clear(&read->event);
	read->json = NULL;
}

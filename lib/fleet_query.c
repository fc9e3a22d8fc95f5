/* SPDX-License-Identifier: MIT
 * The parser: a reader of tokens under a descent by precedence. Nodes stand in one array, children
 * before their parents.
 */
#include "lib/fleet_query.h"

#include <stdlib.h>
#include <string.h>

enum node_kind { NODE_ALL, NODE_TERM, NODE_NOT, NODE_AND, NODE_OR };

struct node {
	enum node_kind kind;
	size_t left; /* NODE_TERM: the term */
	size_t right;
};

struct fleet_query {
	struct node *nodes; /* the last one is the root */
	size_t node_count;
	struct fleet_term terms[FLEET_TERMS_MAX];
	size_t term_count;
};

struct parser {
	struct bytes text;
	size_t at;
	int depth;
	const struct fleet_term *field; /* of the group of values that is being read; NULL: none */
	struct fleet_query *query;
	struct err *err;
};

static int
wrong(const struct parser *parser, const char *what)
{
	return err_set(parser->err, "at character %zu: %s", parser->at + 1, what);
}

static bool
is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static int
peek(const struct parser *parser)
{
	return parser->at < parser->text.len ? parser->text.data[parser->at] : -1;
}

static void
skip_space(struct parser *parser)
{
	while (parser->at < parser->text.len && is_space(parser->text.data[parser->at]))
		parser->at++;
}

/* Takes the word where it stands alone. */
static bool
take_word(struct parser *parser, const char *word)
{
	size_t len = strlen(word), end = parser->at + len;

	if (end > parser->text.len || memcmp(parser->text.data + parser->at, word, len) != 0)
		return false;
	if (end < parser->text.len && !is_space(parser->text.data[end]) &&
	    parser->text.data[end] != '(')
		return false;
	parser->at = end;
	return true;
}

/* --- nodes --- */

static size_t
add_node(struct parser *parser, enum node_kind kind, size_t left, size_t right)
{
	struct fleet_query *query = parser->query;

	query->nodes = xrealloc(query->nodes, (query->node_count + 1) * sizeof(*query->nodes));
	query->nodes[query->node_count] = (struct node){ kind, left, right };
	return query->node_count++;
}

static void
term_clear(struct fleet_term *term)
{
	free(term->name);
	free(term->path);
	free(term->low.text);
	free(term->high.text);
	buf_clear(&term->text);
}

/* --- values --- */

static uint8_t
folded(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool
ends_word(uint8_t byte)
{
	return is_space(byte) || strchr("()[]{}\"", byte) != NULL;
}

static bool
read_number(struct buf *text, double *number)
{
	const char *start = buf_string(text);
	char *end;

	if (text->len == 0 || memchr(text->data, 0, text->len) != NULL || is_space(start[0]))
		return false;
	*number = strtod(start, &end);
	return end == start + text->len && *number - *number == 0;
}

static int
read_quoted(struct parser *parser, struct buf *out)
{
	parser->at++;
	for (; peek(parser) >= 0; parser->at++) {
		uint8_t byte = (uint8_t)peek(parser);

		if (byte == '"') {
			parser->at++;
			return 0;
		}
		if (byte == '\\' && parser->at + 1 < parser->text.len)
			byte = parser->text.data[++parser->at];
		buf_append_u8(out, folded(byte));
	}
	return wrong(parser, "a quote has no end");
}

static uint8_t
wildcard(uint8_t byte)
{
	return byte == '*' ? FLEET_STAR : byte == '?' ? FLEET_MARK : folded(byte);
}

static int
read_word(struct parser *parser, struct buf *out)
{
	for (; peek(parser) >= 0 && !ends_word((uint8_t)peek(parser)); parser->at++) {
		uint8_t byte = (uint8_t)peek(parser);

		if (byte < 0x08)
			return wrong(parser, "a control character");
		if (byte == '\\' && parser->at + 1 < parser->text.len)
			buf_append_u8(out, folded(parser->text.data[++parser->at]));
		else
			buf_append_u8(out, wildcard(byte));
	}
	return out->len > 0 ? 0 : wrong(parser, "a value is missing");
}

/* "5", "audi", "*", "\"b c\"" */
static int
read_end(struct parser *parser, struct fleet_end *end)
{
	struct buf text = { 0 };
	int status;

	skip_space(parser);
	status = peek(parser) == '"' ? read_quoted(parser, &text) : read_word(parser, &text);
	end->is_there = !(text.len == 1 && text.data[0] == FLEET_STAR);
	if (status == 0 && end->is_there &&
	    (memchr(text.data, FLEET_STAR, text.len) != NULL ||
		memchr(text.data, FLEET_MARK, text.len) != NULL))
		status = wrong(parser, "an end of a range has no wildcards");
	if (status == 0) {
		end->is_number = read_number(&text, &end->number);
		end->text = bytes_to_string(buf_bytes(&text));
	}
	buf_clear(&text);
	return status;
}

/* "[1 TO 5}" */
static int
read_range(struct parser *parser, struct fleet_term *term)
{
	term->match = FLEET_MATCH_RANGE;
	term->low.is_taken_in = peek(parser) == '[';
	parser->at++;
	if (read_end(parser, &term->low) < 0)
		return -1;
	skip_space(parser);
	if (!take_word(parser, "TO"))
		return wrong(parser, "a range is [LOW TO HIGH]: TO is missing");
	if (read_end(parser, &term->high) < 0)
		return -1;
	skip_space(parser);
	if (peek(parser) != ']' && peek(parser) != '}')
		return wrong(parser, "a range ends with ] or }");
	term->high.is_taken_in = peek(parser) == ']';
	parser->at++;
	return 0;
}

/* Behind ">", ">=", "<", "<=" */
static int
read_comparison(struct parser *parser, struct fleet_term *term)
{
	struct fleet_end *end = peek(parser) == '>' ? &term->low : &term->high;

	term->match = FLEET_MATCH_RANGE;
	parser->at++;
	if (peek(parser) == '=') {
		end->is_taken_in = true;
		parser->at++;
	}
	return read_end(parser, end);
}

static int
read_value(struct parser *parser, struct fleet_term *term)
{
	int byte = peek(parser);

	if (byte == '[' || byte == '{')
		return read_range(parser, term);
	if (byte == '<' || byte == '>')
		return read_comparison(parser, term);
	term->match = byte == '"' ? FLEET_MATCH_LITERAL : FLEET_MATCH_WORD;
	if ((byte == '"' ? read_quoted(parser, &term->text) : read_word(parser, &term->text)) < 0)
		return -1;
	if (byte != '"' && term->text.len == 1 && term->text.data[0] == FLEET_STAR)
		term->match = FLEET_MATCH_ALL;
	term->is_number = read_number(&term->text, &term->number);
	return 0;
}

/* --- fields --- */

static const struct {
	const char *name; /* one that ends with "." has more behind it */
	enum fleet_field field;
} fields[] = {
	{ "thingName", FLEET_THING_NAME },
	{ "thingTypeName", FLEET_TYPE_NAME },
	{ "thingGroupNames", FLEET_GROUP_NAMES },
	{ "attributes.", FLEET_ATTRIBUTE },
	{ "connectivity.connected", FLEET_CONNECTED },
	{ "connectivity.timestamp", FLEET_TIMESTAMP },
	{ "connectivity.disconnectReason", FLEET_DISCONNECT_REASON },
	{ "shadow.", FLEET_SHADOW },
};

/* "reported.a.b", "name.cabin.desired.c" */
static bool
read_shadow_field(const char *rest, struct fleet_term *term)
{
	const char *path = rest;

	if (strncmp(rest, "name.", 5) == 0) {
		path = strchr(rest + 5, '.');
		if (path == NULL || path == rest + 5)
			return false;
		term->name = bytes_to_string(bytes_of(rest + 5, (size_t)(path - rest) - 5));
		path++;
	} else {
		term->name = xstrdup("");
	}
	term->path = xstrdup(path);
	return strncmp(path, "reported.", 9) == 0 || strncmp(path, "desired.", 8) == 0;
}

static int
set_field(const struct parser *parser, const char *text, struct fleet_term *term)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t len = strlen(fields[i].name);
		bool has_more = fields[i].name[len - 1] == '.';

		if (strncmp(text, fields[i].name, len) != 0 ||
		    (has_more ? text[len] == '\0' : text[len] != '\0'))
			continue;
		term->field = fields[i].field;
		if (term->field == FLEET_ATTRIBUTE)
			term->name = xstrdup(text + len);
		if (term->field != FLEET_SHADOW || read_shadow_field(text + len, term))
			return 0;
		break;
	}
	return err_set(parser->err,
	    "at character %zu: %.100s is no field: thingName, thingTypeName, thingGroupNames, "
	    "attributes.NAME, connectivity.connected, connectivity.timestamp, "
	    "connectivity.disconnectReason, shadow.reported.PATH, shadow.desired.PATH or "
	    "shadow.name.NAME.reported.PATH",
	    parser->at + 1, text);
}

/* The place of the ":", "<" or ">" that ends a field's name; 0: there is none. */
static size_t
field_end(const struct parser *parser)
{
	for (size_t i = parser->at; i < parser->text.len; i++) {
		uint8_t byte = parser->text.data[i];

		if (byte == '\\')
			i++;
		else if (ends_word(byte))
			return 0;
		else if (byte == ':' || byte == '<' || byte == '>')
			return i > parser->at ? i : 0;
	}
	return 0;
}

/* Reads "field:" where it is there. */
static int
read_field(struct parser *parser, struct fleet_term *term)
{
	size_t end = parser->field == NULL ? field_end(parser) : 0;
	struct buf name = { 0 };
	int status;

	if (end == 0)
		return 0;
	for (size_t i = parser->at; i < end; i++) {
		if (parser->text.data[i] == '\\' && i + 1 < end)
			i++;
		buf_append_u8(&name, parser->text.data[i]);
	}
	status = memchr(name.data, 0, name.len) == NULL
		     ? set_field(parser, buf_string(&name), term)
		     : wrong(parser, "a field's name holds a zero");
	buf_clear(&name);
	parser->at = parser->text.data[end] == ':' ? end + 1 : end;
	return status;
}

/* --- queries --- */

static int read_or(struct parser *parser, size_t *node);

static int
read_group(struct parser *parser, size_t *node)
{
	if (++parser->depth > FLEET_DEPTH_MAX)
		return wrong(parser, "too many parentheses in each other");
	parser->at++;
	if (read_or(parser, node) < 0)
		return -1;
	skip_space(parser);
	if (peek(parser) != ')')
		return wrong(parser, "a ) is missing");
	parser->at++;
	parser->depth--;
	return 0;
}

/* What stands behind "field:(". */
static int
read_values(struct parser *parser, const struct fleet_term *field, size_t *node)
{
	int status;

	parser->field = field;
	status = read_group(parser, node);
	parser->field = NULL;
	return status;
}

static void
copy_field(const struct fleet_term *from, struct fleet_term *to)
{
	to->field = from->field;
	to->name = from->name != NULL ? xstrdup(from->name) : NULL;
	to->path = from->path != NULL ? xstrdup(from->path) : NULL;
}

static int
read_term(struct parser *parser, size_t *node)
{
	struct fleet_query *query = parser->query;
	struct fleet_term term = { 0 };
	int status;

	if (query->term_count == FLEET_TERMS_MAX)
		return wrong(parser, "more than 32 terms");
	if (parser->field != NULL)
		copy_field(parser->field, &term);
	status = read_field(parser, &term);
	if (status == 0 && term.field != FLEET_ANY && parser->field == NULL &&
	    peek(parser) == '(') {
		status = read_values(parser, &term, node);
		term_clear(&term);
		return status;
	}
	if (status == 0)
		status = read_value(parser, &term);
	if (status < 0) {
		term_clear(&term);
		return -1;
	}
	query->terms[query->term_count] = term;
	*node = add_node(parser, NODE_TERM, query->term_count++, 0);
	return 0;
}

static bool
takes_not(struct parser *parser)
{
	size_t next = parser->at + 1;

	if (take_word(parser, "NOT"))
		return true;
	if (peek(parser) != '-' || next >= parser->text.len || is_space(parser->text.data[next]))
		return false;
	parser->at++;
	return true;
}

static int
read_not(struct parser *parser, size_t *node)
{
	bool negated = false;
	int status;

	skip_space(parser);
	while (takes_not(parser)) {
		negated = !negated;
		skip_space(parser);
	}
	if (take_word(parser, "AND") || take_word(parser, "OR"))
		return wrong(parser, "a value is missing before this");
	status = peek(parser) == '(' ? read_group(parser, node) : read_term(parser, node);
	if (status == 0 && negated)
		*node = add_node(parser, NODE_NOT, *node, 0);
	return status;
}

/* Whether another operand of AND follows. */
static bool
has_more(struct parser *parser)
{
	size_t at;
	bool is_or;

	skip_space(parser);
	if (peek(parser) < 0 || peek(parser) == ')')
		return false;
	if (take_word(parser, "AND"))
		return true;
	at = parser->at;
	is_or = take_word(parser, "OR");
	parser->at = at;
	return !is_or;
}

static int
read_and(struct parser *parser, size_t *node)
{
	size_t right;

	if (read_not(parser, node) < 0)
		return -1;
	while (has_more(parser)) {
		if (read_not(parser, &right) < 0)
			return -1;
		*node = add_node(parser, NODE_AND, *node, right);
	}
	return 0;
}

static int
read_or(struct parser *parser, size_t *node)
{
	size_t right;

	if (read_and(parser, node) < 0)
		return -1;
	while (take_word(parser, "OR")) {
		if (read_and(parser, &right) < 0)
			return -1;
		*node = add_node(parser, NODE_OR, *node, right);
		skip_space(parser);
	}
	return 0;
}

static int
parse(struct parser *parser)
{
	size_t root;

	if (parser->text.len > FLEET_QUERY_BYTES_MAX)
		return err_set(parser->err, "longer than %d bytes", FLEET_QUERY_BYTES_MAX);
	skip_space(parser);
	if (peek(parser) < 0) {
		(void)add_node(parser, NODE_ALL, 0, 0);
		return 0;
	}
	if (read_or(parser, &root) < 0)
		return -1;
	skip_space(parser);
	return peek(parser) < 0 ? 0 : wrong(parser, "a ) that nothing opened");
}

struct fleet_query *
fleet_query_parse(struct bytes text, struct err *err)
{
	struct parser parser = {
		.text = text, .query = xcalloc(1, sizeof(*parser.query)), .err = err
	};

	if (parse(&parser) == 0)
		return parser.query;
	fleet_query_free(parser.query);
	return NULL;
}

void
fleet_query_free(struct fleet_query *query)
{
	if (query == NULL)
		return;
	for (size_t i = 0; i < query->term_count; i++)
		term_clear(&query->terms[i]);
	free(query->nodes);
	free(query);
}

size_t
fleet_query_count(const struct fleet_query *query)
{
	return query->term_count;
}

const struct fleet_term *
fleet_query_term(const struct fleet_query *query, size_t place)
{
	return &query->terms[place];
}

/* --- decisions --- */

/* As deep as there are terms and parentheses. */
static enum fleet_truth
decide(const struct fleet_query *query, size_t place,
    enum fleet_truth (*term)(void *arg, size_t place), void *arg)
{
	const struct node *node = &query->nodes[place];
	enum fleet_truth left, right, over;

	if (node->kind == NODE_ALL)
		return FLEET_YES;
	if (node->kind == NODE_TERM)
		return term(arg, node->left);
	left = decide(query, node->left, term, arg);
	if (node->kind == NODE_NOT)
		return left == FLEET_UNKNOWN ? left : left == FLEET_YES ? FLEET_NO : FLEET_YES;
	over = node->kind == NODE_OR ? FLEET_YES : FLEET_NO;
	if (left == over)
		return over;
	right = decide(query, node->right, term, arg);
	return right == over || left != FLEET_UNKNOWN ? right : FLEET_UNKNOWN;
}

enum fleet_truth
fleet_query_decide(
    const struct fleet_query *query, enum fleet_truth (*term)(void *arg, size_t place), void *arg)
{
	return decide(query, query->node_count - 1, term, arg);
}

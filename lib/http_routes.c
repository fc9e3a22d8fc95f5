/* SPDX-License-Identifier: MIT
 * A tree with one level for each segment. A node has its words in a map, at most one child for all
 * names and one for the rest of a path; the names themselves stand with the target, since two
 * methods may name them otherwise.
 */
#include "lib/http_routes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

struct leaf {
	void *target;
	size_t name_count;
	char *names[HTTP_SEGMENTS_MAX];
};

struct node {
	struct hash_node in_parent;
	struct node *parent;
	char *word; /* NULL: the root, or a child for names */
	struct hash_map words;
	struct node *any;
	struct node *rest;
	struct leaf *leaves[HTTP_METHODS];
};

struct http_routes {
	struct node root;
};

struct http_routes *
http_routes_new(void)
{
	return xcalloc(1, sizeof(struct http_routes));
}

static void
leaf_free(struct leaf *leaf)
{
	if (leaf == NULL)
		return;
	for (size_t i = 0; i < leaf->name_count; i++)
		free(leaf->names[i]);
	free(leaf);
}

static void
node_clear(struct node *node, void (*drop)(void *target))
{
	struct hash_node *child;

	while ((child = hash_next(&node->words, NULL)) != NULL) {
		struct node *owner = HASH_OWNER(child, struct node, in_parent);

		hash_remove(&node->words, child);
		node_clear(owner, drop);
		free(owner);
	}
	hash_clear(&node->words);
	if (node->any != NULL)
		node_clear(node->any, drop);
	free(node->any);
	if (node->rest != NULL)
		node_clear(node->rest, drop);
	free(node->rest);
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (node->leaves[i] != NULL && drop != NULL)
			drop(node->leaves[i]->target);
		leaf_free(node->leaves[i]);
	}
	free(node->word);
}

void
http_routes_free(struct http_routes *routes, void (*drop)(void *target))
{
	if (routes == NULL)
		return;
	node_clear(&routes->root, drop);
	free(routes);
}

static bool
is_name(struct bytes segment)
{
	return segment.len > 0 && segment.data[0] == '{';
}

/* "{name...}" */
static bool
is_rest(struct bytes segment)
{
	return is_name(segment) && segment.len > 5 &&
	       memcmp(segment.data + segment.len - 4, "...}", 4) == 0;
}

/* "name", of a segment that is one. */
static struct bytes
name_of(struct bytes segment)
{
	return bytes_of(segment.data + 1, segment.len - (is_rest(segment) ? 5 : 2));
}

static int
check_segment(struct bytes segment, struct err *err)
{
	struct bytes name;

	if (!is_name(segment)) {
		for (size_t i = 0; i < segment.len; i++) {
			if (segment.data[i] <= 0x20 || strchr("{}%?#*", segment.data[i]) != NULL)
				return err_set(err,
				    "'%c' may not stand in a path; a segment is a "
				    "word or a {name}",
				    segment.data[i]);
		}
		return 0;
	}
	if (segment.len < 3 || segment.data[segment.len - 1] != '}')
		return err_set(err, "a name in a path fills its segment: /{name}/");
	name = name_of(segment);
	for (size_t i = 0; i < name.len; i++) {
		if (!isalnum(name.data[i]) && name.data[i] != '_')
			return err_set(err, "a {name} has only letters, digits and '_'");
	}
	return 0;
}

static int
check_twice(const struct bytes *segments, int count, struct err *err)
{
	for (int i = 0; i < count; i++) {
		for (int k = 0; k < i; k++) {
			if (is_name(segments[i]) && is_name(segments[k]) &&
			    bytes_equal(name_of(segments[i]), name_of(segments[k])))
				return err_set(err, "%.*s stands twice", (int)segments[i].len,
				    (const char *)segments[i].data);
		}
	}
	return 0;
}

int
http_routes_check(const char *pattern, struct err *err)
{
	struct bytes segments[HTTP_SEGMENTS_MAX];
	int count;

	if (pattern[0] != '/')
		return err_set(err, "path \"%s\" does not start with '/'", pattern);
	count = http_path_split(bytes_of_string(pattern), segments);
	if (count < 0)
		return err_set(err, "path \"%s\" has a segment \".\" or \"..\", or more than %d",
		    pattern, HTTP_SEGMENTS_MAX);
	for (int i = 0; i < count; i++) {
		if (check_segment(segments[i], err) < 0)
			return err_prefix(err, "path \"%s\"", pattern);
		if (is_rest(segments[i]) && i < count - 1)
			return err_set(err, "path \"%s\": {name...} is the last segment", pattern);
	}
	if (check_twice(segments, count, err) < 0)
		return err_prefix(err, "path \"%s\"", pattern);
	return 0;
}

static struct node *
child_of(struct node *node, struct bytes segment)
{
	struct hash_node *found;

	if (is_rest(segment))
		return node->rest;
	if (is_name(segment))
		return node->any;
	found = hash_find(&node->words, segment);
	return found != NULL ? HASH_OWNER(found, struct node, in_parent) : NULL;
}

static struct node *
grow(struct node *node, struct bytes segment)
{
	struct node *child = child_of(node, segment);

	if (child != NULL)
		return child;
	child = xcalloc(1, sizeof(*child));
	child->parent = node;
	if (is_rest(segment)) {
		node->rest = child;
		return child;
	}
	if (is_name(segment)) {
		node->any = child;
		return child;
	}
	child->word = bytes_to_string(segment);
	hash_insert(&node->words, &child->in_parent, bytes_of_string(child->word));
	return child;
}

static struct node *
node_of(struct http_routes *routes, const char *pattern)
{
	struct bytes segments[HTTP_SEGMENTS_MAX];
	int count = http_path_split(bytes_of_string(pattern), segments);
	struct node *node = &routes->root;

	for (int i = 0; i < count && node != NULL; i++)
		node = child_of(node, segments[i]);
	return node;
}

void *
http_routes_find(struct http_routes *routes, enum http_method method, const char *pattern)
{
	struct node *node = node_of(routes, pattern);

	return node != NULL && node->leaves[method] != NULL ? node->leaves[method]->target : NULL;
}

void
http_routes_add(
    struct http_routes *routes, enum http_method method, const char *pattern, void *target)
{
	struct bytes segments[HTTP_SEGMENTS_MAX];
	int count = http_path_split(bytes_of_string(pattern), segments);
	struct node *node = &routes->root;
	struct leaf *leaf = xcalloc(1, sizeof(*leaf));

	leaf->target = target;
	for (int i = 0; i < count; i++) {
		node = grow(node, segments[i]);
		if (is_name(segments[i]))
			leaf->names[leaf->name_count++] = bytes_to_string(name_of(segments[i]));
	}
	leaf_free(node->leaves[method]);
	node->leaves[method] = leaf;
}

static bool
is_empty(const struct node *node)
{
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (node->leaves[i] != NULL)
			return false;
	}
	return node->words.count == 0 && node->any == NULL && node->rest == NULL;
}

static void
prune(struct node *node)
{
	while (node->parent != NULL && is_empty(node)) {
		struct node *parent = node->parent;

		if (parent->any == node)
			parent->any = NULL;
		else if (parent->rest == node)
			parent->rest = NULL;
		else
			hash_remove(&parent->words, &node->in_parent);
		node_clear(node, NULL);
		free(node);
		node = parent;
	}
}

void
http_routes_remove(struct http_routes *routes, enum http_method method, const char *pattern)
{
	struct node *node = node_of(routes, pattern);

	if (node == NULL)
		return;
	leaf_free(node->leaves[method]);
	node->leaves[method] = NULL;
	prune(node);
}

/* The decoded segments of a request's path. */
struct walk {
	struct bytes segments[HTTP_SEGMENTS_MAX];
	size_t count;
	size_t taken[HTTP_SEGMENTS_MAX]; /* which segments stand for names */
	size_t taken_count;
	bool to_end; /* the last of them stands for all that follow, too */
};

static struct leaf *descend(
    struct node *node, struct walk *walk, size_t depth, enum http_method method);

static struct leaf *
descend_by_name(struct node *node, struct walk *walk, size_t depth, enum http_method method)
{
	struct leaf *leaf;

	if (node->any == NULL || walk->segments[depth].len == 0)
		return NULL;
	walk->taken[walk->taken_count++] = depth;
	leaf = descend(node->any, walk, depth + 1, method);
	if (leaf == NULL)
		walk->taken_count--;
	return leaf;
}

static struct leaf *
take_rest(struct node *node, struct walk *walk, size_t depth, enum http_method method)
{
	struct leaf *leaf = node->rest != NULL ? node->rest->leaves[method] : NULL;

	if (leaf == NULL || (depth == walk->count - 1 && walk->segments[depth].len == 0))
		return NULL;
	walk->taken[walk->taken_count++] = depth;
	walk->to_end = true;
	return leaf;
}

/* Each node is visited once at most, for a node is reached on one way only. */
static struct leaf *
descend(struct node *node, struct walk *walk, size_t depth, enum http_method method)
{
	struct hash_node *word;
	struct leaf *leaf = NULL;

	if (depth == walk->count)
		return node->leaves[method];
	word = hash_find(&node->words, walk->segments[depth]);
	if (word != NULL)
		leaf = descend(HASH_OWNER(word, struct node, in_parent), walk, depth + 1, method);
	if (leaf == NULL)
		leaf = descend_by_name(node, walk, depth, method);
	return leaf != NULL ? leaf : take_rest(node, walk, depth, method);
}

static int
decode_path(struct bytes path, struct walk *walk, struct buf *text)
{
	struct bytes raw[HTTP_SEGMENTS_MAX];
	size_t at[HTTP_SEGMENTS_MAX + 1] = { 0 };
	int count = http_path_split(path, raw);

	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		if (http_decode(raw[i], false, text) < 0)
			return -1;
		at[i + 1] = text->len;
	}
	for (int i = 0; i < count; i++)
		walk->segments[i] = bytes_of(text->data + at[i], at[i + 1] - at[i]);
	walk->count = (size_t)count;
	return 0;
}

static struct leaf *
look_up(struct http_routes *routes, struct walk *walk, enum http_method method)
{
	struct leaf *leaf;

	walk->taken_count = 0;
	walk->to_end = false;
	leaf = descend(&routes->root, walk, 0, method);
	if (leaf == NULL && method == HTTP_HEAD)
		return look_up(routes, walk, HTTP_GET);
	return leaf;
}

/* The segments stand in the text one behind another: the rest is written again, with slashes. */
static void
join_rest(const struct walk *walk, struct http_match *match)
{
	size_t last = match->param_count - 1, at = match->params[last].at, start;

	(void)buf_reserve(&match->text, match->text.len + walk->count);
	start = match->text.len;
	for (size_t i = walk->taken[last]; i < walk->count; i++) {
		if (i > walk->taken[last])
			buf_append_u8(&match->text, '/');
		buf_append(&match->text, match->text.data + at, walk->segments[i].len);
		at += walk->segments[i].len;
	}
	match->params[last].at = start;
	match->params[last].len = match->text.len - start;
}

int
http_routes_match(struct http_routes *routes, enum http_method method, struct bytes path,
    struct http_match *match)
{
	struct walk walk = { .count = 0 };
	struct leaf *leaf;

	if (bytes_equal_string(path, "*"))
		return 0;
	if (decode_path(path, &walk, &match->text) < 0)
		return -1;
	leaf = look_up(routes, &walk, method);
	if (leaf == NULL) {
		for (int i = 0; i < HTTP_METHODS; i++)
			match->allowed[i] = look_up(routes, &walk, (enum http_method)i) != NULL;
		return 0;
	}
	match->target = leaf->target;
	match->param_count = leaf->name_count;
	for (size_t i = 0; i < leaf->name_count; i++) {
		struct bytes value = walk.segments[walk.taken[i]];

		match->params[i].name = leaf->names[i];
		match->params[i].at = (size_t)(value.data - match->text.data);
		match->params[i].len = value.len;
	}
	if (walk.to_end)
		join_rest(&walk, match);
	return 0;
}

void
http_match_clear(struct http_match *match)
{
	buf_clear(&match->text);
	*match = (struct http_match){ 0 };
}

struct bytes
http_match_param(const struct http_match *match, const char *name)
{
	for (size_t i = 0; i < match->param_count; i++) {
		if (strcmp(match->params[i].name, name) == 0)
			return bytes_of(
			    match->text.data + match->params[i].at, match->params[i].len);
	}
	return (struct bytes){ 0 };
}

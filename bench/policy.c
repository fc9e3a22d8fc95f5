/* SPDX-License-Identifier: MIT
 * How long a decision takes: policies of some sizes, asked for what the first statement allows, the
 * last one, and none. `make moonlet-policy-bench`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/policy.h"

enum { ROUNDS = 300000, NANOSECONDS = 1000000000 };

static bool
get_fact(void *arg, struct bytes name, struct buf *value)
{
	(void)arg;
	if (!bytes_equal_string(name, "iot:ClientId"))
		return false;
	buf_append_string(value, "audi22");
	return true;
}

static double
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * NANOSECONDS + (double)now.tv_nsec;
}

/* How the statements' resources are written: told apart by a literal start, by what stands behind
 * a common one, by wildcards in front. */
static const char *const shapes[] = { "topic/line%d/cars/${iot:ClientId}/*",
	"topic/plant/cars/${iot:ClientId}/line%d/*", "topic/*/${iot:ClientId}/line%d/*" };

static struct policy_set *
make(int statements, const char *shape)
{
	const struct policy_facts facts = { get_fact, NULL };
	const char *name = "bench";
	struct buf json = { 0 }, resource = { 0 };
	struct policy *policy;
	struct policy_set *set;
	struct err err;

	buf_append_string(&json, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	for (int i = 0; i < statements; i++) {
		const char *at = strstr(shape, "%d");

		buf_reset(&resource);
		buf_append(&resource, shape, (size_t)(at - shape));
		buf_printf(&resource, "%d%s", i, at + 2);
		buf_printf(&json,
		    "%s{\"Effect\":\"%s\",\"Action\":\"iot:Publish\",\"Resource\":\"%s\"}",
		    i > 0 ? "," : "", i % 10 == 9 ? "Deny" : "Allow", buf_string(&resource));
	}
	buf_append_string(&json, "]}");
	policy = policy_parse(buf_bytes(&json), &err);
	if (policy == NULL) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	set = policy_set_new(&policy, &name, 1, &facts);
	policy_unref(policy);
	buf_clear(&json);
	buf_clear(&resource);
	return set;
}

static double
measure(struct policy_set *set, const char *resource)
{
	struct bytes action = bytes_of_string("iot:Publish"), name = bytes_of_string(resource);
	size_t allowed = policy_decide(set, action, name).effect == POLICY_ALLOWED;
	double start = now_ns(), end;

	for (int i = 0; i < ROUNDS; i++)
		allowed += policy_decide(set, action, name).effect == POLICY_ALLOWED;
	end = now_ns();
	return allowed > ROUNDS + 1 ? -1 : (end - start) / ROUNDS;
}

static void
measure_shape(int statements, size_t shape)
{
	static const char *const topics[][2] = {
		{ "topic/line0/cars/audi22/speed", "topic/line%d/cars/audi22/speed" },
		{ "topic/plant/cars/audi22/line0/speed", "topic/plant/cars/audi22/line%d/speed" },
		{ "topic/a/audi22/line0/speed", "topic/a/audi22/line%d/speed" },
	};
	struct policy_set *set = make(statements, shapes[shape]);
	struct buf last = { 0 };
	const char *at = strstr(topics[shape][1], "%d");

	buf_append(&last, topics[shape][1], (size_t)(at - topics[shape][1]));
	buf_printf(&last, "%d%s", statements - 2, at + 2);
	(void)printf("%4d statements  %-44s first %5.0f ns  last %5.0f ns  none %5.0f ns\n",
	    statements, shapes[shape], measure(set, topics[shape][0]),
	    measure(set, buf_string(&last)), measure(set, "topic/plant/cars/audi23/line5/speed"));
	buf_clear(&last);
	policy_set_free(set);
}

int
main(void)
{
	static const int sizes[] = { 10, 50, 100 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++)
			measure_shape(sizes[i], shape);
	}
	return 0;
}

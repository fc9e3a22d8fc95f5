/* SPDX-License-Identifier: MIT
 * The registry: what its steps do and refuse, that it comes back from the store as it was, and that
 * it is right again after the store has failed. With TEST_LONG set it says how long 100,000 things
 * take to come back.
 */
#include "tests/store_unit.h"

#include "runtime/access/identity.h"
#include "runtime/registry/registry.h"

enum { LONG_THINGS = 100000, STEPS_EACH = 1000 };

#define CERT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CERT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ALLOW_ALL                                                                      \
	"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":" \
	"\"iot:*\",\"Resource\":\"*\"}]}"

struct world {
	struct place *place;
	struct loop *loop;
	struct registry *registry;
	struct registry_change *change;
	struct err err;
	int changed;
	int waiting;
	int failed;
};

static void
on_changed(void *arg)
{
	((struct world *)arg)->changed++;
}

static void
world_open(struct world *world)
{
	struct registry_parts parts = {
		.store = world->place->store, .changed = on_changed, .arg = world
	};

	world->loop = loop_new(&sys_posix, &world->err);
	assert_non_null(world->loop);
	parts.loop = world->loop;
	world->registry = registry_new(&parts);
	assert_int_equal(registry_restore(world->registry, &world->err), 0);
}

static void
world_close(struct world *world)
{
	registry_stop(world->registry);
	store_close(world->place->store);
	world->place->store = NULL;
	registry_free(world->registry);
	loop_free(world->loop);
}

static void
world_reopen(struct world *world)
{
	world_close(world);
	place_open(world->place);
	world_open(world);
}

static int
on_world(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	void *place;

	assert_int_equal(on_memory(&place), 0);
	world->place = place;
	world_open(world);
	*state = world;
	return 0;
}

static int
world_end(void **state)
{
	struct world *world = *state;
	void *place = world->place;

	world_close(world);
	free(world);
	return place_end(&place);
}

static void
turn(struct world *world)
{
	assert_int_equal(loop_turn(world->loop, false, &world->err), 0);
	store_poll(world->place->store);
	(void)usleep(100);
}

static void
on_done(void *arg, int status, const struct err *err)
{
	struct world *world = arg;

	world->waiting--;
	if (status == 0)
		return;
	world->failed++;
	assert_non_null(err);
}

static struct registry_change *
begin(struct world *world)
{
	world->change = registry_change_new(world->registry);
	return world->change;
}

static void
submit(struct world *world)
{
	world->waiting++;
	registry_change_commit(world->change, on_done, world);
}

static void
settle(struct world *world)
{
	while (world->waiting > 0)
		turn(world);
}

static void
commit(struct world *world)
{
	submit(world);
	settle(world);
	assert_int_equal(world->failed, 0);
}

#define EXPECT_OK(step)                                             \
	do {                                                        \
		if ((step) < 0)                                     \
			fail_msg("%s: %s", #step, world->err.text); \
	} while (0)

#define EXPECT_REFUSED(step, why)                                                         \
	do {                                                                              \
		assert_int_equal((step), -1);                                             \
		assert_int_equal(registry_change_refusal(world->change), REGISTRY_##why); \
		assert_true(world->err.text[0] != '\0');                                  \
	} while (0)

static int
put_thing(struct world *world, const char *name, const char *type, const char *attributes)
{
	cJSON *json = attributes != NULL ? cJSON_Parse(attributes) : NULL;
	const struct thing_wish wish = {
		.name = name, .type = type, .attributes = json, .is_new = true
	};
	int result = registry_put_thing(world->change, &wish, &world->err);

	cJSON_Delete(json);
	return result;
}

static int
put_certificate(struct world *world, const char *id)
{
	const struct certificate_facts facts = { .id = id,
		.common_name = "audi22",
		.subject = "CN=audi22",
		.issuer = "CN=Plant",
		.serial = "01",
		.not_before_s = 1000,
		.not_after_s = 4000000000,
		.state = REGISTRY_ACTIVE };

	return registry_put_certificate(world->change, &facts, &world->err);
}

static int
put_group(struct world *world, const char *name, const char *parent)
{
	const struct group_wish wish = { .name = name, .parent = parent, .is_new = true };

	return registry_put_group(world->change, &wish, &world->err);
}

static int
put_policy(struct world *world, const char *name)
{
	return registry_put_policy(world->change, name, text(ALLOW_ALL), &world->err);
}

/* A thing of everything: type, attributes, two groups, a certificate and policies. */
static void
make_fleet(struct world *world)
{
	struct registry_change *change = begin(world);
	struct err *err = &world->err;

	EXPECT_OK(registry_create_type(change, &(struct type_wish){ .name = "car" }, err));
	EXPECT_OK(put_thing(world, "audi22", "car", "{\"model\":\"audi\",\"year\":\"2022\"}"));
	EXPECT_OK(put_thing(world, "vw1", NULL, NULL));
	EXPECT_OK(put_group(world, "fleet", NULL));
	EXPECT_OK(put_group(world, "north", "fleet"));
	EXPECT_OK(registry_add_member(change, "north", "audi22", err));
	EXPECT_OK(put_certificate(world, CERT_A));
	EXPECT_OK(registry_need_default_policy(change, err));
	EXPECT_OK(put_policy(world, "all"));
	EXPECT_OK(registry_attach_policy(change, "default", "cert:" CERT_A, err));
	EXPECT_OK(registry_attach_policy(change, "all", "group:fleet", err));
	EXPECT_OK(registry_attach_policy(change, "all", "user:anna", err));
	EXPECT_OK(registry_attach_thing(change, "audi22", "cert:" CERT_A, err));
	EXPECT_OK(registry_attach_thing(change, "vw1", "cert:" CERT_A, err));
	commit(world);
}

static size_t
count_policies(struct world *world, const char *target, const char *thing)
{
	struct policy_list list = { 0 };
	size_t count;

	registry_policies_of(world->registry, text(target),
	    thing != NULL ? registry_thing(world->registry, text(thing)) : NULL, &list);
	count = list.count;
	policy_list_clear(&list);
	return count;
}

static void
check_fleet(struct world *world)
{
	const struct registry *registry = world->registry;
	const struct thing *thing = registry_thing(registry, text("audi22"));
	const struct registry_certificate *certificate =
	    registry_certificate(registry, text(CERT_A));

	assert_non_null(thing);
	assert_string_equal(thing->type, "car");
	assert_string_equal(attributes_find(&thing->attributes, text("model")), "audi");
	assert_int_equal(thing->version, 1);
	assert_int_equal(thing->group_count, 1);
	assert_true(registry_is_member(registry, thing, registry_group(registry, text("fleet"))));
	assert_non_null(certificate);
	assert_int_equal(certificate->state, REGISTRY_ACTIVE);
	assert_string_equal(certificate->common_name, "audi22");
	assert_int_equal(count_policies(world, "cert:" CERT_A, NULL), 1);
	assert_int_equal(count_policies(world, "cert:" CERT_A, "audi22"), 2);
	assert_int_equal(count_policies(world, "user:anna", "audi22"), 1);
	assert_int_equal(count_policies(world, "user:bert", "vw1"), 0);
	assert_ptr_equal(registry_thing_of(registry, text("cert:" CERT_A), text("")), thing);
}

static void
everything_comes_back_from_the_store(void **state)
{
	struct world *world = *state;

	make_fleet(world);
	check_fleet(world);
	world_reopen(world);
	check_fleet(world);
}

static int
rename_type(struct world *world, const char *name)
{
	const struct thing_wish wish = { .name = name, .type = "" };

	return registry_put_thing(world->change, &wish, &world->err);
}

/* Whoever is connected decides anew with each change of rights: what cannot concern anybody must
 * not be one. */
static void
rights_change_only_where_somebody_may_be_connected(void **state)
{
	struct world *world = *state;
	struct err *err = &world->err;
	int changed;

	make_fleet(world);
	changed = world->changed;
	(void)begin(world);
	EXPECT_OK(put_thing(world, "new", "car", NULL));
	EXPECT_OK(put_group(world, "south", "fleet"));
	EXPECT_OK(registry_add_member(world->change, "south", "new", err));
	EXPECT_OK(put_certificate(world, CERT_B));
	EXPECT_OK(registry_attach_policy(world->change, "default", "cert:" CERT_B, err));
	EXPECT_OK(registry_attach_thing(world->change, "new", "cert:" CERT_B, err));
	EXPECT_OK(put_policy(world, "unused"));
	commit(world);
	assert_int_equal(world->changed, changed);
	(void)begin(world);
	EXPECT_OK(put_policy(world, "all"));
	commit(world);
	assert_int_equal(world->changed, changed + 1);
	(void)begin(world);
	EXPECT_OK(rename_type(world, "audi22"));
	commit(world);
	assert_int_equal(world->changed, changed + 2);
	(void)begin(world);
	EXPECT_OK(registry_add_member(world->change, "south", "vw1", err));
	commit(world);
	assert_int_equal(world->changed, changed + 3);
	(void)begin(world);
	EXPECT_OK(registry_set_certificate_state(world->change, CERT_B, REGISTRY_INACTIVE, err));
	commit(world);
	assert_int_equal(world->changed, changed + 4);
	(void)begin(world);
	EXPECT_OK(registry_delete_thing(world->change, "vw1", err));
	commit(world);
	assert_int_equal(world->changed, changed + 5);
}

static void
client_id_chooses_among_the_things_of_a_certificate(void **state)
{
	static const struct {
		const char *client_id, *thing;
	} cases[] = { { "vw1", "vw1" }, { "vw1/2", "vw1" }, { "vw12", "audi22" },
		{ "audi22", "audi22" }, { "", "audi22" } };
	struct world *world = *state;

	make_fleet(world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(registry_thing_of(world->registry, text("cert:" CERT_A),
					text(cases[i].client_id))
					->name,
		    cases[i].thing);
	assert_null(registry_thing_of(world->registry, text("user:anna"), text("vw1")));
}

static void
what_goes_is_detached_everywhere(void **state)
{
	struct world *world = *state;
	struct registry_change *change;
	struct err *err = &world->err;

	make_fleet(world);
	change = begin(world);
	EXPECT_OK(registry_delete_thing(change, "audi22", err));
	EXPECT_OK(registry_delete_group(change, "north", err));
	EXPECT_OK(registry_delete_group(change, "fleet", err));
	EXPECT_OK(registry_delete_type(change, "car", err));
	EXPECT_OK(registry_set_certificate_state(change, CERT_A, REGISTRY_REVOKED, err));
	EXPECT_OK(registry_delete_certificate(change, CERT_A, err));
	EXPECT_OK(registry_detach_policy(change, "all", "user:anna", err));
	EXPECT_OK(registry_delete_policy(change, "all", err));
	EXPECT_OK(registry_delete_policy(change, "default", err));
	commit(world);
	for (int i = 0; i < 2; i++) {
		const struct registry *registry = world->registry;

		assert_int_equal(registry_thing_count(registry), 1);
		assert_int_equal(registry_thing(registry, text("vw1"))->target_count, 0);
		assert_null(registry_group_next(registry, NULL));
		assert_null(registry_type_next(registry, NULL));
		assert_null(registry_certificate_next(registry, NULL));
		assert_null(registry_policy_next(registry, NULL));
		assert_null(registry_target_next(registry, NULL));
		world_reopen(world);
	}
}

static void
cancelled_change_leaves_no_trace(void **state)
{
	struct world *world = *state;
	struct registry_change *change;
	struct err *err = &world->err;

	make_fleet(world);
	change = begin(world);
	EXPECT_OK(put_thing(world, "new", "car", NULL));
	EXPECT_OK(registry_attach_thing(change, "new", "cert:" CERT_A, err));
	EXPECT_OK(registry_add_member(change, "fleet", "new", err));
	EXPECT_OK(registry_delete_thing(change, "audi22", err));
	EXPECT_OK(registry_set_certificate_state(change, CERT_A, REGISTRY_REVOKED, err));
	EXPECT_OK(registry_delete_group(change, "north", err));
	EXPECT_OK(registry_delete_certificate(change, CERT_A, err));
	registry_change_cancel(change);
	assert_null(registry_thing(world->registry, text("new")));
	assert_int_equal(registry_thing_count(world->registry), 2);
	assert_int_equal(registry_group(world->registry, text("fleet"))->thing_count, 0);
	assert_int_equal(registry_group(world->registry, text("north"))->thing_count, 1);
	assert_int_equal(registry_thing(world->registry, text("audi22"))->target_count, 1);
	assert_int_equal(count_policies(world, "cert:" CERT_A, "audi22"), 2);
}

static void
wrong_steps_are_refused_with_their_reason(void **state)
{
	struct world *world = *state;
	struct registry_change *change;
	struct err *err = &world->err;
	const struct thing_wish unknown = { .name = "unknown", .type = "car" };
	const struct thing_wish stale = { .name = "vw1", .type = "car", .version = 9 };

	make_fleet(world);
	change = begin(world);
	EXPECT_REFUSED(put_thing(world, "a b", NULL, NULL), INVALID);
	EXPECT_REFUSED(put_thing(world, "", NULL, NULL), INVALID);
	EXPECT_REFUSED(put_thing(world, "audi22", NULL, NULL), CONFLICT);
	EXPECT_REFUSED(put_thing(world, "x", "lorry", NULL), NOT_FOUND);
	EXPECT_REFUSED(put_thing(world, "x", NULL, "{\"a b\":\"c\"}"), INVALID);
	EXPECT_REFUSED(put_thing(world, "x", NULL, "{\"a\":1}"), INVALID);
	EXPECT_REFUSED(put_thing(world, "x", NULL, "[]"), INVALID);
	EXPECT_REFUSED(registry_put_thing(change, &unknown, err), NOT_FOUND);
	EXPECT_REFUSED(registry_put_thing(change, &stale, err), CONFLICT);
	EXPECT_REFUSED(registry_delete_thing(change, "nobody", err), NOT_FOUND);
	EXPECT_REFUSED(registry_delete_type(change, "car", err), CONFLICT);
	EXPECT_REFUSED(put_group(world, "south", "nowhere"), NOT_FOUND);
	EXPECT_REFUSED(registry_delete_group(change, "fleet", err), CONFLICT);
	EXPECT_REFUSED(registry_add_member(change, "north", "nobody", err), NOT_FOUND);
	EXPECT_REFUSED(registry_remove_member(change, "fleet", "audi22", err), NOT_FOUND);
	EXPECT_REFUSED(put_certificate(world, CERT_A), CONFLICT);
	EXPECT_REFUSED(put_certificate(world, "AAAA"), INVALID);
	EXPECT_REFUSED(registry_delete_certificate(change, CERT_A, err), CONFLICT);
	EXPECT_REFUSED(registry_delete_certificate(change, CERT_B, err), NOT_FOUND);
	EXPECT_REFUSED(registry_put_policy(change, "p", text("{}"), err), INVALID);
	EXPECT_REFUSED(registry_put_policy(change, "p/q", text(ALLOW_ALL), err), INVALID);
	EXPECT_REFUSED(registry_delete_policy(change, "all", err), CONFLICT);
	EXPECT_REFUSED(registry_attach_policy(change, "all", "cert:" CERT_B, err), NOT_FOUND);
	EXPECT_REFUSED(registry_attach_policy(change, "all", "anna", err), INVALID);
	EXPECT_REFUSED(registry_attach_policy(change, "none", "user:anna", err), NOT_FOUND);
	EXPECT_REFUSED(registry_attach_thing(change, "vw1", "group:fleet", err), INVALID);
	EXPECT_REFUSED(registry_put_authority(change, text("x"), REGISTRATION_OFF, err), INVALID);
	registry_change_cancel(change);
	check_fleet(world);
}

static void
revoked_certificate_stays_revoked(void **state)
{
	struct world *world = *state;
	struct registry_change *change;

	make_fleet(world);
	change = begin(world);
	EXPECT_OK(registry_set_certificate_state(change, CERT_A, REGISTRY_INACTIVE, &world->err));
	EXPECT_OK(registry_set_certificate_state(change, CERT_A, REGISTRY_ACTIVE, &world->err));
	EXPECT_OK(registry_set_certificate_state(change, CERT_A, REGISTRY_REVOKED, &world->err));
	EXPECT_REFUSED(
	    registry_set_certificate_state(change, CERT_A, REGISTRY_ACTIVE, &world->err), CONFLICT);
	EXPECT_REFUSED(
	    registry_set_certificate_state(change, CERT_A, REGISTRY_PENDING, &world->err), INVALID);
	commit(world);
}

static void
attributes_are_merged_or_replaced(void **state)
{
	struct world *world = *state;
	cJSON *more = cJSON_Parse("{\"year\":\"\",\"colour\":\"red\"}");
	struct thing_wish wish = { .name = "audi22", .attributes = more, .merge = true };
	const struct thing *thing;

	make_fleet(world);
	(void)begin(world);
	EXPECT_OK(registry_put_thing(world->change, &wish, &world->err));
	thing = registry_thing(world->registry, text("audi22"));
	assert_int_equal(thing->attributes.count, 2);
	assert_null(attributes_find(&thing->attributes, text("year")));
	assert_string_equal(attributes_find(&thing->attributes, text("colour")), "red");
	assert_string_equal(thing->type, "car");
	assert_int_equal(thing->version, 2);
	wish.merge = false;
	wish.type = "";
	EXPECT_OK(registry_put_thing(world->change, &wish, &world->err));
	assert_null(attributes_find(&thing->attributes, text("model")));
	assert_null(thing->type);
	commit(world);
	cJSON_Delete(more);
}

/* Both changes are on their way when the store fails: the one that stands upon the other must not
 * be stored either. */
static void
failed_store_takes_changes_back(void **state)
{
	struct world *world = *state;
	struct registry_change *change;

	make_fleet(world);
	memory_disk_fail(world->place->config.disk, TROUBLE_FULL, 1);
	change = begin(world);
	EXPECT_OK(put_thing(world, "new", NULL, NULL));
	EXPECT_OK(registry_delete_thing(change, "audi22", &world->err));
	submit(world);
	settle(world);
	assert_int_equal(world->failed, 1);
	for (int i = 0; registry_thing(world->registry, text("new")) != NULL && i < 600000; i++)
		turn(world);
	world->failed = 0;
	assert_int_equal(registry_thing_count(world->registry), 2);
	assert_non_null(registry_thing(world->registry, text("audi22")));
	(void)begin(world);
	EXPECT_OK(put_thing(world, "newer", NULL, NULL));
	commit(world);
	world_reopen(world);
	assert_int_equal(registry_thing_count(world->registry), 3);
	assert_int_equal(registry_thing(world->registry, text("audi22"))->target_count, 1);
}

static void
no_change_is_stored_upon_a_failed_one(void **state)
{
	struct world *world = *state;

	memory_disk_fail(world->place->config.disk, TROUBLE_FULL, 1);
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)begin(world);
		EXPECT_OK(put_thing(world, name, NULL, NULL));
		submit(world);
	}
	settle(world);
	assert_int_equal(world->failed, 20);
	for (int i = 0; registry_thing_count(world->registry) > 0 && i < 600000; i++)
		turn(world);
	assert_int_equal(registry_thing_count(world->registry), 0);
	world->failed = 0;
	world_reopen(world);
	assert_int_equal(registry_thing_count(world->registry), 0);
}

static void
things_are_walked_in_order_while_they_come_and_go(void **state)
{
	struct world *world = *state;
	struct thing *at;
	int met = 0;

	(void)begin(world);
	for (int i = 0; i < 5000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%04d", i);
		EXPECT_OK(put_thing(world, name, NULL, NULL));
	}
	for (int i = 0; i < 5000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%04d", i);
		if (i % 5 != 0)
			EXPECT_OK(registry_delete_thing(world->change, name, &world->err));
	}
	commit(world);
	for (at = registry_thing_after(world->registry, 0); at != NULL;
	     at = registry_thing_after(world->registry, at->serial)) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%04d", met++ * 5);
		assert_string_equal(at->name, name);
	}
	assert_int_equal(met, 1000);
}

static void
many_things_come_back_in_about_a_second(void **state)
{
	struct world *world = *state;
	int count = getenv("TEST_LONG") != NULL ? LONG_THINGS : STEPS_EACH;
	int64_t begun_us;

	for (int i = 0; i < count; i++) {
		char name[16];

		if (i % STEPS_EACH == 0)
			(void)begin(world);
		(void)snprintf(name, sizeof(name), "car%06d", i);
		EXPECT_OK(put_thing(world, name, NULL,
		    "{\"model\":\"audi\",\"year\":\"2022\",\"vin\":\"WAUZZZ8K9BA123456\"}"));
		if (i % STEPS_EACH == STEPS_EACH - 1)
			commit(world);
	}
	begun_us = sys_posix.monotonic_us();
	world_reopen(world);
	if (count == LONG_THINGS)
		print_message("%d things came back in %lld ms\n", count,
		    (long long)(sys_posix.monotonic_us() - begun_us) / 1000);
	assert_int_equal(registry_thing_count(world->registry), count);
}

#define ON_WORLD(test) cmocka_unit_test_setup_teardown(test, on_world, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_WORLD(everything_comes_back_from_the_store),
		ON_WORLD(rights_change_only_where_somebody_may_be_connected),
		ON_WORLD(client_id_chooses_among_the_things_of_a_certificate),
		ON_WORLD(what_goes_is_detached_everywhere),
		ON_WORLD(cancelled_change_leaves_no_trace),
		ON_WORLD(wrong_steps_are_refused_with_their_reason),
		ON_WORLD(revoked_certificate_stays_revoked),
		ON_WORLD(attributes_are_merged_or_replaced),
		ON_WORLD(failed_store_takes_changes_back),
		ON_WORLD(no_change_is_stored_upon_a_failed_one),
		ON_WORLD(things_are_walked_in_order_while_they_come_and_go),
		ON_WORLD(many_things_come_back_in_about_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

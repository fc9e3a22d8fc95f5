/* SPDX-License-Identifier: MIT
 * Loading libcurl.
 */
#include "net/late_curl.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

struct late_curl late_curl;

/* dlsym gives an object's pointer for a function's: POSIX says that its bytes are the same. */
static int
find(void *library, const char *name, void *place, struct err *err)
{
	void *found = dlsym(library, name);

	if (found == NULL)
		return err_set(err, "http: %s has no %s: it is too old", LIBRARY, name);
	memcpy(place, &found, sizeof(found));
	return 0;
}

static int
find_all(void *library, struct late_curl *late, struct err *err)
{
#define FIND(name)                                                      \
	if (find(library, "curl_" #name, (void *)&late->name, err) < 0) \
		return -1;
	LATE_CURL_FUNCTIONS(FIND)
#undef FIND
	return 0;
}

/* Looking up names on the loop's own thread would hold up everybody. */
static int
check(const struct late_curl *late, struct err *err)
{
	if (late->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, "http: %s does not start", LIBRARY);
	if ((late->version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS) == 0)
		return err_set(err,
		    "http: this %s resolves names synchronously; one built with the threaded "
		    "resolver "
		    "or c-ares is needed",
		    LIBRARY);
	return 0;
}

int
late_curl_load(struct err *err)
{
	struct late_curl late;
	void *library;

	if (late_curl.easy_init != NULL)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(err, "http: %s; install libcurl4", dlerror());
	if (find_all(library, &late, err) < 0 || check(&late, err) < 0) {
		(void)dlclose(library);
		return -1;
	}
	late_curl = late;
	return 0;
}

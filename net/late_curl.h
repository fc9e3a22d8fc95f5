/* SPDX-License-Identifier: MIT
 * libcurl, loaded when a handler first wants it: it brings some thirty libraries along, most of
 * what an idle host would have in memory and half of what it would do at start.
 *
 * Its functions are called by their names, as if it were linked.
 */
#ifndef NET_LATE_CURL_H
#define NET_LATE_CURL_H

#include <curl/curl.h>

#include "lib/err.h"

/* Those that are used. */
/* clang-format off */
#define LATE_CURL_FUNCTIONS(X) \
	X(easy_cleanup) \
	X(easy_getinfo) \
	X(easy_init) \
	X(easy_perform) \
	X(easy_reset) \
	X(easy_setopt) \
	X(easy_strerror) \
	X(free) \
	X(global_init) \
	X(multi_add_handle) \
	X(multi_assign) \
	X(multi_cleanup) \
	X(multi_info_read) \
	X(multi_init) \
	X(multi_remove_handle) \
	X(multi_setopt) \
	X(multi_socket_action) \
	X(slist_append) \
	X(slist_free_all) \
	X(url) \
	X(url_cleanup) \
	X(url_dup) \
	X(url_get) \
	X(url_set) \
	X(url_strerror) \
	X(version_info)
/* clang-format on */

/* The checks by macro name the functions themselves, which are not there. */
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

struct late_curl {
#define LATE_CURL_MEMBER(name) __typeof__(&curl_##name) name;
	LATE_CURL_FUNCTIONS(LATE_CURL_MEMBER)
#undef LATE_CURL_MEMBER
};

/* What the dynamic linker would keep; all NULL before late_curl_load. */
extern struct late_curl late_curl;

/* Loads it, where it is not loaded yet, and sees whether it can be used. -1: it is not installed,
 * too old, or resolves names on the caller's thread. */
int late_curl_load(struct err *err) __attribute__((warn_unused_result));

#define curl_easy_cleanup late_curl.easy_cleanup
#define curl_easy_getinfo late_curl.easy_getinfo
#define curl_easy_init late_curl.easy_init
#define curl_easy_perform late_curl.easy_perform
#define curl_easy_reset late_curl.easy_reset
#define curl_easy_setopt late_curl.easy_setopt
#define curl_easy_strerror late_curl.easy_strerror
#define curl_free late_curl.free
#define curl_multi_add_handle late_curl.multi_add_handle
#define curl_multi_assign late_curl.multi_assign
#define curl_multi_cleanup late_curl.multi_cleanup
#define curl_multi_info_read late_curl.multi_info_read
#define curl_multi_init late_curl.multi_init
#define curl_multi_remove_handle late_curl.multi_remove_handle
#define curl_multi_setopt late_curl.multi_setopt
#define curl_multi_socket_action late_curl.multi_socket_action
#define curl_slist_append late_curl.slist_append
#define curl_slist_free_all late_curl.slist_free_all
#define curl_url late_curl.url
#define curl_url_cleanup late_curl.url_cleanup
#define curl_url_dup late_curl.url_dup
#define curl_url_get late_curl.url_get
#define curl_url_set late_curl.url_set
#define curl_url_strerror late_curl.url_strerror

#endif

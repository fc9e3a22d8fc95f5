/* SPDX-License-Identifier: MIT
 * Where a broker is: mqtt://[user[:password]@]host[:port], or mqtts:// for TLS, an IPv6 address in
 * brackets, user and password percent-encoded where they need it. Behind a question mark, files for
 * TLS may follow: ?ca=FILE&cert=FILE&key=FILE.
 */
#ifndef LIB_MQTT_URL_H
#define LIB_MQTT_URL_H

#include "lib/bytes.h"
#include "lib/err.h"

enum { MQTT_PORT = 1883, MQTTS_PORT = 8883 };

struct mqtt_url {
	char *user;	/* NULL: none */
	char *password; /* NULL: none */
	char *host;	/* without brackets */
	char *ca;	/* these three: NULL where they are not named */
	char *cert;
	char *key;
	bool tls;
	uint16_t port;
};

/* 0, or -1 with what is wrong; the text is not part of the error, for it may hold a password. */
int mqtt_url_parse(const char *text, struct mqtt_url *url, struct err *err)
    __attribute__((warn_unused_result));
void mqtt_url_clear(struct mqtt_url *url);

#endif

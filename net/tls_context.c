/* SPDX-License-Identifier: MIT
 * Contexts, by mbedtls.
 */
#include "net/tls_context.h"

#include <ctype.h>
#include <mbedtls/ssl_ticket.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net/certificate_mbed.h"
#include "net/mbed.h"
#include "net/tls_private.h"

enum { TICKET_S = 86400 };

struct tls_context {
	uint32_t refs;
	unsigned lane_count;
	pthread_mutex_t ticket_lock; /* all lanes have the same tickets */
	mbedtls_ssl_ticket_context tickets;
	struct tls_lane lanes[];
};

static int
write_ticket(void *arg, const mbedtls_ssl_session *session, unsigned char *start,
    const unsigned char *end, size_t *len, uint32_t *lifetime_s)
{
	struct tls_context *context = arg;
	int code;

	(void)pthread_mutex_lock(&context->ticket_lock);
	code = mbedtls_ssl_ticket_write(&context->tickets, session, start, end, len, lifetime_s);
	(void)pthread_mutex_unlock(&context->ticket_lock);
	return code;
}

static int
parse_ticket(void *arg, mbedtls_ssl_session *session, unsigned char *text, size_t len)
{
	struct tls_context *context = arg;
	int code;

	(void)pthread_mutex_lock(&context->ticket_lock);
	code = mbedtls_ssl_ticket_parse(&context->tickets, session, text, len);
	(void)pthread_mutex_unlock(&context->ticket_lock);
	return code;
}

/* Lower case; false where it is no host's name. */
static bool
read_server_name(struct tls_lane *lane, const unsigned char *name, size_t len)
{
	if (len == 0 || len >= sizeof(lane->server_name))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum(name[i]) && strchr("-._", name[i]) == NULL)
			return false;
		lane->server_name[i] = (char)tolower(name[i]);
	}
	lane->server_name[len] = '\0';
	return true;
}

/* Keeps the name and chooses the certificate; a name that we do not know gets the first. */
static int
take_server_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
	struct tls_lane *lane = arg;

	if (!read_server_name(lane, name, len)) {
		lane->server_name[0] = '\0';
		return 0;
	}
	for (size_t i = 0; lane->pair_count > 1 && i < lane->pair_count; i++) {
		struct tls_loaded *pair = &lane->pairs[i];

		if (certificate_has_host(&pair->certificate, lane->server_name))
			return mbedtls_ssl_set_hs_own_cert(ssl, &pair->certificate, &pair->key);
	}
	return 0;
}

static int
load_key(struct tls_loaded *loaded, struct bytes text, struct err *err)
{
	char *terminated = bytes_to_string(text);
	int code = mbed_key_parse(&loaded->key, bytes_of(terminated, text.len + 1));

	explicit_bzero(terminated, text.len);
	free(terminated);
	if (code != 0)
		return mbed_err(err, code), err_prefix(err, "the key");
	if (mbed_key_fits(&loaded->certificate.pk, &loaded->key) != 0)
		return err_set(err, "the key is not the certificate's");
	code = mbed_key_prepare(&loaded->key);
	return code == 0 ? 0 : mbed_err(err, code);
}

static int
load_pair(struct tls_lane *lane, const struct tls_pair *pair, struct err *err)
{
	struct tls_loaded *loaded = &lane->pairs[lane->pair_count++];
	int result;

	mbedtls_x509_crt_init(&loaded->certificate);
	mbedtls_pk_init(&loaded->key);
	result = certificate_chain_parse(&loaded->certificate, pair->certificate, err);
	if (result < 0)
		(void)err_prefix(err, "the certificate");
	else
		result = load_key(loaded, pair->key, err);
	if (result < 0 && pair->name != NULL)
		(void)err_prefix(err, "%s", pair->name);
	return result;
}

static int
load_pairs(struct tls_lane *lane, const struct tls_material *material, struct err *err)
{
	const struct tls_pair first = {
		.name = material->name, .certificate = material->certificate, .key = material->key
	};
	int code;

	if (material->certificate.len == 0)
		return 0;
	if (load_pair(lane, &first, err) < 0)
		return -1;
	code = mbedtls_ssl_conf_own_cert(
	    &lane->config, &lane->pairs[0].certificate, &lane->pairs[0].key);
	if (code != 0)
		return mbed_err(err, code);
	for (size_t i = 0; i < material->other_count && i + 1 < TLS_PAIRS_MAX; i++) {
		if (load_pair(lane, &material->others[i], err) < 0)
			return -1;
	}
	return 0;
}

static int
load(struct tls_lane *lane, const struct tls_material *material, struct err *err)
{
	if (load_pairs(lane, material, err) < 0)
		return -1;
	if (material->authorities.len > 0) {
		if (certificate_authorities_parse(&lane->authorities, material->authorities, err) <
		    0)
			return err_prefix(err, "the authorities");
	}
	/* A server's clients are verified by tls_verify_peer; but without a chain, be it empty,
	 * nothing would be asked for. */
	mbedtls_ssl_conf_ca_chain(
	    &lane->config, material->side == TLS_SERVER ? &lane->nobody : &lane->authorities, NULL);
	return 0;
}

static void
set_server(struct tls_context *context, struct tls_lane *lane, const struct tls_material *material)
{
	mbedtls_ssl_config *config = &lane->config;

	/* A bad certificate is refused behind the handshake, by who knows the registry too. */
	mbedtls_ssl_conf_authmode(
	    config, material->ask ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_cert_req_ca_list(config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
	mbedtls_ssl_conf_sni(config, take_server_name, lane);
	mbedtls_ssl_conf_session_tickets_cb(config, write_ticket, parse_ticket, context);
}

static int
fill_lane(struct tls_context *context, struct tls_lane *lane, const struct tls_material *material,
    struct err *err)
{
	bool is_server = material->side == TLS_SERVER;
	mbedtls_ssl_config *config = &lane->config;
	int code = mbedtls_ssl_config_defaults(config,
	    is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
	    MBEDTLS_SSL_PRESET_DEFAULT);

	if (code == 0 && material->protocols != NULL)
		code = mbedtls_ssl_conf_alpn_protocols(
		    config, (const char **)(uintptr_t)material->protocols);
	if (code != 0)
		return mbed_err(err, code);
	mbedtls_ssl_conf_rng(config, mbed_random, NULL);
	mbed_choices(config);
	if (is_server)
		set_server(context, lane, material);
	else
		mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
	return load(lane, material, err);
}

static int
set_tickets(struct tls_context *context, struct err *err)
{
	int code = mbedtls_ssl_ticket_setup(
	    &context->tickets, mbed_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, TICKET_S);

	return code == 0 ? 0 : mbed_err(err, code);
}

struct tls_context *
tls_context_new(const struct tls_material *material, struct err *err)
{
	struct tls_context *context =
	    xcalloc(1, sizeof(*context) + material->lanes * sizeof(context->lanes[0]));
	int result;

	mbed_start();
	context->refs = 1;
	(void)pthread_mutex_init(&context->ticket_lock, NULL);
	mbedtls_ssl_ticket_init(&context->tickets);
	result = set_tickets(context, err);
	while (result == 0 && context->lane_count < material->lanes) {
		struct tls_lane *lane = &context->lanes[context->lane_count++];

		mbedtls_ssl_config_init(&lane->config);
		mbedtls_x509_crt_init(&lane->authorities);
		mbedtls_x509_crt_init(&lane->nobody);
		if (material->side == TLS_SERVER)
			lane->verified = xcalloc(TLS_VERIFIED, sizeof(*lane->verified));
		result = fill_lane(context, lane, material, err);
	}
	if (result == 0)
		return context;
	tls_context_unref(context);
	return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
	context->refs++;
	return context;
}

void
tls_context_unref(struct tls_context *context)
{
	if (context == NULL || --context->refs > 0)
		return;
	for (unsigned i = 0; i < context->lane_count; i++) {
		mbedtls_ssl_config_free(&context->lanes[i].config);
		mbedtls_x509_crt_free(&context->lanes[i].authorities);
		mbedtls_x509_crt_free(&context->lanes[i].nobody);
		free(context->lanes[i].verified);
		for (size_t k = 0; k < context->lanes[i].pair_count; k++) {
			mbedtls_x509_crt_free(&context->lanes[i].pairs[k].certificate);
			mbedtls_pk_free(&context->lanes[i].pairs[k].key);
		}
	}
	mbedtls_ssl_ticket_free(&context->tickets);
	(void)pthread_mutex_destroy(&context->ticket_lock);
	free(context);
}

struct tls_lane *
tls_context_lane(struct tls_context *context, unsigned lane)
{
	return &context->lanes[lane];
}

/* SPDX-License-Identifier: MIT
 * TLS as the transport of a connection, behind the handshake.
 *
 * One system call reads what the socket has, up to a scratch buffer that all connections share, and
 * mbedtls decrypts all of it: plain text is shorter than its records, so it fits, and nothing stays
 * in between that no readiness of the socket would tell of. The buffers of records are borrowed for
 * that (net/tls_records.h). Likewise many records leave by one
 * call. Only where the socket takes less than was encrypted does a connection keep the rest of its
 * own: the caller is then told EAGAIN, comes with the same bytes again, and hears how many of them
 * have left when all have.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/mbed.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_private.h"

enum {
	RECORD_BYTES = 16384,	 /* RFC 8446 §5.1 */
	RECEIVE_BYTES = 131072,	 /* at most at a time */
	SEND_BYTES = 131072,	 /* plain text that is encrypted at a time */
	KEPT_BYTES = 16384 + 512 /* a record that mbedtls has begun to take */
};

struct tls_link {
	mbedtls_ssl_context *ssl;
	struct tls_context *context;
	struct tls_shared *shared;
	struct tls_record_numbers numbers;
	struct bytes in;   /* of shared->in, what mbedtls has not taken yet */
	struct buf unsent; /* records that the socket did not take */
	size_t owed;	   /* plain text in them that was not reported yet */
	bool ended;	   /* the peer said so */
	bool shut;	   /* we did */
};

static int
give(void *arg, unsigned char *out, size_t len)
{
	struct tls_link *link = arg;
	size_t take = len < link->in.len ? len : link->in.len;

	if (take == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(out, link->in.data, take);
	link->in = bytes_of(link->in.data + take, link->in.len - take);
	return (int)take;
}

static int
gather(void *arg, const unsigned char *data, size_t len)
{
	struct tls_link *link = arg;

	buf_append(&link->shared->out, data, len);
	return (int)len;
}

static void
borrow(struct tls_link *link)
{
	tls_records_lend(&link->shared->spare, link->ssl, &link->numbers);
}

static void
give_back(struct tls_link *link, size_t used)
{
	tls_records_return(&link->shared->spare, link->ssl, &link->numbers, used);
}

struct tls_link *
tls_link_new(mbedtls_ssl_context *ssl, struct tls_context *context, struct tls_shared *shared)
{
	struct tls_link *link = xcalloc(1, sizeof(*link));

	link->ssl = ssl;
	link->context = context;
	link->shared = shared;
	mbedtls_ssl_set_bio(ssl, link, gather, give, NULL);
	tls_records_forget_peer(ssl);
	give_back(link, SIZE_MAX);
	return link;
}

/* -1 with EAGAIN where some of it stays. */
static int
send_unsent(struct tls_link *link, const struct sys *sys, int fd)
{
	while (link->unsent.len > 0) {
		const struct iovec part = { link->unsent.data, link->unsent.len };
		ssize_t sent = sys->writev(fd, &part, 1);

		if (sent < 0)
			return -1;
		buf_drain(&link->unsent, (size_t)sent);
	}
	buf_clear(&link->unsent);
	return 0;
}

/* Sends what was encrypted into the scratch buffer; keeps what the socket does not take. */
static int
send_records(struct tls_link *link, const struct sys *sys, int fd)
{
	struct buf *out = &link->shared->out;
	const struct iovec part = { out->data, out->len };
	ssize_t sent;

	if (link->unsent.len == 0 && out->len > 0) {
		sent = sys->writev(fd, &part, 1);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (sent > 0)
			buf_drain(out, (size_t)sent);
	}
	buf_append_bytes(&link->unsent, buf_bytes(out));
	buf_reset(out);
	if (link->unsent.len == 0)
		return 0;
	errno = EAGAIN;
	return -1;
}

/* Decrypts all that is there. Returns the bytes, or -1: it is broken. */
static ssize_t
decrypt(struct tls_link *link, uint8_t *out, size_t len)
{
	size_t total = 0;

	while (!link->ended) {
		int code = mbedtls_ssl_read(link->ssl, out + total, len - total);

		if (code > 0) {
			total += (size_t)code;
		} else if (code == 0 || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
			link->ended = true;
		} else if (!mbed_is_notice(code)) {
			return -1;
		} else if (link->in.len == 0) {
			break;
		}
	}
	return (ssize_t)total;
}

static ssize_t
link_recv(void *state, const struct sys *sys, int fd, void *out, size_t len)
{
	struct tls_link *link = state;
	struct buf *in = &link->shared->in;
	size_t most = len - KEPT_BYTES < RECEIVE_BYTES ? len - KEPT_BYTES : RECEIVE_BYTES;
	size_t used;
	ssize_t got;

	assert(len > 2 * (size_t)KEPT_BYTES);
	if (link->ended)
		return 0;
	buf_reset(in);
	got = sys->recv(fd, buf_reserve(in, RECEIVE_BYTES), most);
	if (got <= 0)
		return got;
	link->in = bytes_of(in->data, (size_t)got);
	buf_reset(&link->shared->out);
	used = (size_t)got;
	borrow(link);
	got = decrypt(link, out, len);
	give_back(link, used + link->shared->out.len);
	link->in = bytes_of(NULL, 0);
	if (link->shared->out.len > 0) /* an alert */
		(void)send_records(link, sys, fd);
	if (got > 0 || link->ended)
		return got;
	errno = got < 0 ? EPROTO : EAGAIN;
	return -1;
}

/* One record of the parts from (*part, *skip) on; moves them forward. 0: there is no more. */
static size_t
next_record(const struct iovec *parts, int count, int *part, size_t *skip, uint8_t *out)
{
	size_t len = 0;

	while (*part < count && len < RECORD_BYTES) {
		size_t left = parts[*part].iov_len - *skip, room = RECORD_BYTES - len;
		size_t take = left < room ? left : room;

		memcpy(out + len, (const uint8_t *)parts[*part].iov_base + *skip, take);
		len += take;
		*skip += take;
		if (*skip == parts[*part].iov_len) {
			(*part)++;
			*skip = 0;
		}
	}
	return len;
}

static int
encrypt(struct tls_link *link, const struct iovec *parts, int count, size_t *total)
{
	uint8_t plain[RECORD_BYTES];
	int part = 0;
	size_t skip = 0, len;

	*total = 0;
	while (*total < SEND_BYTES && (len = next_record(parts, count, &part, &skip, plain)) > 0) {
		size_t done = 0;

		while (done < len) {
			int code = mbedtls_ssl_write(link->ssl, plain + done, len - done);

			if (code < 0)
				return -1;
			done += (size_t)code;
		}
		*total += len;
	}
	return 0;
}

static ssize_t
link_writev(void *state, const struct sys *sys, int fd, const struct iovec *parts, int count)
{
	struct tls_link *link = state;
	size_t total;
	int code;

	if (link->unsent.len > 0 && send_unsent(link, sys, fd) < 0)
		return -1;
	if (link->owed > 0) {
		total = link->owed;
		link->owed = 0;
		return (ssize_t)total;
	}
	buf_reset(&link->shared->out);
	borrow(link);
	code = encrypt(link, parts, count, &total);
	give_back(link, link->shared->out.len);
	if (code < 0) {
		errno = EPROTO;
		return -1;
	}
	if (send_records(link, sys, fd) == 0)
		return (ssize_t)total;
	if (errno == EAGAIN)
		link->owed = total;
	return -1;
}

static int
link_shut(void *state, const struct sys *sys, int fd)
{
	struct tls_link *link = state;
	int code;

	if (!link->shut) {
		link->shut = true;
		buf_reset(&link->shared->out);
		borrow(link);
		code = mbedtls_ssl_close_notify(link->ssl);
		give_back(link, link->shared->out.len);
		if (code == 0)
			(void)send_records(link, sys, fd);
	}
	return sys->shutdown(fd, SHUT_WR);
}

static void
link_finish(void *state)
{
	struct tls_link *link = state;

	mbedtls_ssl_free(link->ssl);
	free(link->ssl);
	tls_context_unref(link->context);
	buf_clear(&link->unsent);
	free(link);
}

void
tls_refuse(struct stream *stream, const struct sys *sys, uint8_t alert)
{
	struct tls_link *link = stream->state;
	int code;

	buf_reset(&link->shared->out);
	borrow(link);
	code = mbedtls_ssl_send_alert_message(link->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
	give_back(link, link->shared->out.len);
	if (code == 0)
		(void)send_records(link, sys, stream->fd);
	(void)sys->shutdown(stream->fd, SHUT_WR);
	stream_close(stream, sys);
}

const struct transport transport_tls = { "TLS", link_recv, link_writev, link_shut, link_finish };

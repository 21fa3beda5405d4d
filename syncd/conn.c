/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TLS connection of the HA link; see conn.h. TLS 1.2, one suite with forward secrecy and an
 * AEAD, both sides with certificates, of which only the key counts. Runs in syncd.
 */
#include "syncd/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BUDGET (3 * USEC_PER_MS) /* per wake-up: events and IPC get their turn */

static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_NONE};

struct conn {
	uv_poll_t poll;
	uv_idle_t again; /* data is left in our or the TLS layer's buffers, or we are dead */
	int fd, events;
	unsigned open_handles;
	struct conn_tls *tls;
	const struct conn_ops *ops;
	void *owner;
	mbedtls_ssl_context ssl;
	bool secure, closing, want_write;
	const char *why; /* dead */
	enum conn_end end;
	int err; /* of the socket */
	usec_t born, heard;
	uint64_t bytes_sent, bytes_received;
	size_t rx_len;
	size_t tx_start, tx_len;
	size_t tx_retry; /* mbedtls_ssl_write() wants the same bytes again */
	uint8_t rx[CONN_RX_BYTES];
	uint8_t tx[CONN_TX_BYTES];
};

/* --- TLS settings ---------------------------------------------------------------------------- */

/* The fingerprint is all the trust there is: names, dates and issuers say nothing here. */
static int verify(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct conn_tls *tls = arg;
	uint8_t fp[IDENTITY_FINGERPRINT_BYTES];

	*flags = MBEDTLS_X509_BADCERT_NOT_TRUSTED;
	if (depth != 0 || identity_fingerprint(&crt->pk, fp) < 0)
		return 0;
	if (memcmp(fp, tls->peer_fingerprint, sizeof(fp)) == 0) {
		*flags = 0;
		return 0;
	}
	tls->wrong_fingerprints++;
	tls->has_seen = true;
	memcpy(tls->seen, fp, sizeof(fp));
	return 0;
}

static int configure(struct conn_tls *tls, mbedtls_ssl_config *conf, int endpoint)
{
	if (mbedtls_ssl_config_defaults(
		    conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return -EIO;
	mbedtls_ssl_conf_min_version(
		conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_ciphersuites(conf, suites);
	mbedtls_ssl_conf_curves(conf, curves);
	mbedtls_ssl_conf_rng(conf, mbedtls_ctr_drbg_random, &tls->id->rng);
	mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_verify(conf, verify, tls);
	mbedtls_ssl_conf_ca_chain(conf, &tls->id->crt, NULL);
	mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	if (endpoint == MBEDTLS_SSL_IS_CLIENT)
		mbedtls_ssl_conf_session_tickets(conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	else
		mbedtls_ssl_conf_cert_req_ca_list(conf, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
	return mbedtls_ssl_conf_own_cert(conf, &tls->id->crt, &tls->id->key) == 0 ? 0 : -EIO;
}

int conn_tls_init(struct conn_tls *tls, struct identity *id,
	const uint8_t peer_fingerprint[IDENTITY_FINGERPRINT_BYTES])
{
	int r;

	memset(tls, 0, sizeof(*tls));
	tls->id = id;
	memcpy(tls->peer_fingerprint, peer_fingerprint, sizeof(tls->peer_fingerprint));
	mbedtls_ssl_config_init(&tls->client);
	mbedtls_ssl_config_init(&tls->server);
	r = configure(tls, &tls->client, MBEDTLS_SSL_IS_CLIENT);
	if (r == 0)
		r = configure(tls, &tls->server, MBEDTLS_SSL_IS_SERVER);
	if (r < 0)
		conn_tls_fini(tls);
	return r;
}

void conn_tls_fini(struct conn_tls *tls)
{
	mbedtls_ssl_config_free(&tls->client);
	mbedtls_ssl_config_free(&tls->server);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static int bio_send(void *arg, const unsigned char *buf, size_t n)
{
	struct conn *c = arg;
	ssize_t r = send(c->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	c->err = r < 0 ? -errno : 0;
	if (r < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOTCONN
			       ? MBEDTLS_ERR_SSL_WANT_WRITE
			       : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	c->bytes_sent += (uint64_t)r;
	return (int)r;
}

static int bio_recv(void *arg, unsigned char *buf, size_t n)
{
	struct conn *c = arg;
	ssize_t r = recv(c->fd, buf, n, MSG_DONTWAIT);

	c->err = r < 0 ? -errno : 0;
	if (r < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOTCONN
			       ? MBEDTLS_ERR_SSL_WANT_READ
			       : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	c->bytes_received += (uint64_t)r;
	c->heard = clock_now_us();
	return (int)r;
}

static void on_again(uv_idle_t *i);
static void on_poll(uv_poll_t *p, int status, int events);

static void call_again(struct conn *c)
{
	/* Once per turn of the loop. A timer of 0 ms that starts itself anew keeps libuv 1.44 from
	 * ever leaving its timers, and nobody else gets a turn. */
	if (!c->closing)
		(void)uv_idle_start(&c->again, on_again);
}

static void update_poll(struct conn *c)
{
	bool writable = c->want_write || c->tx_len > 0;
	int events = UV_READABLE | (writable ? UV_WRITABLE : 0);

	if (c->closing || c->why != NULL || events == c->events)
		return;
	c->events = events;
	if (uv_poll_start(&c->poll, events, on_poll) < 0)
		conn_fail(c, "the socket cannot be watched");
}

void conn_fail(struct conn *c, const char *why)
{
	if (c->why != NULL || c->closing)
		return;
	c->why = why;
	(void)uv_poll_stop(&c->poll);
	call_again(c);
}

/* --- handshake, reading, writing ------------------------------------------------------------- */

static void handshake(struct conn *c)
{
	int r = mbedtls_ssl_handshake(&c->ssl);

	c->want_write = r == MBEDTLS_ERR_SSL_WANT_WRITE;
	if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE)
		return;
	if (r != 0) {
		c->tls->handshake_failures++;
		c->end = r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED            ? CONN_END_FINGERPRINT
			 : r == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE          ? CONN_END_ALERT
			 : r == MBEDTLS_ERR_SSL_INTERNAL_ERROR && c->err < 0 ? CONN_END_SOCKET
									     : CONN_END_OTHER;
		conn_fail(c, r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED
				     ? "the peer's fingerprint is not the configured one"
				     : "the TLS handshake failed");
		return;
	}
	c->secure = true;
	c->ops->secure(c, c->owner);
}

static void deliver(struct conn *c, usec_t until)
{
	size_t at = 0;

	while (c->why == NULL && !c->closing) {
		struct frame f;
		size_t used = 0;
		enum frame_reason reason = frame_decode(c->rx + at, c->rx_len - at, &f, &used);

		if (reason == FRAME_INCOMPLETE)
			break;
		if (reason != FRAME_OK) {
			conn_fail(c, frame_reason_to_str(reason));
			break;
		}
		at += used;
		c->ops->frame(c, &f, c->owner);
		if (clock_now_us() >= until)
			break;
	}
	memmove(c->rx, c->rx + at, c->rx_len - at);
	c->rx_len -= at;
}

void conn_drain(struct conn *c, usec_t until)
{
	while (c->secure && c->why == NULL && !c->closing) {
		int r;

		deliver(c, until);
		if (c->why != NULL || c->closing)
			return;
		if (clock_now_us() >= until) {
			call_again(c);
			return;
		}
		r = mbedtls_ssl_read(&c->ssl, c->rx + c->rx_len, sizeof(c->rx) - c->rx_len);
		if (r == MBEDTLS_ERR_SSL_WANT_READ)
			return;
		if (r == MBEDTLS_ERR_SSL_WANT_WRITE) {
			c->want_write = true;
			return;
		}
		if (r <= 0) {
			conn_fail(c, r == 0 || r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
						     r == MBEDTLS_ERR_SSL_CONN_EOF
					     ? "the peer closed the connection"
					     : "the connection broke");
			return;
		}
		c->rx_len += (size_t)r;
	}
}

void conn_flush(struct conn *c)
{
	bool had = c->tx_len > 0;

	while (c->secure && c->why == NULL && !c->closing && c->tx_len > 0) {
		size_t n = c->tx_retry > 0 ? c->tx_retry : c->tx_len;
		int r = mbedtls_ssl_write(&c->ssl, c->tx + c->tx_start, n);

		c->tx_retry = 0;
		if (r == MBEDTLS_ERR_SSL_WANT_WRITE || r == MBEDTLS_ERR_SSL_WANT_READ) {
			c->tx_retry = n;
			break;
		}
		if (r < 0) {
			conn_fail(c, "the connection broke");
			return;
		}
		c->tx_start += (size_t)r;
		c->tx_len -= (size_t)r;
	}
	if (c->tx_len == 0)
		c->tx_start = 0;
	update_poll(c);
	if (had && c->tx_len == 0)
		call_again(c); /* for room() */
}

void conn_put(struct conn *c, const void *bytes, size_t n)
{
	if (c->why != NULL || c->closing)
		return;
	if (n > sizeof(c->tx) - c->tx_start - c->tx_len) {
		/* A pending write points at the front of what waits; its bytes stay the same. */
		memmove(c->tx, c->tx + c->tx_start, c->tx_len);
		c->tx_start = 0;
	}
	if (n > sizeof(c->tx) - c->tx_len) {
		conn_fail(c, "the peer does not read");
		return;
	}
	memcpy(c->tx + c->tx_start + c->tx_len, bytes, n);
	c->tx_len += n;
}

bool conn_has_room(const struct conn *c)
{
	return c->secure && c->why == NULL &&
	       sizeof(c->tx) - c->tx_len >= FRAME_MAX_BYTES + CONN_TX_RESERVE;
}

/* --- loop ------------------------------------------------------------------------------------ */

static void work(struct conn *c)
{
	if (!c->secure && c->why == NULL)
		handshake(c);
	if (c->secure)
		conn_drain(c, clock_now_us() + READ_BUDGET);
	if (c->secure && c->why == NULL && !c->closing) {
		c->want_write = false;
		conn_flush(c);
	}
	update_poll(c);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct conn *c = p->data;

	(void)events;
	if (status < 0)
		conn_fail(c, "the socket failed");
	else
		work(c);
}

static void on_again(uv_idle_t *i)
{
	struct conn *c = i->data;

	(void)uv_idle_stop(i);
	if (c->why != NULL) {
		c->ops->dead(c, c->why, c->owner);
		return;
	}
	if (c->tx_len == 0 && c->secure)
		c->ops->room(c, c->owner);
	if (c->why == NULL && !c->closing)
		work(c);
}

int conn_new(uv_loop_t *loop, int fd, bool client, struct conn_tls *tls, const struct conn_ops *ops,
	void *owner, struct conn **ret)
{
	struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL) {
		close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->tls = tls;
	c->ops = ops;
	c->owner = owner;
	c->born = c->heard = clock_now_us();
	mbedtls_ssl_init(&c->ssl);
	if (mbedtls_ssl_setup(&c->ssl, client ? &tls->client : &tls->server) != 0) {
		r = -ENOMEM;
		goto fail;
	}
	mbedtls_ssl_set_bio(&c->ssl, c, bio_send, bio_recv, NULL);
	r = uv_poll_init(loop, &c->poll, fd);
	if (r < 0)
		goto fail;
	(void)uv_idle_init(loop, &c->again);
	c->poll.data = c->again.data = c;
	c->open_handles = 2;
	c->want_write = client;
	update_poll(c);
	*ret = c;
	return 0;
fail:
	mbedtls_ssl_free(&c->ssl);
	close(fd);
	free(c);
	return r;
}

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	if (--c->open_handles > 0)
		return;
	mbedtls_ssl_free(&c->ssl);
	close(c->fd);
	free(c);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	if (c->secure && c->why == NULL)
		(void)mbedtls_ssl_close_notify(&c->ssl);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->again, on_closed);
}

enum conn_end conn_end(const struct conn *c, int *ret_err)
{
	*ret_err = c->end == CONN_END_SOCKET ? c->err : 0;
	return c->end;
}

bool conn_is_secure(const struct conn *c)
{
	return c->secure;
}

int conn_fd(const struct conn *c)
{
	return c->fd;
}

usec_t conn_born(const struct conn *c)
{
	return c->born;
}

usec_t conn_heard(const struct conn *c)
{
	return c->heard;
}

const mbedtls_pk_context *conn_peer_key(const struct conn *c)
{
	const mbedtls_x509_crt *crt = c->secure ? mbedtls_ssl_get_peer_cert(&c->ssl) : NULL;

	return crt != NULL ? &crt->pk : NULL;
}

void conn_bytes(const struct conn *c, uint64_t *ret_sent, uint64_t *ret_received)
{
	*ret_sent = c->bytes_sent;
	*ret_received = c->bytes_received;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AF_PACKET in and out. A socket stays bound through link flaps; it is opened anew only when the
 * interface itself is another one. Runs in vrrpd.
 */
#include "vrrpd/socket.h"
#include "vrrpd/keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PER_WAKEUP 64
#define MAX_DRAIN      4096

static const uint8_t beat_group[MAC_LEN] = {0x03, 0x47, 0x50, 0x56, 0x42, 0x01};
static const uint8_t vrrp_group[MAC_LEN] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x12};

/* IPv4 protocol 112, first fragment or none: everything else the node forwards stays out. */
static struct sock_filter vrrp_filter[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, VRRP_PROTOCOL, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SOCKET_FRAME_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

void sockets_init(struct sockets *s, uv_loop_t *loop,
	void (*frame)(void *, size_t, enum socket_kind, const uint8_t *, size_t), void *owner)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->frame = frame;
	s->owner = owner;
	for (size_t i = 0; i < ELECTION_MAX_LINKS; i++) {
		struct socket_port *p = &s->ports[i];

		p->all = s;
		p->link = i;
		for (int k = 0; k < SOCKET_KINDS; k++)
			p->taps[k] = (struct socket_tap){
				.port = p, .kind = (enum socket_kind)k, .fd = -1};
	}
}

/* --- receive --------------------------------------------------------------------------------- */
/* False: nothing waits. */
static bool receive(struct socket_tap *t, bool deliver)
{
	static uint8_t buf[SOCKET_FRAME_MAX];
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	struct sockets *s = t->port->all;
	ssize_t n = recvfrom(
		t->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

	if (n < 0)
		return errno == ENETDOWN || errno == EINTR; /* the error is read; go on */
	if (!deliver)
		s->drained++;
	else if (from.sll_pkttype != PACKET_OUTGOING)
		s->frame(s->owner, t->port->link, t->kind, buf, (size_t)n);
	return true;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct socket_tap *t = h->data;

	(void)events;
	for (int i = 0; i < MAX_PER_WAKEUP && t->fd >= 0 && receive(t, true); i++)
		;
	/* libuv stops polling on an error condition; a link that went down is none. */
	if (status < 0 && t->fd >= 0)
		uv_poll_start(&t->poll, UV_READABLE, on_readable);
}

void sockets_poll(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int k = 0; k < SOCKET_KINDS; k++) {
			struct socket_tap *t = &s->ports[i].taps[k];

			for (int j = 0; j < MAX_PER_WAKEUP && t->fd >= 0 && receive(t, true); j++)
				;
		}
}

void sockets_drain(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int k = 0; k < SOCKET_KINDS; k++) {
			struct socket_tap *t = &s->ports[i].taps[k];

			for (int j = 0; j < MAX_DRAIN && t->fd >= 0 && receive(t, false); j++)
				;
		}
}

/* --- open and close -------------------------------------------------------------------------- */
static int join(int fd, unsigned ifindex, const uint8_t mac[MAC_LEN])
{
	struct packet_mreq m = {
		.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_MULTICAST, .mr_alen = MAC_LEN};

	memcpy(m.mr_address, mac, MAC_LEN);
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) < 0 ? -errno : 0;
}

/* Protocol 0 until the filter is on: nothing is received before that. */
static int setup(int fd, enum socket_kind kind, unsigned ifindex)
{
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
		.sll_ifindex = (int)ifindex,
		.sll_protocol = htons(kind == SOCKET_BEAT ? BEAT_ETHERTYPE : ETH_P_IP)};
	struct sock_fprog filter = {sizeof(vrrp_filter) / sizeof(vrrp_filter[0]), vrrp_filter};
	int r;

	if (kind == SOCKET_VRRP &&
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		return -errno;
	r = join(fd, ifindex, kind == SOCKET_BEAT ? beat_group : vrrp_group);
	if (r < 0)
		return r;
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

static int open_tap(struct socket_tap *t)
{
	struct socket_port *p = t->port;
	int fd, r;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = setup(fd, t->kind, p->ifindex);
	if (r == 0)
		r = uv_poll_init(p->all->loop, &t->poll, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	t->fd = fd;
	t->poll.data = t;
	return uv_poll_start(&t->poll, UV_READABLE, on_readable);
}

static int reopen(struct socket_tap *t)
{
	const struct socket_port *p = t->port;

	if (t->closing || t->fd >= 0 || !p->ifindex || !p->wanted[t->kind])
		return 0;
	int r = open_tap(t);

	if (r < 0)
		p->all->open_errors++;
	return r;
}

static void on_closed(uv_handle_t *h)
{
	struct socket_tap *t = h->data;

	t->closing = false;
	if (reopen(t) < 0)
		return; /* counted; tried again when the interface is reported again */
}

static void close_tap(struct socket_tap *t)
{
	if (t->fd < 0)
		return;
	t->closing = true;
	uv_close((uv_handle_t *)&t->poll, on_closed);
	keeper_close(t->fd);
	t->fd = -1;
}

void sockets_want(struct sockets *s, size_t link, bool beat, bool vrrp)
{
	s->ports[link].wanted[SOCKET_BEAT] = beat;
	s->ports[link].wanted[SOCKET_VRRP] = vrrp;
	if (link >= s->n)
		s->n = link + 1;
}

void sockets_reset(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		s->ports[i].ifindex = 0;
		for (int k = 0; k < SOCKET_KINDS; k++)
			close_tap(&s->ports[i].taps[k]);
	}
	s->n = 0;
}

int sockets_link(struct sockets *s, size_t link, unsigned ifindex, const uint8_t mac[MAC_LEN])
{
	struct socket_port *p = &s->ports[link];
	int r = 0;

	if (p->ifindex != ifindex)
		for (int k = 0; k < SOCKET_KINDS; k++)
			close_tap(&p->taps[k]);
	p->ifindex = ifindex;
	memcpy(p->mac, mac, MAC_LEN);
	for (int k = 0; k < SOCKET_KINDS; k++) {
		int e = reopen(&p->taps[k]);

		r = e < 0 ? e : r;
	}
	return r;
}

/* --- send ------------------------------------------------------------------------------------ */
int sockets_send(struct sockets *s, size_t link, const uint8_t *frame, size_t n)
{
	const struct socket_port *p = &s->ports[link];
	int fd = p->taps[SOCKET_BEAT].fd;
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)p->ifindex, .sll_halen = MAC_LEN};

	if (fd < 0)
		return -ENETDOWN;
	memcpy(to.sll_addr, frame, MAC_LEN);
	if (sendto(fd, frame, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0) {
		s->send_errors++;
		return -errno;
	}
	return 0;
}

void sockets_beat_header(const uint8_t source[MAC_LEN], uint8_t out[SOCKET_ETH_LEN])
{
	memcpy(out, beat_group, MAC_LEN);
	memcpy(out + MAC_LEN, source, MAC_LEN);
	out[12] = BEAT_ETHERTYPE >> 8;
	out[13] = BEAT_ETHERTYPE & 0xff;
}

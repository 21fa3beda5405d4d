/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around the election core: frames in, actions out, one timer. Runs in vrrpd.
 */
#include "vrrpd/node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define GREET_GAP USEC_PER_MS

/* --- actions --------------------------------------------------------------------------------- */
static void send_beat(struct node *n, size_t link, enum beat_kind kind, uint64_t echo)
{
	uint8_t frame[SOCKET_ETH_LEN + BEAT_MAX];
	struct beat b;
	int len;

	if (!n->key.set)
		return;
	election_fill_beat(&n->e, link, kind, &b);
	b.echo = echo;
	b.sequence = ++n->sequence;
	sockets_beat_header(n->sockets.ports[link].mac, frame);
	len = beat_encode(&b, &n->key, frame + SOCKET_ETH_LEN, BEAT_MAX);
	if (len > 0 && sockets_send(&n->sockets, link, frame, SOCKET_ETH_LEN + (size_t)len) == 0)
		n->tx_beat++;
}

static const uint8_t *source_mac(const struct node *n, size_t i, uint8_t buf[MAC_LEN])
{
	if (!n->instances[i].virtual_mac)
		return n->sockets.ports[n->e.cfg.instances[i].link].mac;
	vrrp_virtual_mac(n->e.cfg.instances[i].vrid, buf);
	return buf;
}

static void send_advert(struct node *n, size_t i, uint8_t priority)
{
	struct node_instance *in = &n->instances[i];
	size_t link = n->e.cfg.instances[i].link;
	uint8_t frame[VRRP_FRAME_MAX], mac[MAC_LEN];
	int len;

	in->advert.source = n->e.links[link].address;
	in->advert.priority = priority;
	len = vrrp_encode(&in->advert, source_mac(n, i, mac), frame, sizeof(frame));
	if (len > 0 && sockets_send(&n->sockets, link, frame, (size_t)len) == 0)
		in->sent++;
}

static void send_announcements(struct node *n, usec_t now)
{
	for (size_t i = 0; i < n->e.cfg.n_instances; i++) {
		struct node_instance *in = &n->instances[i];
		uint8_t frame[ARP_FRAME_LEN], mac[MAC_LEN];

		if (n->e.role != ELECTION_ACTIVE || n->e.resuming)
			announce_stop(&in->announce);
		if (!announce_take(&in->announce, now))
			continue;
		for (size_t j = 0; j < in->advert.n_addresses; j++) {
			arp_encode(in->advert.addresses[j], source_mac(n, i, mac), frame);
			sockets_send(&n->sockets, n->e.cfg.instances[i].link, frame, sizeof(frame));
		}
		election_announced(&n->e, clock_now_us());
	}
}

static void note(struct node *n)
{
	const struct election *e = &n->e;

	daemon_state(n->d, election_role_str(e->role), "%s term=%llu", e->reason,
		(unsigned long long)e->term);
}

static void perform(struct node *n, const struct election_action *a)
{
	switch (a->kind) {
	case ELECTION_DO_BEAT:
		send_beat(n, a->beat.link, a->beat.kind, n->guard.peer_session);
		break;
	case ELECTION_DO_ADVERT:
		send_advert(n, a->advert.instance, a->advert.priority);
		break;
	case ELECTION_DO_ANNOUNCE:
		announce_start(&n->instances[a->announce.instance].announce, n->e.last_step);
		break;
	case ELECTION_DO_LEASE:
		ipc_lease(n, a);
		break;
	case ELECTION_DO_PROMOTE:
		ipc_promote(n, a);
		break;
	case ELECTION_DO_DEMOTE:
		ipc_demote(n, a);
		break;
	case ELECTION_DO_FLUSH:
		ipc_flush(n, a);
		break;
	case ELECTION_DO_DRAIN:
		sockets_drain(&n->sockets);
		break;
	case ELECTION_DO_ANSWER:
		ipc_answer(n, a);
		break;
	case ELECTION_DO_NOTE:
		note(n);
		break;
	case ELECTION_DO_EXIT:
		daemon_stopped(n->d);
		break;
	}
}

/* --- events ---------------------------------------------------------------------------------- */
static void arm(struct node *n)
{
	usec_t due = n->out.deadline;

	for (size_t i = 0; i < n->e.cfg.n_instances; i++)
		if (n->instances[i].announce.due < due)
			due = n->instances[i].announce.due;
	timer_set(&n->timer, due);
}

static void step(struct node *n, const struct election_event *ev)
{
	usec_t now = clock_now_us();

	election_step(&n->e, ev, now, &n->out);
	for (size_t i = 0; i < n->out.n; i++)
		perform(n, &n->out.v[i]);
	send_announcements(n, n->e.last_step);
}

/* The core must not be entered while its actions are carried out: what comes up then waits. */
void node_event(struct node *n, const struct election_event *ev)
{
	if (!n->running)
		return;
	if (n->busy) {
		if (n->queue_len == NODE_QUEUE) {
			n->queue_dropped++;
			return;
		}
		n->queue[(n->queue_head + n->queue_len++) % NODE_QUEUE] = *ev;
		return;
	}
	n->busy = true;
	step(n, ev);
	while (n->queue_len) {
		struct election_event next = n->queue[n->queue_head];

		n->queue_head = (n->queue_head + 1) % NODE_QUEUE;
		n->queue_len--;
		step(n, &next);
	}
	n->busy = false;
	arm(n);
}

/* A decision on silence must not be made while the frames that break it wait in a socket. */
static void on_timer(struct timer *t, usec_t now)
{
	struct node *n = t->owner;
	const struct election *e = &n->e;

	if (e->suspecting || (e->peer.known && now >= e->peer.heard + election_times(e).silent))
		sockets_poll(&n->sockets);
	node_event(n, &(struct election_event){.kind = ELECTION_EV_TICK});
}

/* --- frames ---------------------------------------------------------------------------------- */
static void on_beat(struct node *n, size_t link, const uint8_t *p, size_t len)
{
	struct beat b;
	enum beat_reason r;

	if (!n->key.set || len < SOCKET_ETH_LEN)
		return;
	r = beat_decode(p + SOCKET_ETH_LEN, len - SOCKET_ETH_LEN, &n->key, &b);
	if (r == BEAT_OK)
		r = beat_guard_check(&n->guard, &b);
	n->rx_beat[r]++;
	if (r == BEAT_OK) {
		node_event(n, &(struct election_event){.kind = ELECTION_EV_BEAT,
				      .beat = {.link = link, .frame = &b}});
		return;
	}
	usec_t now = clock_now_us();

	if (r == BEAT_UNTRUSTED && now - n->greeted >= GREET_GAP) {
		n->greeted = now;
		send_beat(n, link, BEAT_KIND_SOLICIT, b.session);
	} else if (r != BEAT_UNTRUSTED && log_limit_pass(&n->beat_limit[r], now)) {
		log_warn("beat refused interface=%s reason=\"%s\"", n->e.cfg.links[link].name,
			beat_reason_str(r));
	}
}

static size_t find_instance(const struct node *n, size_t link, uint8_t vrid)
{
	size_t i = 0;

	while (i < n->e.cfg.n_instances &&
		(n->e.cfg.instances[i].link != link || n->e.cfg.instances[i].vrid != vrid))
		i++;
	return i;
}

static bool same_addresses(const struct vrrp_advert *a, const struct vrrp_advert *b)
{
	if (a->n_addresses != b->n_addresses)
		return false;
	for (size_t i = 0; i < a->n_addresses && i < VRRP_MAX_ADDRESSES; i++) {
		size_t j = 0;

		while (j < b->n_addresses && b->addresses[j].s_addr != a->addresses[i].s_addr)
			j++;
		if (j == b->n_addresses)
			return false;
	}
	return true;
}

static void advert_event(
	struct node *n, size_t link, const struct vrrp_advert *a, const uint8_t *mac)
{
	size_t i = find_instance(n, link, a->vrid);
	struct node_instance *in = &n->instances[i];

	in->received++;
	in->by_checksum[a->checksum]++;
	in->last_checksum = a->checksum;
	if (!same_addresses(a, &in->advert)) {
		in->wrong_addresses++;
		if (log_limit_pass(&in->limit, clock_now_us()))
			log_warn("advert with other addresses vrrp=%s source=%s", in->name,
				inet_ntoa(a->source));
	}
	node_event(n, &(struct election_event){.kind = ELECTION_EV_ADVERT,
			      .advert = {.instance = i,
				      .source = a->source,
				      .priority = a->priority,
				      .interval = a->interval}});
	if (n->e.instances[i].foreign_heard == n->e.last_step)
		memcpy(in->foreign_mac, mac, MAC_LEN);
}

static void on_vrrp(struct node *n, size_t link, const uint8_t *p, size_t len)
{
	struct vrrp_advert a;
	enum vrrp_reason r;
	uint8_t vrid = 0;

	if (len < VRRP_ETH_LEN)
		return;
	r = vrrp_decode(p + VRRP_ETH_LEN, len - VRRP_ETH_LEN, n->own[link], &vrid, &a);
	n->rx_vrrp[r]++;
	if (vrid)
		n->vrids_seen[vrid] = true;
	if (r == VRRP_UNKNOWN_VRID) {
		n->stray_vrid[link] = vrid;
		n->stray_heard[link] = clock_now_us();
	}
	if (r == VRRP_OK)
		advert_event(n, link, &a, p + MAC_LEN);
	else if (log_limit_pass(&n->vrrp_limit[r], clock_now_us()))
		log_warn("advert refused interface=%s vrid=%u reason=\"%s\"",
			n->e.cfg.links[link].name, vrid, vrrp_reason_str(r));
}

static void on_frame(void *owner, size_t link, enum socket_kind kind, const uint8_t *p, size_t len)
{
	if (kind == SOCKET_BEAT)
		on_beat(owner, link, p, len);
	else
		on_vrrp(owner, link, p, len);
}

/* --- what ipc.c learns ----------------------------------------------------------------------- */
void node_link(struct node *n, const char *name, unsigned ifindex, const uint8_t mac[MAC_LEN],
	bool carrier, struct in_addr address)
{
	for (size_t i = 0; i < n->e.cfg.n_links; i++) {
		if (strcmp(n->e.cfg.links[i].name, name) != 0)
			continue;
		int r = sockets_link(&n->sockets, i, ifindex, mac);

		n->missing[i] = ifindex == 0;
		if (r < 0)
			daemon_error(n->d, "interface %s: cannot open a packet socket: %s", name,
				strerror(-r));
		node_event(n, &(struct election_event){.kind = ELECTION_EV_LINK,
				      .link = {.link = i,
					      .carrier = carrier && ifindex,
					      .address = address}});
		return;
	}
}

/* The same key again says nothing new: syncd tells it at each of its starts. */
void node_key(struct node *n, const uint8_t key[BEAT_KEY_LEN])
{
	if (n->key.set && memcmp(n->key_bytes, key, BEAT_KEY_LEN) == 0)
		return;
	memcpy(n->key_bytes, key, BEAT_KEY_LEN);
	if (beat_key_set(&n->key, key) < 0) {
		daemon_error(n->d, "cannot use the peer's key");
		return;
	}
	node_event(n, &(struct election_event){.kind = ELECTION_EV_KEY, .channel = {.up = true}});
}

/* --- life ------------------------------------------------------------------------------------ */
int node_init(struct node *n, struct daemon *d, uv_loop_t *loop)
{
	n->d = d;
	n->loop = loop;
	sockets_init(&n->sockets, loop, on_frame, n);
	return timer_init(&n->timer, loop, on_timer, n);
}

static bool same_links(const struct election_config *a, const struct election_config *b)
{
	return a->n_links == b->n_links &&
	       memcmp(a->links, b->links, a->n_links * sizeof(a->links[0])) == 0;
}

static void apply_links(struct node *n)
{
	const struct election_config *c = &n->e.cfg;

	sockets_reset(&n->sockets);
	memset(n->missing, 0, sizeof(n->missing));
	memset(n->stray_vrid, 0, sizeof(n->stray_vrid));
	for (size_t i = 0; i < c->n_links; i++)
		sockets_want(&n->sockets, i, c->links[i].ha || c->links[i].vrrp, c->links[i].vrrp);
}

static int first(struct node *n, struct election_config *c)
{
	while (!c->session)
		if (getrandom(&c->session, sizeof(c->session), 0) < 0 && errno != EINTR)
			return -errno;
	election_init(&n->e, c, clock_now_us());
	beat_guard_init(&n->guard, c->session);
	return 0;
}

static bool has_instance(
	const struct election_config *c, const struct election_config *old, size_t i)
{
	const struct election_instance_config *in = &old->instances[i];

	for (size_t j = 0; j < c->n_instances; j++)
		if (c->instances[j].vrid == in->vrid &&
			!strcmp(c->links[c->instances[j].link].name, old->links[in->link].name))
			return true;
	return false;
}

/* RFC 9568 section 6.4.3, (655): an instance that is no longer configured is shut down. By the old
 * configuration, so not through the core. */
static void release_removed(struct node *n, const struct election_config *c)
{
	if (n->e.role != ELECTION_ACTIVE || n->e.resuming)
		return;
	for (size_t i = 0; i < n->e.cfg.n_instances; i++)
		if (!has_instance(c, &n->e.cfg, i))
			send_advert(n, i, 0);
}

static void reconfigure(struct node *n, const struct election_config *c)
{
	bool same = same_links(c, &n->e.cfg);

	n->busy = true;
	release_removed(n, c);
	election_configure(&n->e, c, clock_now_us(), &n->out);
	setup_instances(n, n->cfg);
	if (!same)
		apply_links(n);
	for (size_t i = 0; i < n->out.n; i++)
		perform(n, &n->out.v[i]);
	n->busy = false;
	for (size_t i = 0; i < c->n_instances && n->e.role == ELECTION_ACTIVE; i++)
		announce_start(&n->instances[i].announce, n->e.last_step);
	if (!same)
		ipc_resubscribe(n);
}

void node_configure(struct node *n, const struct config *cfg)
{
	static struct election_config c;
	int r = 0;

	setup_election(cfg, &c);
	n->cfg = cfg;
	if (cfg->cluster.track_pings.n)
		log_warn("track-ping is not supported: only interfaces are tracked");
	if (n->running) {
		reconfigure(n, &c);
	} else {
		r = first(n, &c);
		setup_instances(n, cfg);
		apply_links(n);
		n->running = r == 0;
		if (r == 0)
			r = ipc_start(n);
	}
	if (r < 0)
		daemon_error(n->d, "cannot start: %s", strerror(-r));
	note(n);
	node_event(n, &(struct election_event){.kind = ELECTION_EV_TICK});
}

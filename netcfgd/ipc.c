/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd's messages (proto/netcfgd.proto): the lease for vrrpd, link states for vrrpd and syncd.
 * With status.c the only file of netcfgd that sees generated protobuf code.
 */
#include "netcfgd/netcfgd.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/log.h"

/* --- lease ----------------------------------------------------------------------------------- */

/* However old it is: a request only counts for its ttl, so an ancient one is harmless. */
static const char *check_lease(const Gp__Envelope *e)
{
	const Gp__LeaseRequest *r = e->lease_request;

	if (r->sent_us > (uint64_t)clock_now_us())
		return "the request was sent in the future";
	switch (r->verb) {
	case GP__LEASE_VERB__LEASE_QUERY:
	case GP__LEASE_VERB__LEASE_RELEASE:
		return NULL;
	case GP__LEASE_VERB__LEASE_ACQUIRE:
	case GP__LEASE_VERB__LEASE_RENEW:
		if (r->term == 0)
			return "a lease needs a term of 1 or more";
		if (r->ttl_us == 0 || r->ttl_us > (uint64_t)LEASE_TTL_MAX)
			return "the lease's ttl is out of range";
		return NULL;
	case _GP__LEASE_VERB_IS_INT_SIZE:
		break;
	}
	return "unknown lease verb";
}

static enum lease_event_kind event_of(Gp__LeaseVerb verb)
{
	switch (verb) {
	case GP__LEASE_VERB__LEASE_ACQUIRE:
		return LEASE_EV_ACQUIRE;
	case GP__LEASE_VERB__LEASE_RENEW:
		return LEASE_EV_RENEW;
	case GP__LEASE_VERB__LEASE_RELEASE:
		return LEASE_EV_RELEASE;
	case GP__LEASE_VERB__LEASE_QUERY:
	case _GP__LEASE_VERB_IS_INT_SIZE:
		break;
	}
	return LEASE_EV_QUERY;
}

static Gp__LeaseResult result_of(enum lease_result result)
{
	switch (result) {
	case LEASE_RES_OK:
		return GP__LEASE_RESULT__LEASE_OK;
	case LEASE_RES_STALE_TERM:
		return GP__LEASE_RESULT__LEASE_STALE_TERM;
	case LEASE_RES_NOT_HELD:
		return GP__LEASE_RESULT__LEASE_NOT_HELD;
	case LEASE_RES_FAILED:
		break;
	}
	return GP__LEASE_RESULT__LEASE_FAILED;
}

static void on_lease(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct netcfgd *n = owner;
	usec_t now = clock_now_us();
	struct lease_event ev = {.kind = event_of(e->lease_request->verb),
		.term = e->lease_request->term,
		.ttl = (usec_t)e->lease_request->ttl_us,
		.age = now - (usec_t)e->lease_request->sent_us};
	struct lease_reply r = engine_lease(&n->engine, &ev, now);
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__LeaseReply reply = GP__LEASE_REPLY__INIT;

	reply.result = result_of(r.result);
	reply.held = r.held;
	reply.term = r.term;
	reply.remaining_us = (uint64_t)r.remaining;
	reply.adopted = r.adopted;
	if (r.result == LEASE_RES_FAILED)
		reply.text = n->engine.last_error;
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_LEASE_REPLY;
	answer.lease_reply = &reply;
	ipc_send(c, &answer);
	netcfgd_rearm(n);
}

/* --- links ----------------------------------------------------------------------------------- */

static struct link_told link_now(const struct netcfgd *n, const char *name)
{
	const struct kernel_link *l = kernel_link_by_name(&n->engine.k, name);
	const struct config_prefix *primary = l ? engine_primary(&n->engine, l) : NULL;
	struct link_told t;

	memset(&t, 0, sizeof(t)); /* compared as a whole */
	if (!l)
		return t;
	t.index = l->index;
	t.mtu = l->mtu;
	memcpy(t.mac, l->mac, sizeof(t.mac));
	t.up = l->up;
	t.carrier = l->up && l->carrier;
	if (primary)
		t.address = primary->v4;
	return t;
}

/* To one connection, or to all subscribers. */
static void tell(struct netcfgd *n, struct ipc_conn *c, const char *name, struct link_told *t)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__LinkState s = GP__LINK_STATE__INIT;
	char address[INET_ADDRSTRLEN] = "", copy[IFNAMSIZ];

	memcpy(copy, name, sizeof(copy));
	if (t->address.s_addr)
		inet_ntop(AF_INET, &t->address, address, sizeof(address));
	s.name = copy;
	s.ifindex = t->index;
	s.mac = (ProtobufCBinaryData){.len = sizeof(t->mac), .data = t->mac};
	s.up = t->up;
	s.carrier = t->carrier;
	s.address = address;
	s.mtu = t->mtu;
	e.body_case = GP__ENVELOPE__BODY_LINK_STATE;
	e.link_state = &s;
	if (c)
		ipc_send(c, &e);
	else
		ipc_broadcast(daemon_server(n->daemon), &e);
}

void netcfgd_tell_links(struct netcfgd *n)
{
	const struct desired *d = n->engine.d;

	for (size_t i = 0; i < d->n_links; i++) {
		struct link_told now = link_now(n, d->links[i].name);

		if (d->links[i].virt ||
			(!n->tell_all && memcmp(&now, &n->told[i], sizeof(now)) == 0))
			continue;
		if (!n->tell_all && n->told[i].carrier != now.carrier)
			log_notice("interface=%s carrier=%d", d->links[i].name, now.carrier);
		n->told[i] = now;
		tell(n, NULL, d->links[i].name, &now);
	}
	n->tell_all = false;
}

static void on_subscribe(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct netcfgd *n = owner;
	const struct desired *d = n->engine.d;

	ipc_conn_set_data(c, n);
	ipc_reply_ack(c, e->id);
	for (size_t i = 0; i < d->n_links; i++)
		if (!d->links[i].virt)
			tell(n, c, d->links[i].name, &n->told[i]);
}

/* --- plan ------------------------------------------------------------------------------------ */

/* What fits into an envelope. */
#define PLAN_SENTENCES 240

/* Makes or removes what later operations need. */
static bool opens_way(const struct op *op)
{
	return op->kind == OP_LINK_ADD || op->kind == OP_LINK_DEL || op->kind == OP_LINK_RENAME;
}

static void on_plan(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	static char text[PLAN_SENTENCES][DESCRIBE_MAX];
	char *list[PLAN_SENTENCES];
	struct netcfgd *n = owner;
	const struct plan *p = engine_plan(&n->engine);
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__Plan plan = GP__PLAN__INIT;

	plan.operations = list;
	for (size_t i = 0; i < p->n && i < PLAN_SENTENCES; i++) {
		describe_op(&p->ops[i], false, text[i]);
		list[i] = text[i];
		plan.n_operations = i + 1;
		plan.more = plan.more || opens_way(&p->ops[i]);
	}
	plan.more = plan.more || p->more || p->n > PLAN_SENTENCES;
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_PLAN;
	answer.plan = &plan;
	ipc_send(c, &answer);
}

const struct ipc_rule netcfgd_rules[] = {
	{GP__ENVELOPE__BODY_LEASE_REQUEST, IPC_VRRPD, IPC_ANY_STATE, check_lease, on_lease},
	{GP__ENVELOPE__BODY_PLAN_REQUEST, IPC_MAY_QUERY, IPC_ANY_STATE, NULL, on_plan},
	{GP__ENVELOPE__BODY_LINK_SUBSCRIBE, IPC_VRRPD | IPC_SYNCD, IPC_ANY_STATE, NULL,
		on_subscribe},
};
const size_t netcfgd_n_rules = sizeof(netcfgd_rules) / sizeof(netcfgd_rules[0]);

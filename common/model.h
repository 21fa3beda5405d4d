/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The appliance models as data: which ports each has, what the kernel calls them, and what they are
 * for. gatepair.conf(5) has the same table for people.
 */
#ifndef GATEPAIR_COMMON_MODEL_H
#define GATEPAIR_COMMON_MODEL_H

#include "common/config.h"

#define MODEL_ROLE(role) (1u << (role))

struct model_port {
	const char *name;
	const char *device;    /* what the kernel calls it */
	enum config_role role; /* unless the file says otherwise */
	unsigned roles;        /* MODEL_ROLE()s that it may have */
};

struct model {
	const char *name;
	const struct model_port *ports; /* none: any interface, by its own name */
	size_t n_ports;
};

/* A number that is no model is the generic one. */
const struct model *model_get(enum config_model model);
/* NULL: the model has no such port. */
const struct model_port *model_port_find(const struct model *m, const char *name);
/* The port that is for the HA link unless the file says otherwise; NULL: the model knows none. */
const struct model_port *model_port_ha(const struct model *m);

#endif

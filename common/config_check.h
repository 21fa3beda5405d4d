/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cross checks of a configuration, between their files: what each is told, how it refuses, and
 * the questions that several of them ask.
 */
#ifndef GATEPAIR_COMMON_CONFIG_CHECK_H
#define GATEPAIR_COMMON_CONFIG_CHECK_H

#include "common/config_internal.h"

struct check {
	const struct config *cfg;
	const struct config_text *t;
	int line;
	char *why;
};

/* The line of `key` in the section (NULL: the section itself) and the sentence; -EINVAL. */
int check_fail(struct check *c, int section_line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The key "interface" of `object`: it has to be one, and not a bridge's or bond's port. */
int check_interface_key(struct check *c, int section_line, const char *object, const char *name);

/* "interface", "vlan", … as the file has it. */
const char *check_kind(const struct config_interface *in);
bool check_same_address(const struct config_prefix *a, const struct config_prefix *b);
/* Could a host have this address? */
bool check_host_address(const struct config_prefix *p);
bool check_host_bits(const struct config_prefix *p);
bool check_link_local(const struct config_prefix *p);
/* Whose own address it is; NULL: nobody's. */
const struct config_interface *check_owner(const struct config *cfg, const struct config_prefix *a);
/* Whose virtual address it is; NULL: nobody's. */
const struct config_vrrp *check_virtual_owner(
	const struct config *cfg, const struct config_prefix *a);
/* The interface's subnet that the address is in; NULL: none. */
const struct config_prefix *check_subnet(
	const struct config_interface *in, const struct config_prefix *a);

/* The checks of whole sections, in files of their own. */
int check_links(struct check *c);
int check_dhcp(struct check *c);
int check_routes(struct check *c);
int check_rules(struct check *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's own firewall rules: a text as nft(8) writes the inside of a table. What may be in
 * it, and whether nft(8) takes it. The supervisor and `gatepair check` check the file; netcfgd
 * loads it (netcfgd/firewall/userrules.h).
 */
#ifndef GATEPAIR_COMMON_CONFIG_RULES_H
#define GATEPAIR_COMMON_CONFIG_RULES_H

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_RULES_NFT "/usr/sbin/nft"

/* By nft(8), as a child: at most 5 s. 0, or negative errno with the line (0: none in particular)
 * and "object: cause; next action". 0 with a text in `why`: it could not be checked here, why not.
 */
int config_rules_check(const char *text, int *ret_line, char *why, size_t size)
	__attribute__((warn_unused_result));
/* The same without nft(8): only that nothing leaves the table, has a hook or takes our names. */
int config_rules_scan(const char *text, int *ret_line, char *why, size_t size)
	__attribute__((warn_unused_result));

/* The script for `nft -f -` that puts the text into an otherwise empty table with this name, beside
 * the sets that it may refer to; with `hooked`, behind the hooks that it will be behind.
 * malloc()ed; NULL on ENOMEM. The text's first line is the script's second. */
char *config_rules_script(const char *text, const char *table, bool hooked);
#define CONFIG_RULES_LINES_BEFORE 1
/* nft's complaint about such a script: the text's line (0: none), and the complaint in few words.
 */
int config_rules_complaint(const char *output, char *ret_why, size_t size);

/* A chain or set of the policy itself. */
bool config_rules_reserved(const char *name);
/* One of the chains that the policy jumps to. */
bool config_rules_entry(const char *name);

#endif

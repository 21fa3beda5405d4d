/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the config_*.c files share and nobody else needs: the schema (one table per section, which
 * the parser and the printer both walk), the values' text forms, and the line numbers of a file.
 */
#ifndef GATEPAIR_COMMON_CONFIG_INTERNAL_H
#define GATEPAIR_COMMON_CONFIG_INTERNAL_H

#include "common/config.h"

#define CONFIG_ARENA_MAX    (16u << 20)
#define CONFIG_FILE_MAX     (1u << 20)
#define CONFIG_PASSWORD_LEN 128 /* of the proxy */
/* A part has to fit into one Envelope of 64 KiB with room for the rest of it. */
#define CONFIG_PART_MAX 65000

/* dnsmasq takes no shorter ones. */
#define CONFIG_LEASE_TIME_MIN     (120 * USEC_PER_SEC)
#define CONFIG_LEASE_TIME_MAX     (30 * 86400 * USEC_PER_SEC)
#define CONFIG_LEASE_TIME_DEFAULT (3600 * USEC_PER_SEC)
/* The kernel's own rules begin behind that. */
#define CONFIG_RULE_PRIORITY_MAX 32765
#define CONFIG_TABLE_MAIN        254
#define CONFIG_TABLE_LOCAL       255

enum config_kind {
	CONFIG_KIND_BOOL = 1,
	CONFIG_KIND_U8,
	CONFIG_KIND_U16,
	CONFIG_KIND_U32,
	CONFIG_KIND_DURATION,
	CONFIG_KIND_WORD,   /* an enum whose members count from 1 in the order of `words` */
	CONFIG_KIND_IFNAME, /* char[IFNAMSIZ] */
	CONFIG_KIND_NAME,   /* char[CONFIG_NAME_MAX + 1] */
	CONFIG_KIND_PASSWORD,
	CONFIG_KIND_STRING, /* char * in the arena */
	CONFIG_KIND_HOST,   /* an address without a length */
	CONFIG_KIND_PREFIX,
	CONFIG_KIND_PREFIXES,
	CONFIG_KIND_HOSTS,
	CONFIG_KIND_IFNAMES,
	CONFIG_KIND_FINGERPRINT,
	CONFIG_KIND_MAC,
	CONFIG_KIND_RANGE,
	CONFIG_KIND_NAT_TO,
};

#define CONFIG_KEY_REQUIRED (1 << 0)
#define CONFIG_KEY_SECRET   (1 << 1) /* never printed */
#define CONFIG_KEY_OFF      (1 << 2) /* 0 and "off" mean: none */

struct config_key {
	const char *name;
	enum config_kind kind;
	size_t offset;
	unsigned flags;
	int64_t min, max;
	const char *const *words;
};

struct config_section {
	const char *name;
	const char *title; /* what the title is, for messages; NULL: the section has none */
	bool once;
	const struct config_key *keys;
	size_t n_keys;
	size_t offset;   /* of the array pointer, or of the struct itself with `once` */
	size_t n_offset; /* of the array's count */
	size_t size;
	size_t max;
	enum config_kind title_kind; /* stored at title_offset */
	size_t title_offset;
	size_t line_offset;
	void (*defaults)(const struct config *cfg, void *obj);
	/* Interfaces, bridges, bonds and vlans share one array. */
	bool (*mine)(const void *obj);
	bool repeats; /* several may have one title */
};

extern const struct config_section config_sections[];
extern const size_t config_n_sections;
extern const struct config_key config_root_keys[]; /* outside of any section */
extern const size_t config_n_root_keys;
bool config_key_is_list(const struct config_key *key);

/* Which line of the file each section and key is on; made by config_text_scan(). */
struct config_mark {
	char section[12]; /* "": outside of any */
	char key[28];     /* "": the section itself */
	int line;
	const char *title; /* of a section, as written; NULL: it has none */
};

struct config_text {
	struct config_mark *marks; /* in the order of the file */
	size_t n_marks;
};

/* Blanks the comments out (libconfuse 3.3 mishandles some) and refuses what libconfuse would take
 * in silence: `${VAR}`, unclosed comments, strings, lists and sections, control characters, keys
 * set twice. 0, or negative errno with the line and a sentence. */
#define CONFIG_WHY_MAX 400
int config_text_scan(char *text, size_t len, struct arena *arena, struct config_text *ret,
	int *ret_line, char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));
/* The line of the index-th section of that name; 1 when there is none. */
int config_text_section(const struct config_text *t, const char *section, size_t index);
/* A section's title as it was written, from what libconfuse takes for it. */
const char *config_text_title(
	const struct config_text *t, const struct config_section *sec, const char *title);
/* The line of a key in the section at section_line (0: outside of any); section_line (or 1) when
 * it is not there. */
int config_text_key(const struct config_text *t, int section_line, const char *key);

/* Text forms of values. All return 0 or -EINVAL/-ERANGE; outputs are untouched then. */
int config_value_bool(const char *s, bool *ret);
int config_value_u32(const char *s, int64_t min, int64_t max, uint32_t *ret);
int config_value_duration(const char *s, usec_t *ret);
int config_value_word(const char *s, const char *const *words, unsigned *ret);
int config_value_ifname(const char *s, char ret[IFNAMSIZ]);
int config_value_name(const char *s, char ret[CONFIG_NAME_MAX + 1]);
int config_value_fingerprint(const char *s, uint8_t ret[32]);
/* Of one interface: not a group's, not zero. */
int config_value_mac(const char *s, uint8_t ret[6]);
int config_value_range(const char *s, struct config_range *ret);
bool config_value_printable(const char *s);
const char *config_duration_to_str(usec_t d, char out[32]);
#define CONFIG_MAC_STRLEN 18
const char *config_mac_to_str(const uint8_t mac[6], char out[CONFIG_MAC_STRLEN]);
/* Text that may have more than one line: UTF-8 without control characters but for tabs and ends of
 * lines. */
bool config_value_text(const char *s);

/* An empty config in an arena of its own. */
struct config *config_new(void);

/* The file's text into a config, without cross checks and secrets. 0, or negative errno with the
 * line and a sentence. */
int config_parse(char *text, size_t len, struct arena *scratch, struct config *cfg,
	struct config_text *ret_text, int *ret_line, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* What follows from the sections: what the model knows about ports, and the members of bridges and
 * bonds as interfaces of their own. 0, or negative errno with the line and a sentence. */
int config_complete(struct config *cfg, int *ret_line, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Cross checks: 0 or -EINVAL with the line and a sentence: object, cause; next action. */
int config_check(const struct config *cfg, const struct config_text *t, int *ret_line,
	char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));

/* Does this version do all of that? 0 or -EOPNOTSUPP with the line and a sentence. */
int config_support(const struct config *cfg, const struct config_text *t, int *ret_line,
	char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));

#endif

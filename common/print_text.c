/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages as text, from their descriptors: "name: value" lines with the values aligned, nested
 * messages indented, lists of flat messages as tables when they fit. Runs in the gatepair command.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/print.h"
#include "common/print_field.h"

#define STEP        2
#define TABLE_WIDTH 120
#define JOIN_WIDTH  80
#define MAX_COLUMNS 24

/* --- values ---------------------------------------------------------------------------------- */

enum unit { UNIT_NONE, UNIT_US, UNIT_MS, UNIT_S };

static enum unit unit_of(const ProtobufCFieldDescriptor *f, size_t *ret_name_len)
{
	static const struct {
		const char *suffix;
		enum unit unit;
	} units[] = {{"_us", UNIT_US}, {"_ms", UNIT_MS}, {"_s", UNIT_S}};
	size_t len = strlen(f->name);

	*ret_name_len = len;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i].suffix);

		if (len > n && strcmp(f->name + len - n, units[i].suffix) == 0) {
			*ret_name_len = len - n;
			return units[i].unit;
		}
	}
	return UNIT_NONE;
}

static void print_duration(FILE *out, int64_t v, enum unit unit)
{
	const int64_t scale = unit == UNIT_US ? 1 : unit == UNIT_MS ? USEC_PER_MS : USEC_PER_SEC;
	int64_t us, s;

	if (v < 0 || __builtin_mul_overflow(v, scale, &us) || us == USEC_NEVER) {
		fputs("never", out);
		return;
	}
	s = us / USEC_PER_SEC;
	if (us == 0)
		fputs("0", out);
	else if (us < USEC_PER_MS)
		fprintf(out, "%" PRId64 " µs", us);
	else if (us < 10 * USEC_PER_MS && us % USEC_PER_MS != 0)
		fprintf(out, "%.1f ms", (double)us / 1e3);
	else if (s < 1)
		fprintf(out, "%" PRId64 " ms", us / USEC_PER_MS);
	else if (s < 10 && us % USEC_PER_SEC != 0)
		fprintf(out, "%.1f s", (double)us / 1e6);
	else if (s < 60)
		fprintf(out, "%" PRId64 " s", s);
	else if (s < 3600)
		fprintf(out, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		fprintf(out, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else
		fprintf(out, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
}

/* UTF-8 passes; what could steer a terminal does not: C0, DEL, and C1 as UTF-8 has it. */
static void print_string(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (; *p != 0; p++) {
		if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			fprintf(out, "\\x%02x", *++p);
		else
			fputc(*p, out);
	}
}

static void print_value(FILE *out, const ProtobufCFieldDescriptor *f, const void *p)
{
	char hex[PRINT_HEX_MAX];
	size_t name_len;
	enum unit unit = unit_of(f, &name_len);

	if (f->type == PROTOBUF_C_TYPE_STRING)
		print_string(out, *(const char *const *)p);
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		fputs(print_hex(hex, p), out);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		fputs(*(const protobuf_c_boolean *)p != 0 ? "yes" : "no", out);
	else if (f->type == PROTOBUF_C_TYPE_ENUM)
		fputs(print_enum_name(f, *(const int *)p), out);
	else if (f->type == PROTOBUF_C_TYPE_FLOAT)
		fprintf(out, "%g", (double)*(const float *)p);
	else if (f->type == PROTOBUF_C_TYPE_DOUBLE)
		fprintf(out, "%g", *(const double *)p);
	else if (unit != UNIT_NONE)
		print_duration(out, print_integer(f->type, p), unit);
	else
		fprintf(out, "%" PRId64, print_integer(f->type, p));
}

/* All values of a field, comma-separated; malloc()ed. */
static char *joined(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t n = print_count(m, f), size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		fputs(i > 0 ? ", " : "", out);
		print_value(out, f, print_element(m, f, i));
	}
	return fclose(out) == 0 ? text : NULL;
}

/* Columns on a terminal: characters, not bytes. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_padded(FILE *out, const char *s, int width)
{
	fprintf(out, "%s%*s", s, width - width_of(s), "");
}

/* --- tables ---------------------------------------------------------------------------------- */

struct table {
	const ProtobufCMessage *const *rows;
	size_t n_rows;
	const ProtobufCMessageDescriptor *d;
	int widths[MAX_COLUMNS]; /* 0: no row has this column */
};

static int table_cell_width(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	char *text = joined(m, f);
	int w = text != NULL ? width_of(text) : 0;

	free(text);
	return w;
}

/* A message of a name and a value needs no heading. */
static bool table_has_heading(const struct table *t)
{
	return t->d->n_fields > 2;
}

/* Can these messages be rows, side by side on a line? */
static bool table_fits(struct table *t, int indent)
{
	int width = indent;

	if (t->d->n_fields > MAX_COLUMNS)
		return false;
	for (unsigned i = 0; i < t->d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &t->d->fields[i];
		size_t name_len;

		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			return false;
		t->widths[i] = 0;
		for (size_t r = 0; r < t->n_rows; r++) {
			int w = table_cell_width(t->rows[r], f);

			t->widths[i] = w > t->widths[i] ? w : t->widths[i];
		}
		unit_of(f, &name_len);
		if (t->widths[i] > 0 && table_has_heading(t) && (int)name_len > t->widths[i])
			t->widths[i] = (int)name_len;
		width += t->widths[i] > 0 ? t->widths[i] + STEP : 0;
	}
	return width <= TABLE_WIDTH;
}

static void table_cell(FILE *out, const struct table *t, unsigned column, const char *text)
{
	bool last = true;

	for (unsigned i = column + 1; i < t->d->n_fields; i++)
		last = last && t->widths[i] == 0;
	if (last)
		fputs(text, out);
	else
		print_padded(out, text, t->widths[column] + STEP);
}

static void table_heading(FILE *out, const struct table *t, int indent)
{
	fprintf(out, "%*s", indent, "");
	for (unsigned i = 0; i < t->d->n_fields; i++) {
		char name[64];
		size_t name_len;

		unit_of(&t->d->fields[i], &name_len);
		snprintf(name, sizeof(name), "%.*s", (int)name_len, t->d->fields[i].name);
		if (t->widths[i] > 0)
			table_cell(out, t, i, name);
	}
	fputc('\n', out);
}

static void table_print(FILE *out, const struct table *t, int indent)
{
	if (table_has_heading(t))
		table_heading(out, t, indent);
	for (size_t r = 0; r < t->n_rows; r++) {
		fprintf(out, "%*s", indent, "");
		for (unsigned i = 0; i < t->d->n_fields; i++) {
			char *text = t->widths[i] > 0 ? joined(t->rows[r], &t->d->fields[i]) : NULL;

			if (text != NULL)
				table_cell(out, t, i, text);
			free(text);
		}
		fputc('\n', out);
	}
}

/* --- messages -------------------------------------------------------------------------------- */

static void print_message(FILE *out, const ProtobufCMessage *m, int indent, bool dash);

static int name_width(const ProtobufCMessage *m)
{
	int width = 0;

	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t name_len;

		unit_of(f, &name_len);
		if (print_count(m, f) > 0 && f->type != PROTOBUF_C_TYPE_MESSAGE &&
			(int)name_len > width)
			width = (int)name_len;
	}
	return width + 1; /* the colon */
}

static void print_messages(
	FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, int indent)
{
	bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
	const ProtobufCMessage *const *rows =
		list ? *(const ProtobufCMessage *const *const *)print_member(m, f)
		     : (const ProtobufCMessage *const *)print_member(m, f);
	struct table t = {.rows = rows, .n_rows = print_count(m, f), .d = f->descriptor};

	fprintf(out, "%s:\n", f->name);
	if (list && table_fits(&t, indent + STEP)) {
		table_print(out, &t, indent + STEP);
		return;
	}
	for (size_t i = 0; i < t.n_rows; i++)
		print_message(out, rows[i], indent + STEP, list);
}

static bool has_sentences(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	for (size_t i = 0; f->type == PROTOBUF_C_TYPE_STRING && i < print_count(m, f); i++) {
		if (strchr(*(const char *const *)print_element(m, f, i), ' ') != NULL)
			return true;
	}
	return false;
}

/* Words are joined on a line; sentences have a line each. */
static void print_values(
	FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, int indent)
{
	char *text = joined(m, f);
	size_t n = print_count(m, f);

	if (n == 1 || (text != NULL && width_of(text) <= JOIN_WIDTH && !has_sentences(m, f))) {
		fprintf(out, "%s\n", text != NULL ? text : "");
	} else {
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				fprintf(out, "%*s", indent, "");
			print_value(out, f, print_element(m, f, i));
			fputc('\n', out);
		}
	}
	free(text);
}

static void print_message(FILE *out, const ProtobufCMessage *m, int indent, bool dash)
{
	int width = name_width(m);

	if (dash)
		fprintf(out, "%*s- ", indent, "");
	if (dash)
		indent += STEP;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char name[64];
		size_t name_len;

		if (print_count(m, f) == 0)
			continue;
		fprintf(out, "%*s", dash ? 0 : indent, "");
		dash = false;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
			print_messages(out, m, f, indent);
			continue;
		}
		unit_of(f, &name_len);
		snprintf(name, sizeof(name), "%.*s:", (int)name_len, f->name);
		print_padded(out, name, width + 1);
		print_values(out, m, f, indent + width + 1);
	}
	if (dash)
		fputc('\n', out);
}

void print_text(FILE *out, const ProtobufCMessage *m, int indent)
{
	print_message(out, m, indent, false);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/record.c and syncd/frame.c: the vectors of syncd/PROTOCOL.md, round trips, every refusal,
 * and random bytes, which must neither crash nor be taken for something the kernel could be given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include "syncd/frame.h"
#include "syncd/record.h"

static struct record tcp_record(void)
{
	struct record r = {.op = DIRTY_CREATE, .slack_s = 305};
	struct flow *f = &r.flow;

	f->key = (struct flow_key){
		.family = AF_INET, .proto = IPPROTO_TCP, .sport = 4002, .dport = 80};
	assert_int_equal(inet_pton(AF_INET, "10.0.0.51", f->key.src), 1);
	assert_int_equal(inet_pton(AF_INET, "198.51.100.9", f->key.dst), 1);
	flow_mirror(&f->key, &f->reply);
	assert_int_equal(inet_pton(AF_INET, "203.0.113.10", f->reply.dst), 1);
	f->reply.dport = 5555;
	f->status = IPS_SEEN_REPLY | IPS_ASSURED;
	f->timeout_s = 3600;
	f->mark = 7;
	f->tcp_state = 3;
	f->tcp_wscale[0] = 7;
	f->tcp_wscale[1] = 9;
	f->tcp_flags[0] = f->tcp_flags[1] = 3;
	return r;
}

/* PROTOCOL.md, "Vectors": a TCP session with source translation and a mark. */
static const uint8_t tcp_vector[] = {0x32, 0x06, 0x0a, 0x00, 0x00, 0x33, 0xc6, 0x33, 0x64, 0x09,
	0x0f, 0xa2, 0x00, 0x50, 0xc6, 0x33, 0x64, 0x09, 0xcb, 0x00, 0x71, 0x0a, 0x00, 0x50, 0x15,
	0xb3, 0x00, 0x06, 0x00, 0x00, 0x0e, 0x10, 0x00, 0x00, 0x01, 0x31, 0x00, 0x00, 0x00, 0x07,
	0x03, 0x79, 0x03, 0x03};

static size_t encode(const struct record *r, uint8_t out[RECORD_MAX_BYTES])
{
	struct wcursor w = wcursor_make(out, RECORD_MAX_BYTES);

	record_encode(&w, r);
	assert_false(w.bad);
	return wcursor_len(&w);
}

static enum record_reason decode(const uint8_t *bytes, size_t n, struct record *ret)
{
	struct rcursor c = rcursor_make(bytes, n);

	return record_decode(&c, ret);
}

static void vector(void **state)
{
	struct record r = tcp_record(), back;
	uint8_t out[RECORD_MAX_BYTES];

	(void)state;
	assert_int_equal(encode(&r, out), sizeof(tcp_vector));
	assert_memory_equal(out, tcp_vector, sizeof(tcp_vector));
	assert_int_equal(decode(tcp_vector, sizeof(tcp_vector), &back), RECORD_OK);
	assert_int_equal(back.op, DIRTY_CREATE);
	assert_int_equal(back.slack_s, r.slack_s);
	assert_int_equal(back.flow.timeout_s, r.flow.timeout_s);
	assert_true(flow_equal_state(&back.flow, &r.flow));
}

static void short_of_anything(void **state)
{
	struct record back;

	(void)state;
	for (size_t n = 0; n < sizeof(tcp_vector); n++)
		assert_int_equal(decode(tcp_vector, n, &back), RECORD_SHORT);
}

static void refusals(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum record_reason want;
	} rows[] = {
		{0, 0x30, RECORD_BAD_OP},
		{0, 0x37, RECORD_BAD_OP},
		{0, 0xb2, RECORD_BAD_FLAGS},
		{0, 0x34, RECORD_BAD_FLAGS},
		{1, 47, RECORD_BAD_PROTO},
		{1, IPPROTO_ICMPV6, RECORD_BAD_PROTO},
		{1, IPPROTO_ICMP, RECORD_BAD_ICMP},
		{27, 0x0f, RECORD_BAD_STATUS},
		{28, 0x7f, RECORD_BAD_TIMEOUT},
		{29, 0x0a, RECORD_BAD_TIMEOUT},
		{32, 0x01, RECORD_BAD_TIMEOUT},
		{33, 0x02, RECORD_BAD_TIMEOUT},
		{40, 0, RECORD_BAD_TCP},
		{40, 10, RECORD_BAD_TCP},
		{41, 0xf9, RECORD_BAD_TCP},
		{42, 0x08, RECORD_BAD_TCP},
	};
	uint8_t bytes[sizeof(tcp_vector)];
	struct record back;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(bytes, tcp_vector, sizeof(bytes));
		bytes[rows[i].at] = rows[i].value;
		assert_int_equal(decode(bytes, sizeof(bytes), &back), rows[i].want);
	}
}

static void largest_fits(void **state)
{
	struct record r = {.op = DIRTY_REPLACE, .slack_s = 10}, back;
	uint8_t out[RECORD_MAX_BYTES];
	size_t n;

	(void)state;
	r.flow = tcp_record().flow;
	r.flow.timeout_s = 1;
	r.flow.key.family = AF_INET6;
	r.flow.key.zone = 9;
	memset(r.flow.reply.src, 0xee, 16);
	n = encode(&r, out);
	assert_int_equal(decode(out, n, &back), RECORD_OK);
	assert_true(flow_equal_state(&back.flow, &r.flow));
	r.op = DIRTY_DELETE;
	n = encode(&r, out);
	assert_int_equal(decode(out, n, &back), RECORD_OK);
	assert_true(flow_key_equal(&back.flow.key, &r.flow.key));
}

static void random_bytes(void **state)
{
	uint8_t bytes[128], again[RECORD_MAX_BYTES];

	(void)state;
	srandom(3);
	for (int i = 0; i < 300000; i++) {
		size_t n = (size_t)random() % sizeof(bytes), used;
		struct record r;
		struct frame f;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)(random() % 5 == 0 ? random() : random() % 9);
		if (decode(bytes, n, &r) == RECORD_OK)
			assert_in_range(
				encode(&r, again), 1, n); /* the shortest form of the same */
		if (frame_decode(bytes, n, &f, &used) == FRAME_OK)
			assert_in_range(used, FRAME_HEADER, n);
	}
}

static void frames(void **state)
{
	const struct frame rows[] = {
		{.type = FRAME_HELLO,
			.version_min = 1,
			.version_max = 2,
			.role = REPLICA_ACTIVE,
			.handover = true,
			.term = 9,
			.node = "gw-01"},
		{.type = FRAME_STATE, .role = REPLICA_STANDBY, .term = UINT64_MAX},
		{.type = FRAME_SYNC_BEGIN, .term = 3, .id = 4, .sync = REPLICA_SYNC_COMPARE},
		{.type = FRAME_SYNC_END, .term = 3, .id = 4},
		{.type = FRAME_TERM_END, .term = 3},
		{.type = FRAME_ACK, .seq = 77},
		{.type = FRAME_SYNC_DONE, .id = 4},
		{.type = FRAME_SYNC_REQUEST},
		{.type = FRAME_PING, .sessions = 100000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[128];
		struct wcursor w = wcursor_make(bytes, sizeof(bytes));
		struct frame f;
		size_t used;

		frame_encode(&w, &rows[i]);
		assert_false(w.bad);
		for (size_t n = 0; n < wcursor_len(&w); n++)
			assert_int_equal(frame_decode(bytes, n, &f, &used), FRAME_INCOMPLETE);
		assert_int_equal(frame_decode(bytes, sizeof(bytes), &f, &used), FRAME_OK);
		assert_int_equal(used, wcursor_len(&w));
		assert_memory_equal(&f, &rows[i], sizeof(f));
	}
}

static void bad_frames(void **state)
{
	static const struct {
		uint8_t bytes[16];
		enum frame_reason want;
	} rows[] = {
		{{0, 0, 0, 0}, FRAME_BAD_TYPE},
		{{11, 0, 0, 0}, FRAME_BAD_TYPE},
		{{9, 1, 0, 0}, FRAME_BAD_HEADER},
		{{4, 0, 0x3f, 0xfd}, FRAME_BAD_HEADER},
		{{9, 0, 0, 1, 0}, FRAME_BAD_LENGTH},
		{{7, 0, 0, 7}, FRAME_BAD_LENGTH},
		{{2, 0, 0, 10, 3}, FRAME_BAD_VALUE},
		{{2, 0, 0, 10, 1, 2}, FRAME_BAD_VALUE},
		{{1, 0, 0, 4, 2, 1}, FRAME_BAD_LENGTH},
	};
	struct frame f;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(frame_decode(rows[i].bytes, sizeof(rows[i].bytes), &f, &used),
			rows[i].want);
}

static void batches(void **state)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	struct wcursor w = wcursor_make(bytes, sizeof(bytes));
	struct record r = tcp_record(), back;
	struct rcursor c;
	struct frame f;
	size_t used;

	(void)state;
	frame_batch_begin(&w, 5, 6);
	record_encode(&w, &r);
	record_encode(&w, &r);
	frame_batch_end(&w, 2);
	assert_int_equal(frame_decode(bytes, wcursor_len(&w), &f, &used), FRAME_OK);
	assert_int_equal(f.term, 5);
	assert_int_equal(f.seq, 6);
	assert_int_equal(f.count, 2);
	c = rcursor_make(f.records, f.records_len);
	assert_int_equal(record_decode(&c, &back), RECORD_OK);
	assert_int_equal(record_decode(&c, &back), RECORD_OK);
	assert_true(rcursor_done(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(short_of_anything),
		cmocka_unit_test(refusals),
		cmocka_unit_test(largest_fits),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(frames),
		cmocka_unit_test(bad_frames),
		cmocka_unit_test(batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

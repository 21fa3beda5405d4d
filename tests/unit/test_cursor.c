/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cursors: order of bytes, the end, and that nothing works after a failure. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/cursor.h"

static void round_trip(void **state)
{
	uint8_t buf[64], out[3];
	struct wcursor w = wcursor_make(buf, sizeof(buf));
	struct rcursor r;

	(void)state;
	wcursor_u8(&w, 0x12);
	wcursor_u16(&w, 0x3456);
	wcursor_u32(&w, 0x789abcde);
	wcursor_u64(&w, UINT64_C(0xf0123456789abcde));
	wcursor_bytes(&w, "abc", 3);
	assert_int_equal(wcursor_len(&w), 18);
	assert_memory_equal(buf, "\x12\x34\x56\x78\x9a\xbc\xde\xf0", 8);
	r = rcursor_make(buf, wcursor_len(&w));
	assert_int_equal(rcursor_u8(&r), 0x12);
	assert_int_equal(rcursor_u16(&r), 0x3456);
	assert_int_equal(rcursor_u32(&r), 0x789abcde);
	assert_true(rcursor_u64(&r) == UINT64_C(0xf0123456789abcde));
	assert_false(rcursor_done(&r));
	rcursor_bytes(&r, out, 3);
	assert_memory_equal(out, "abc", 3);
	assert_true(rcursor_done(&r));
}

static void short_input(void **state)
{
	const uint8_t buf[7] = {1, 2, 3, 4, 5, 6, 7};

	(void)state;
	for (size_t n = 0; n < 8; n++) {
		struct rcursor r = rcursor_make(buf, n < 7 ? n : 7);
		uint8_t out[8] = {9, 9, 9, 9, 9, 9, 9, 9};

		assert_true(rcursor_u64(&r) == 0);
		assert_true(r.bad);
		assert_int_equal(rcursor_left(&r), 0);
		assert_int_equal(rcursor_u8(&r), 0);
		rcursor_bytes(&r, out, 8);
		assert_int_equal(out[0] | out[7], 0);
		assert_false(rcursor_done(&r));
	}
}

static void sub_cursor(void **state)
{
	const uint8_t buf[4] = {1, 2, 3, 4};
	struct rcursor r = rcursor_make(buf, 4), sub = rcursor_sub(&r, 2);

	(void)state;
	assert_int_equal(rcursor_u16(&sub), 0x0102);
	assert_true(rcursor_done(&sub));
	assert_int_equal(rcursor_u8(&sub), 0);
	assert_true(sub.bad);
	assert_int_equal(rcursor_u16(&r), 0x0304);
	assert_true(rcursor_done(&r));
	sub = rcursor_sub(&r, 1);
	assert_true(sub.bad && r.bad);
	sub = rcursor_sub(&r, SIZE_MAX);
	assert_true(sub.bad);
}

static void full_output(void **state)
{
	uint8_t buf[4] = {0, 0, 0, 0xee};
	struct wcursor w = wcursor_make(buf, 3);

	(void)state;
	wcursor_u16(&w, 0x0102);
	wcursor_u16(&w, 0x0304);
	assert_true(w.bad);
	wcursor_u8(&w, 5);
	assert_int_equal(wcursor_len(&w), 0);
	assert_memory_equal(buf, "\x01\x02\x00\xee", 4);
}

static void empty_and_null(void **state)
{
	struct rcursor r = rcursor_make(NULL, 0);
	struct wcursor w = wcursor_make(NULL, 0);

	(void)state;
	assert_true(rcursor_done(&r));
	rcursor_bytes(&r, NULL, 0);
	assert_true(rcursor_done(&r));
	wcursor_bytes(&w, NULL, 0);
	assert_false(w.bad);
	wcursor_u8(&w, 1);
	assert_true(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(short_input),
		cmocka_unit_test(sub_cursor),
		cmocka_unit_test(full_output),
		cmocka_unit_test(empty_and_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

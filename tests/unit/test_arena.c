/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arena's bound, alignment and reuse. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/arena.h"

static void bound_holds(void **state)
{
	struct arena *a = arena_new(65536);
	size_t total = 0;

	(void)state;
	assert_non_null(a);
	while (arena_alloc(a, 100) != NULL)
		total += 100;
	assert_in_range(total, 32768, 65536);
	assert_null(arena_alloc(a, 65537));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_array(a, SIZE_MAX / 2, 3));
	arena_free(a);
}

static void whole_bound_at_once(void **state)
{
	struct arena *a = arena_new(65536);

	(void)state;
	assert_non_null(arena_alloc(a, 65536));
	assert_null(arena_alloc(a, 1));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 65536));
	arena_free(a);
}

static void aligned_and_zeroed(void **state)
{
	struct arena *a = arena_new(65536);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t n = 0; n < 200; n++) {
			uint8_t *p = arena_alloc(a, n);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xa5, n);
		}
		arena_reset(a);
	}
	arena_free(a);
}

static void reset_keeps_memory(void **state)
{
	struct arena *a = arena_new(1 << 20);
	void *first = arena_alloc(a, 64), *again;

	(void)state;
	arena_reset(a);
	again = arena_alloc(a, 64);
	assert_ptr_equal(first, again);
	arena_free(a);
	arena_free(NULL);
}

static void strdup_and_protobuf(void **state)
{
	struct arena *a = arena_new(4096);
	ProtobufCAllocator *pb = arena_pb(a);
	char *s = arena_strdup(a, "gw-01");
	void *p = pb->alloc(pb->allocator_data, 10);

	(void)state;
	assert_string_equal(s, "gw-01");
	assert_non_null(p);
	pb->free(pb->allocator_data, p);
	assert_null(pb->alloc(pb->allocator_data, 5000));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_holds),
		cmocka_unit_test(whole_bound_at_once),
		cmocka_unit_test(aligned_and_zeroed),
		cmocka_unit_test(reset_keeps_memory),
		cmocka_unit_test(strdup_and_protobuf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

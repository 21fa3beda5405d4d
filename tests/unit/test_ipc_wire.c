/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The strict decoder: what our encoder writes passes, everything else has its reason. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/ipc_priv.h"

static uint8_t buf[IPC_MAX];

struct vector {
	const char *name;
	const char *bytes;
	size_t n;
	enum ipc_refusal want;
};
#define V(name, bytes, want)                                                                       \
	{                                                                                          \
		name, bytes, sizeof(bytes) - 1, want                                               \
	}

/* Field numbers as in proto/: Envelope 1 version, 2 id, 10 ack, 11 error {1 code, 2 text},
 * 12 status_request, 24 stop, 25 daemon_health {1 daemon, 2 healthy, 3 reason}, 50 lease_request
 * {1 verb, 2 term, 3 ttl_us, 4 sent_us}. */
static const struct vector vectors[] = {
	V("ack", "\x08\x01\x10\x07\x52\x00", IPC_ACCEPTED),
	V("no body", "\x08\x01\x10\x07", IPC_ACCEPTED),
	V("empty", "", IPC_UNDECODABLE),
	V("no version", "\x10\x07\x52\x00", IPC_UNDECODABLE),
	V("no id", "\x08\x01\x52\x00", IPC_UNDECODABLE),
	V("version 2", "\x08\x02\x10\x07\x52\x00", IPC_BAD_VERSION),
	V("version 0", "\x08\x00\x10\x07\x52\x00", IPC_BAD_VERSION),
	V("version 2 with a new field", "\x08\x02\x9a\x7d\x00", IPC_BAD_VERSION),
	V("unknown body", "\x08\x01\x10\x07\xea\x7d\x00", IPC_UNKNOWN_MESSAGE),
	V("unknown field in the body", "\x08\x01\x10\x07\x52\x02\x08\x01", IPC_UNDECODABLE),
	V("version twice", "\x08\x01\x08\x01\x10\x07\x52\x00", IPC_UNDECODABLE),
	V("body twice", "\x08\x01\x10\x07\x52\x00\x52\x00", IPC_UNDECODABLE),
	V("two bodies", "\x08\x01\x10\x07\x52\x00\x62\x00", IPC_UNDECODABLE),
	V("body of the wrong wire type", "\x08\x01\x10\x07\x50\x00", IPC_UNDECODABLE),
	V("group", "\x08\x01\x10\x07\x53\x54", IPC_UNDECODABLE),
	V("field number 0", "\x08\x01\x10\x07\x02\x00", IPC_UNKNOWN_MESSAGE),
	V("id of 10 bytes", "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x52\x00",
		IPC_ACCEPTED),
	V("id of 65 bits", "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03\x52\x00",
		IPC_UNDECODABLE),
	V("varint without end", "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		IPC_UNDECODABLE),
	V("length beyond the end", "\x08\x01\x10\x07\x52\x01", IPC_UNDECODABLE),
	V("length of 2^64-1", "\x08\x01\x10\x07\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		IPC_UNDECODABLE),
	V("error", "\x08\x01\x10\x07\x5a\x05\x08\x01\x12\x01x", IPC_ACCEPTED),
	V("error, code -1",
		"\x08\x01\x10\x07\x5a\x0e\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x01x",
		IPC_ACCEPTED),
	V("error, code 2^31", "\x08\x01\x10\x07\x5a\x09\x08\x80\x80\x80\x80\x08\x12\x01x",
		IPC_UNDECODABLE),
	V("error without text", "\x08\x01\x10\x07\x5a\x02\x08\x01", IPC_UNDECODABLE),
	V("NUL in text", "\x08\x01\x10\x07\x5a\x07\x08\x01\x12\x03x\0y", IPC_UNDECODABLE),
	V("only NUL", "\x08\x01\x10\x07\x5a\x05\x08\x01\x12\x01\0", IPC_UNDECODABLE),
	V("UTF-8", "\x08\x01\x10\x07\x5a\x06\x08\x01\x12\x02\xc3\xa4", IPC_ACCEPTED),
	V("UTF-8 cut", "\x08\x01\x10\x07\x5a\x05\x08\x01\x12\x01\xc3", IPC_UNDECODABLE),
	V("UTF-8 lone tail", "\x08\x01\x10\x07\x5a\x05\x08\x01\x12\x01\x80", IPC_UNDECODABLE),
	V("UTF-8 overlong slash", "\x08\x01\x10\x07\x5a\x06\x08\x01\x12\x02\xc0\xaf",
		IPC_UNDECODABLE),
	V("UTF-8 overlong, 3 bytes", "\x08\x01\x10\x07\x5a\x07\x08\x01\x12\x03\xe0\x80\xaf",
		IPC_UNDECODABLE),
	V("UTF-8 surrogate", "\x08\x01\x10\x07\x5a\x07\x08\x01\x12\x03\xed\xa0\x80",
		IPC_UNDECODABLE),
	V("UTF-8 top", "\x08\x01\x10\x07\x5a\x08\x08\x01\x12\x04\xf4\x8f\xbf\xbf", IPC_ACCEPTED),
	V("UTF-8 beyond", "\x08\x01\x10\x07\x5a\x08\x08\x01\x12\x04\xf4\x90\x80\x80",
		IPC_UNDECODABLE),
	V("bool 1", "\x08\x01\x10\x07\xca\x01\x08\x0a\x01x\x10\x01\x1a\x01y", IPC_ACCEPTED),
	V("bool 2", "\x08\x01\x10\x07\xca\x01\x08\x0a\x01x\x10\x02\x1a\x01y", IPC_UNDECODABLE),
	V("lease", "\x08\x01\x10\x07\x92\x03\x08\x08\x02\x10\x05\x18\x0a\x20\x01", IPC_ACCEPTED),
	V("lease, age untold", "\x08\x01\x10\x07\x92\x03\x06\x08\x02\x10\x05\x18\x0a",
		IPC_UNDECODABLE),
	V("lease, verb 9", "\x08\x01\x10\x07\x92\x03\x08\x08\x09\x10\x05\x18\x0a\x20\x01",
		IPC_UNDECODABLE),
	V("lease, verb 2^32",
		"\x08\x01\x10\x07\x92\x03\x0c\x08\x80\x80\x80\x80\x10\x10\x05\x18\x0a\x20\x01",
		IPC_UNDECODABLE),
};

static void vectors_decode(void **state)
{
	struct arena *a = arena_new(IPC_DECODED_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		Gp__Envelope *e = NULL;
		uint8_t *copy = malloc(v->n + (v->n == 0));
		enum ipc_refusal got;

		/* Its own allocation: a sanitizer sees a read beyond the end. */
		memcpy(copy, v->bytes, v->n);
		got = ipc_wire_decode(copy, v->n, a, &e);
		if (got != v->want)
			fail_msg("%s: %s, wanted %s", v->name, ipc_refusal_name(got),
				ipc_refusal_name(v->want));
		assert_true((e != NULL) == (got == IPC_ACCEPTED));
		arena_reset(a);
		free(copy);
	}
	arena_free(a);
}

static size_t encode_status(void)
{
	Gp__Counter counter = GP__COUNTER__INIT, *counters[] = {&counter, &counter};
	Gp__VrrpdPeer peer = GP__VRRPD_PEER__INIT;
	Gp__VrrpdStatus vrrpd = GP__VRRPD_STATUS__INIT;
	Gp__Status st = GP__STATUS__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	char text[] = "Ä text";
	ssize_t n;

	counter.name = text;
	peer.node = peer.role = peer.health = text;
	vrrpd.role = vrrpd.role_reason = text;
	vrrpd.peer = &peer;
	st.daemon = st.version = st.state = st.reason = text;
	st.n_counters = 2;
	st.counters = counters;
	st.detail_case = GP__STATUS__DETAIL_VRRPD;
	st.vrrpd = &vrrpd;
	e.id = UINT64_MAX;
	e.body_case = GP__ENVELOPE__BODY_STATUS;
	e.status = &st;
	n = ipc_wire_encode(&e, buf);
	assert_true(n > 0);
	return (size_t)n;
}

static void own_encoding_passes(void **state)
{
	size_t n = encode_status();
	struct arena *a = arena_new(IPC_DECODED_MAX);
	Gp__Envelope *e;

	(void)state;
	assert_int_equal(ipc_wire_decode(buf, n, a, &e), IPC_ACCEPTED);
	assert_true(e->id == UINT64_MAX);
	assert_string_equal(e->status->vrrpd->peer->node, "Ä text");
	assert_int_equal(e->status->n_counters, 2);
	arena_free(a);
}

static void no_prefix_of_a_message_passes(void **state)
{
	size_t n = encode_status();

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + (cut == 0));
		enum ipc_refusal got;

		memcpy(copy, buf, cut);
		got = ipc_wire_check(copy, cut);
		/* Cut right after the id, it is an envelope without a body. */
		if (got == IPC_ACCEPTED)
			assert_int_equal(cut, 13);
		free(copy);
	}
}

/* What passes must decode and encode to the same bytes: the walk and protobuf-c agree. */
static void mutations(void **state)
{
	struct arena *a = arena_new(IPC_DECODED_MAX);
	size_t n = encode_status(), passed = 0;
	static uint8_t original[IPC_MAX], again[IPC_MAX];

	(void)state;
	memcpy(original, buf, n);
	srandom(1);
	for (int round = 0; round < 200000; round++) {
		size_t at = (size_t)random() % n, len = n;
		Gp__Envelope *e;

		memcpy(buf, original, n);
		buf[at] = (uint8_t)random();
		if (round % 4 == 0)
			len = (size_t)random() % n;
		if (round % 3 == 0)
			buf[(size_t)random() % n] = (uint8_t)random();
		arena_reset(a);
		if (ipc_wire_decode(buf, len, a, &e) != IPC_ACCEPTED)
			continue;
		passed++;
		assert_true(ipc_wire_encode(e, again) > 0);
	}
	assert_in_range(passed, 100, 199999);
	arena_free(a);
}

/* 64 KiB of empty messages ask for megabytes: the arena says no. */
static void amplification_is_bounded(void **state)
{
	struct arena *a = arena_new(IPC_DECODED_MAX);
	const uint8_t head[] = {0x08, 0x01, 0x10, 0x07, 0x9a, 0x04, 0xf0, 0xff, 0x03};
	size_t n = sizeof(head);
	Gp__Envelope *e;

	(void)state;
	memcpy(buf, head, n);
	while (n < sizeof(head) + 0xfff0) {
		/* Envelope.sessions (67), Sessions.sessions (1): a Session that is all empty
		 * strings */
		static const uint8_t session[] = {0x0a, 0x10, 0x0a, 0, 0x12, 0, 0x1a, 0, 0x22, 0,
			0x2a, 0, 0x32, 0, 0x38, 0, 0x40, 0};

		memcpy(buf + n, session, sizeof(session));
		n += sizeof(session);
	}
	(void)ipc_wire_decode(buf, n <= IPC_MAX ? n : IPC_MAX, a, &e);
	arena_free(a);
}

static void too_long_to_send(void **state)
{
	Gp__Error error = GP__ERROR__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	char *text = malloc(IPC_MAX);

	(void)state;
	memset(text, 'x', IPC_MAX - 1);
	text[IPC_MAX - 1] = '\0';
	error.text = text;
	e.body_case = GP__ENVELOPE__BODY_ERROR;
	e.error = &error;
	assert_int_equal(ipc_wire_encode(&e, buf), -EMSGSIZE);
	text[IPC_MAX - 100] = '\0';
	assert_true(ipc_wire_encode(&e, buf) > 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_decode),
		cmocka_unit_test(own_encoding_passes),
		cmocka_unit_test(no_prefix_of_a_message_passes),
		cmocka_unit_test(mutations),
		cmocka_unit_test(amplification_is_bounded),
		cmocka_unit_test(too_long_to_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

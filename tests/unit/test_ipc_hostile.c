/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile input at an IPC server: it crashes nothing, is counted by its reason, and meanwhile
 * others are served.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"
#include "tests/unit/ipc_bed.h"

static struct bed bed;
static uint8_t buf[4 * IPC_MAX];

static int setup(void **state)
{
	(void)state;
	bed_open(&bed);
	return 0;
}

/* Whatever came before: a well-behaved client is served. */
static int teardown(void **state)
{
	int fd;

	(void)state;
	bed_turn(&bed, 50);
	fd = bed_connect(&bed);
	bed_send(fd, 1, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, fd), 0);
	close(fd);
	bed_close(&bed);
	return 0;
}

static uint64_t all_refusals(void)
{
	uint64_t sum = 0;

	for (int i = IPC_OVERSIZE; i < IPC_N_REFUSALS; i++)
		sum += bed_counter(&bed, (enum ipc_refusal)i);
	return sum;
}

/* One datagram on a fresh connection; the connection must be closed. */
static void refuse(const void *bytes, size_t n, enum ipc_refusal why)
{
	uint64_t before = bed_counter(&bed, why);
	int fd = bed_connect(&bed);

	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
	assert_int_equal(bed_answer(&bed, fd), -EPIPE);
	assert_int_equal(bed_counter(&bed, why), before + 1);
	close(fd);
	bed_turn(&bed, 2);
}

static void each_reason(void **state)
{
	(void)state;
	memset(buf, 'A', sizeof(buf));
	refuse(buf, IPC_MAX + 1, IPC_OVERSIZE);
	refuse(buf, 2 * IPC_MAX, IPC_OVERSIZE);
	refuse(buf, IPC_MAX, IPC_UNKNOWN_MESSAGE);
	refuse("\x08\x01\x10\x07", 4, IPC_UNKNOWN_MESSAGE);
	refuse("\x08\x01\x10\x07\x52\x00", 6, IPC_UNKNOWN_MESSAGE);
	refuse("\x08\x01\x10\x07\xea\x7d\x00", 7, IPC_UNKNOWN_MESSAGE);
	refuse("\x08\x07\x10\x07\x62\x00", 6, IPC_BAD_VERSION);
	refuse("\x08\x01\x10\x07\x5a\x07\x08\x01\x12\x03x\0y", 13, IPC_UNDECODABLE);
	refuse("\x08\x01\x10", 3, IPC_UNDECODABLE);
	assert_int_equal(all_refusals(), 9);
	assert_int_equal(bed.handled, 0);
}

static void random_bytes(void **state)
{
	const unsigned rounds = 5000;
	unsigned hung_up = 0;

	(void)state;
	srandom(7);
	for (unsigned i = 0; i < rounds; i++) {
		size_t n = 1 + (size_t)random() % 300;
		int fd = bed_connect(&bed);

		for (size_t j = 0; j < n; j++)
			buf[j] = (uint8_t)random();
		/* A third starts like a real one. */
		if (i % 3 == 0 && n >= 6)
			memcpy(buf, "\x08\x01\x10\x07", 4);
		assert_int_equal(send(fd, buf, n, MSG_NOSIGNAL), n);
		hung_up += bed_answer(&bed, fd) == -EPIPE;
		close(fd);
		bed_turn(&bed, 2);
	}
	assert_int_equal(all_refusals(), rounds);
	assert_int_equal(hung_up, rounds);
	assert_int_equal(bed.handled, 0);
}

static void empty_datagram(void **state)
{
	int fd = bed_connect(&bed);

	(void)state;
	assert_int_equal(send(fd, buf, 0, MSG_NOSIGNAL), 0);
	assert_int_equal(bed_answer(&bed, fd), -EPIPE);
	close(fd);
}

/* Descriptors passed along are not left open in the server. */
static void passed_descriptors(void **state)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	uint8_t request[] = {0x08, 0x01, 0x10, 0x07, 0x62, 0x00};
	struct iovec iov = {request, sizeof(request)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	int fd = bed_connect(&bed), pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(&control.header), &pipes[1], sizeof(int));
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), sizeof(request));
	assert_int_equal(bed_answer(&bed, fd), 0);
	close(pipes[1]);
	/* Its last writer is closed: end of file, not waiting. */
	assert_int_equal(fcntl(pipes[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(pipes[0], buf, 1), 0);
	close(pipes[0]);
	close(fd);
}

static void connection_flood(void **state)
{
	int fds[100];
	unsigned refused = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		fds[i] = bed_connect(&bed);
		bed_turn(&bed, 2);
	}
	bed_turn(&bed, 50);
	for (int i = 0; i < 100; i++)
		refused += bed_answer(&bed, fds[i]) == -EUSERS;
	assert_int_equal(refused, 100 - IPC_MAX_CLIENTS);
	assert_int_equal(bed_counter(&bed, IPC_TOO_MANY_CLIENTS), refused);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	bed_turn(&bed, 10);
	assert_int_equal(bed.closed, IPC_MAX_CLIENTS);
	for (int round = 0; round < 3000; round++) {
		close(bed_connect(&bed));
		if (round % 10 == 0)
			bed_turn(&bed, 3);
	}
}

static void become(const char *group)
{
	if (geteuid() != 0)
		fail_msg("this test needs root: it connects as another user");
	assert_int_equal(setegid(group != NULL ? bed_gid(group) : 65534), 0);
	assert_int_equal(seteuid(65534), 0);
}

static void become_root(void)
{
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
}

/* Half of the places are not for people, however many connections they open. */
static void people_leave_room(void **state)
{
	int fds[IPC_MAX_CLIENTS], daemon;

	(void)state;
	become("gatepair");
	for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
		fds[i] = bed_connect(&bed);
		bed_turn(&bed, 2);
	}
	become_root();
	bed_turn(&bed, 20);
	assert_int_equal(bed_counter(&bed, IPC_TOO_MANY_CLIENTS), IPC_MAX_CLIENTS - IPC_MAX_PEOPLE);
	daemon = bed_connect(&bed);
	bed_send(daemon, 1, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, daemon), 0);
	close(daemon);
	for (int i = 0; i < IPC_MAX_CLIENTS; i++)
		close(fds[i]);
}

/* Subscribes and never reads: cut off once its backlog is full, and nobody else notices. */
/* However fast they ask: a loop that never sleeps would be the end of a real-time daemon. */
static void people_are_paced(void **state)
{
	usec_t begin;
	uint64_t most;
	int fd;

	(void)state;
	become("gatepair");
	fd = bed_connect(&bed);
	become_root();
	for (int i = 1; i <= 100; i++)
		bed_send(fd, (uint64_t)i, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	begin = clock_now_us();
	while (clock_now_us() < begin + 50 * USEC_PER_MS)
		bed_turn(&bed, 1);
	most = (uint64_t)((clock_now_us() - begin) / (5 * USEC_PER_MS)) + 1;
	assert_in_range(bed_counter(&bed, IPC_ACCEPTED), 2, most);
	assert_int_equal(bed_answer(&bed, fd), 0);
	close(fd);
}

/* Connects until the backlog is full, as a stranger. */
static unsigned storm(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	unsigned n = 0;
	int r;

	memcpy(addr.sun_path, bed.path, sizeof(bed.path));
	do {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		r = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
		close(fd);
		n += r == 0;
	} while (r == 0);
	return n;
}

static void strangers_are_paced(void **state)
{
	usec_t begin = clock_now_us();
	uint64_t most;
	int fd;

	(void)state;
	while (clock_now_us() < begin + 50 * USEC_PER_MS) {
		become(NULL);
		storm();
		become_root();
		bed_turn(&bed, 1);
	}
	most = (uint64_t)((clock_now_us() - begin) / (5 * USEC_PER_MS) + 1) * 136;
	assert_in_range(bed_counter(&bed, IPC_WRONG_IDENTITY), 256, most);
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		bed_turn(&bed, 4);
	}
	fd = bed_connect(&bed);
	bed_send(fd, 1, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, fd), 0);
	close(fd);
}

static void reader_that_never_reads(void **state)
{
	static char text[8000];
	Gp__Error error = GP__ERROR__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	int fd = bed_connect(&bed);
	unsigned sent = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	error.text = text;
	e.body_case = GP__ENVELOPE__BODY_ERROR;
	e.error = &error;
	bed_send(fd, 1, GP__ENVELOPE__BODY_LINK_SUBSCRIBE, NULL);
	bed_turn(&bed, 5);
	assert_non_null(bed.subscriber);
	while (bed.subscriber != NULL && sent++ < 2000) {
		ipc_broadcast(bed.server, &e);
		bed_turn(&bed, 1);
	}
	assert_in_range(sent, 100, 1000);
	assert_int_equal(bed_counter(&bed, IPC_SLOW_READER), 1);
	close(fd);
}

/* Asks and asks and never reads an answer. */
static void asker_that_never_reads(void **state)
{
	const uint8_t request[] = {0x08, 0x01, 0x10, 0x07, 0x62, 0x00};
	int fd = bed_connect(&bed);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		if (send(fd, request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			errno != EAGAIN)
			break;
		bed_turn(&bed, 1);
	}
	assert_int_equal(bed_counter(&bed, IPC_SLOW_READER), 1);
	close(fd);
}

/* A reader that is merely slow gets everything, in order. */
static void slow_reader_loses_nothing(void **state)
{
	static char text[4000];
	Gp__Error error = GP__ERROR__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	int fd = bed_connect(&bed);

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	error.text = text;
	e.body_case = GP__ENVELOPE__BODY_ERROR;
	e.error = &error;
	bed_send(fd, 1, GP__ENVELOPE__BODY_LINK_SUBSCRIBE, NULL);
	assert_int_equal(bed_answer(&bed, fd), 0);
	for (int i = 1; i <= 150; i++) {
		error.code = i;
		ipc_broadcast(bed.server, &e);
	}
	for (int i = 1; i <= 150; i++)
		assert_int_equal(bed_answer(&bed, fd), i);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(random_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_datagram, setup, teardown),
		cmocka_unit_test_setup_teardown(passed_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(connection_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(people_leave_room, setup, teardown),
		cmocka_unit_test_setup_teardown(people_are_paced, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_are_paced, setup, teardown),
		cmocka_unit_test_setup_teardown(reader_that_never_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(asker_that_never_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_reader_loses_nothing, setup, teardown),
	};

	log_set_level(LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

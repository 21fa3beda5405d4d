/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gp-traffic: what the users of a gateway pair would notice, in numbers.
 *
 * `gp-traffic server` and `gp-traffic client` run on the two sides of the pair. The client keeps
 * many TCP sessions and UDP flows alive with small echoes; the server writes the address and port
 * it sees into each answer, so that a session which silently got a new NAT binding is found. On
 * top of that one UDP flow carries a stream of numbered packets in each direction, and a ping runs
 * along. Both processes read commands from standard input (`mark NAME` opens a measurement
 * window, `report` prints it as one line of JSON, `quit` or end of file ends) so that nothing of
 * the control travels over the path under test.
 *
 * Everything is sent by absolute time: a late wake-up is followed by the packets it owes, so no
 * delay of this machine looks like loss; its own worst lateness is reported as `late_ms`.
 * Arrivals are timed by the kernel, not by when this process got round to reading them.
 */
#include "tests/net/arrivals.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/icmp.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define RECORD_MAGIC 0x67707472u
#define TICK_NS      INT64_C(1000000)

enum record_kind { RECORD_ECHO = 1, RECORD_STREAM = 2 };

/* The one message of this program; 32 bytes over TCP and UDP alike, both ends on one host. */
struct record {
	uint32_t magic;
	uint32_t kind;
	uint64_t seq; /* from 1 */
	int64_t sent_ns;
	uint32_t seen_addr; /* network order; filled in by the server */
	uint16_t seen_port;
	uint16_t unused;
};

/* Anything the loop waits for; embedded as first member of its owner. */
struct watch {
	int fd;
	void (*on_ready)(struct watch *w, uint32_t events);
};

struct session {
	struct watch watch;
	bool tcp, moved;
	int error; /* errno that ended it, or 0 */
	uint64_t sent, answered;
	int64_t answered_sent_ns; /* when the last answered question was asked */
	uint32_t seen_addr;
	uint16_t seen_port;
	size_t have;
	struct record partial; /* TCP: a record not yet complete */
};

static struct {
	bool server, stop;
	int epoll_fd;
	struct sockaddr_in to;
	struct watch input, timer, stream, ping, listener;
	int64_t timer_base_ns, late_ns;
	uint64_t ticks;
	struct pacer stream_pacer, ping_pacer, echo_pacer;
	struct arrivals stream_in, ping_in;
	struct sockaddr_in stream_peer; /* server: where the stream back goes */
	uint64_t stream_moved, stream_sent, ping_sent, send_errors;
	struct session *sessions;
	size_t tcp_n, udp_n;
	char mark[32];
	int64_t mark_ns, mark_real_ns;
	uint64_t udp_sent, udp_lost;
	int64_t worst_echo_ns;
} g;

static void watch_add(
	struct watch *w, int fd, uint32_t events, void (*on_ready)(struct watch *, uint32_t))
{
	struct epoll_event ev = {.events = events, .data = {.ptr = w}};

	w->fd = fd;
	w->on_ready = on_ready;
	if (epoll_ctl(g.epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
		die("epoll_ctl");
}

static bool record_valid(const struct record *r, ssize_t n)
{
	return n == (ssize_t)sizeof(*r) && r->magic == RECORD_MAGIC && r->seq > 0;
}

/* ---- the numbered stream, both sides ---- */

static void stream_send(const struct sockaddr_in *to)
{
	struct record r = {.magic = RECORD_MAGIC, .kind = RECORD_STREAM};

	r.seq = ++g.stream_sent;
	r.sent_ns = mono_ns();
	if (sendto(g.stream.fd, &r, sizeof(r), 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		g.send_errors++;
}

static void stream_on_ready(struct watch *w, uint32_t events)
{
	struct sockaddr_in from;
	struct record r;
	int64_t at_ns;
	ssize_t n;

	(void)events;
	/* A queued ICMP error ends the loop early; level-triggered epoll comes back at once. */
	while ((n = receive_stamped(w->fd, &r, sizeof(r), &from, &at_ns)) >= 0) {
		if (record_valid(&r, n) && r.kind == RECORD_STREAM)
			arrivals_note(&g.stream_in, r.seq, at_ns);
	}
}

/* ---- ping ---- */

struct ping_packet {
	struct icmphdr icmp;
	struct record record;
};

static uint16_t icmp_checksum(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void ping_send(void)
{
	struct ping_packet p = {.icmp = {.type = ICMP_ECHO}, .record = {.magic = RECORD_MAGIC}};

	p.record.seq = ++g.ping_sent;
	p.icmp.un.echo.id = htons((uint16_t)getpid());
	p.icmp.un.echo.sequence = htons((uint16_t)p.record.seq);
	p.icmp.checksum = icmp_checksum(&p, sizeof(p));
	if (sendto(g.ping.fd, &p, sizeof(p), 0, (struct sockaddr *)&g.to, sizeof(g.to)) < 0)
		g.send_errors++;
}

static void ping_on_ready(struct watch *w, uint32_t events)
{
	unsigned char packet[256];
	struct ping_packet p;
	struct sockaddr_in from;
	int64_t at_ns;
	ssize_t n;

	(void)events;
	while ((n = receive_stamped(w->fd, packet, sizeof(packet), &from, &at_ns)) >= 0) {
		size_t header = (size_t)(packet[0] & 0x0f) * 4;

		if ((size_t)n != header + sizeof(p))
			continue;
		memcpy(&p, packet + header, sizeof(p));
		if (p.icmp.type == ICMP_ECHOREPLY && p.record.magic == RECORD_MAGIC &&
			p.icmp.un.echo.id == htons((uint16_t)getpid()))
			arrivals_note(&g.ping_in, p.record.seq, at_ns);
	}
}

/* ---- sessions, client side ---- */

static void session_end(struct session *s, int error)
{
	s->error = error;
	close(s->watch.fd);
	s->watch.fd = -1;
}

static void session_ask(struct session *s)
{
	struct record r = {.magic = RECORD_MAGIC, .kind = RECORD_ECHO};

	if (s->error != 0)
		return;
	r.seq = s->sent + 1;
	r.sent_ns = mono_ns();
	if (send(s->watch.fd, &r, sizeof(r), MSG_NOSIGNAL) == (ssize_t)sizeof(r)) {
		s->sent++;
		g.udp_sent += !s->tcp;
	} else if (!s->tcp) {
		g.send_errors++;
	} else if (errno != EAGAIN && errno != ENOTCONN) {
		session_end(s, errno);
	}
}

static void session_answered(struct session *s, const struct record *r)
{
	int64_t took_ns = mono_ns() - r->sent_ns;

	if (s->answered == 0) {
		s->seen_addr = r->seen_addr;
		s->seen_port = r->seen_port;
	}
	if (s->seen_addr != r->seen_addr || s->seen_port != r->seen_port)
		s->moved = true;
	if (took_ns > g.worst_echo_ns)
		g.worst_echo_ns = took_ns;
	if (r->seq > s->answered) {
		g.udp_lost += s->tcp ? 0 : r->seq - s->answered - 1;
		s->answered = r->seq;
		s->answered_sent_ns = r->sent_ns;
	} else if (!s->tcp && g.udp_lost > 0) {
		g.udp_lost--; /* it was only overtaken */
	}
}

static void tcp_on_ready(struct watch *w, uint32_t events)
{
	struct session *s = (struct session *)w;
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (events & (EPOLLERR | EPOLLHUP)) {
		getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		session_end(s, error != 0 ? error : ECONNRESET);
		return;
	}
	while ((n = recv(w->fd, (char *)&s->partial + s->have, sizeof(s->partial) - s->have, 0)) >
		0) {
		s->have += (size_t)n;
		if (s->have < sizeof(s->partial))
			continue;
		s->have = 0;
		if (!record_valid(&s->partial, sizeof(s->partial)) ||
			s->partial.seq != s->answered + 1) {
			session_end(s, EBADMSG);
			return;
		}
		session_answered(s, &s->partial);
	}
	if (n == 0 || errno != EAGAIN)
		session_end(s, n == 0 ? ECONNABORTED : errno);
}

static void udp_on_ready(struct watch *w, uint32_t events)
{
	struct record r;
	ssize_t n;

	(void)events;
	while ((n = recv(w->fd, &r, sizeof(r), 0)) >= 0) {
		if (record_valid(&r, n))
			session_answered((struct session *)w, &r);
	}
}

static void sessions_open(void)
{
	g.sessions = calloc(g.tcp_n + g.udp_n + 1, sizeof(*g.sessions));
	if (g.sessions == NULL)
		die("calloc");
	for (size_t i = 0; i < g.tcp_n + g.udp_n; i++) {
		struct session *s = &g.sessions[i];
		int fd = socket_new(i < g.tcp_n ? SOCK_STREAM : SOCK_DGRAM, 0);

		s->tcp = i < g.tcp_n;
		if (connect(fd, (struct sockaddr *)&g.to, sizeof(g.to)) != 0 &&
			errno != EINPROGRESS)
			die("connect");
		watch_add(&s->watch, fd, EPOLLIN, s->tcp ? tcp_on_ready : udp_on_ready);
	}
}

/* ---- server side ---- */

static void conn_on_ready(struct watch *w, uint32_t events)
{
	struct session *s = (struct session *)w;
	ssize_t n;

	(void)events;
	while ((n = recv(w->fd, (char *)&s->partial + s->have, sizeof(s->partial) - s->have, 0)) >
		0) {
		s->have += (size_t)n;
		if (s->have < sizeof(s->partial))
			continue;
		s->have = 0;
		s->partial.seen_addr = s->seen_addr;
		s->partial.seen_port = s->seen_port;
		if (send(w->fd, &s->partial, sizeof(s->partial), MSG_NOSIGNAL) !=
			(ssize_t)sizeof(s->partial))
			break;
	}
	if (n >= 0 || errno != EAGAIN) {
		close(w->fd);
		free(s);
	}
}

static void listener_on_ready(struct watch *w, uint32_t events)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd, on = 1;

	(void)events;
	while ((fd = accept4(w->fd, (struct sockaddr *)&peer, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct session *s = calloc(1, sizeof(*s));

		if (s == NULL)
			die("calloc");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		s->seen_addr = peer.sin_addr.s_addr;
		s->seen_port = peer.sin_port;
		watch_add(&s->watch, fd, EPOLLIN, conn_on_ready);
		len = sizeof(peer);
	}
}

/* The stream back goes to the first peer only: a flow that came with a new port is a new flow. */
static void server_on_stream(const struct record *r, const struct sockaddr_in *from, int64_t at_ns)
{
	arrivals_note(&g.stream_in, r->seq, at_ns);
	if (g.stream_peer.sin_port == 0) {
		g.stream_peer = *from;
		g.stream_pacer.start_ns = mono_ns();
	} else if (g.stream_peer.sin_port != from->sin_port ||
		   g.stream_peer.sin_addr.s_addr != from->sin_addr.s_addr) {
		g.stream_moved++;
	}
}

static void server_udp_on_ready(struct watch *w, uint32_t events)
{
	struct sockaddr_in from;
	struct record r;
	int64_t at_ns;
	ssize_t n;

	(void)events;
	while ((n = receive_stamped(w->fd, &r, sizeof(r), &from, &at_ns)) >= 0) {
		if (!record_valid(&r, n))
			continue;
		if (r.kind == RECORD_STREAM) {
			server_on_stream(&r, &from, at_ns);
			continue;
		}
		r.seen_addr = from.sin_addr.s_addr;
		r.seen_port = from.sin_port;
		sendto(w->fd, &r, sizeof(r), 0, (struct sockaddr *)&from, sizeof(from));
	}
}

/* ---- report and commands ---- */

static void report_sessions(const char *name, const struct session *s, size_t count)
{
	size_t open = 0, fresh = 0, moved = 0, dead = 0;
	int error = 0;

	for (size_t i = 0; i < count; i++) {
		open += s[i].answered > 0;
		fresh += s[i].error == 0 && s[i].answered > 0 && s[i].answered_sent_ns >= g.mark_ns;
		moved += s[i].moved;
		dead += s[i].error != 0;
		error = s[i].error != 0 && error == 0 ? s[i].error : error;
	}
	/* fresh: answered a question asked after the mark, so alive on what now serves it */
	printf(",\"%s\":{\"count\":%zu,\"open\":%zu,\"fresh\":%zu,\"dead\":%zu,\"moved\":%zu,"
	       "\"error\":\"%s\"}",
		name, count, open, fresh, dead, moved, error != 0 ? strerror(error) : "");
}

static void report(void)
{
	printf("{\"mark\":\"%s\",\"window_s\":%.3f,\"late_ms\":%.3f,\"send_errors\":%llu", g.mark,
		(double)(mono_ns() - g.mark_ns) / 1e9, (double)g.late_ns / 1e6,
		(unsigned long long)g.send_errors);
	arrivals_print(g.server ? "up" : "down", &g.stream_in, g.mark_real_ns, g.stream_sent);
	if (g.server) {
		printf(",\"stream_moved\":%llu}\n", (unsigned long long)g.stream_moved);
	} else {
		arrivals_print("ping", &g.ping_in, g.mark_real_ns, g.ping_sent);
		report_sessions("tcp", g.sessions, g.tcp_n);
		report_sessions("udp", g.sessions + g.tcp_n, g.udp_n);
		printf(",\"udp_sent\":%llu,\"udp_lost\":%llu,\"worst_echo_ms\":%.3f}\n",
			(unsigned long long)g.udp_sent, (unsigned long long)g.udp_lost,
			(double)g.worst_echo_ns / 1e6);
	}
	fflush(stdout);
}

static void mark(const char *name)
{
	snprintf(g.mark, sizeof(g.mark), "%s", name);
	g.mark_ns = mono_ns();
	g.mark_real_ns = clock_ns(CLOCK_REALTIME);
	g.late_ns = g.worst_echo_ns = 0;
	g.udp_sent = g.udp_lost = g.send_errors = g.stream_moved = 0;
	arrivals_mark(&g.stream_in);
	arrivals_mark(&g.ping_in);
}

static void input_on_ready(struct watch *w, uint32_t events)
{
	char line[128];

	(void)w;
	(void)events;
	/* One command at a time: the caller waits for each answer before the next. */
	if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, "quit", 4) == 0) {
		g.stop = true;
		return;
	}
	line[strcspn(line, "\"\\\n")] = '\0';
	if (strncmp(line, "mark ", 5) == 0) {
		mark(line + 5);
		printf("{\"marked\":\"%s\",\"mono_ns\":%lld}\n", g.mark, (long long)g.mark_ns);
		fflush(stdout);
	} else if (strcmp(line, "report") == 0) {
		report();
	}
}

/* ---- time ---- */

static void timer_on_ready(struct watch *w, uint32_t events)
{
	uint64_t expired, due;
	int64_t now = mono_ns(), late_ns;

	(void)events;
	if (read(w->fd, &expired, sizeof(expired)) != (ssize_t)sizeof(expired))
		return;
	late_ns = now - (g.timer_base_ns + (int64_t)(g.ticks + 1) * TICK_NS);
	g.ticks += expired;
	if (late_ns > g.late_ns)
		g.late_ns = late_ns;
	for (due = pacer_due(&g.stream_pacer, now); due > 0; due--, g.stream_pacer.done++)
		stream_send(g.server ? &g.stream_peer : &g.to);
	for (due = pacer_due(&g.ping_pacer, now); due > 0; due--, g.ping_pacer.done++)
		ping_send();
	for (due = pacer_due(&g.echo_pacer, now); due > 0; due--, g.echo_pacer.done++)
		session_ask(&g.sessions[g.echo_pacer.done % (g.tcp_n + g.udp_n)]);
}

static void timer_start(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec spec = {.it_interval = {.tv_nsec = TICK_NS}};

	g.timer_base_ns = mono_ns();
	spec.it_value.tv_sec = (g.timer_base_ns + TICK_NS) / SECOND_NS;
	spec.it_value.tv_nsec = (g.timer_base_ns + TICK_NS) % SECOND_NS;
	if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0)
		die("timerfd");
	watch_add(&g.timer, fd, EPOLLIN, timer_on_ready);
}

static void client_start(int64_t echo_every_ns)
{
	size_t count = g.tcp_n + g.udp_n;

	sessions_open();
	watch_add(&g.stream, socket_new(SOCK_DGRAM, 0), EPOLLIN, stream_on_ready);
	if (g.ping_pacer.interval_ns != 0)
		watch_add(&g.ping, socket_new(SOCK_RAW, IPPROTO_ICMP), EPOLLIN, ping_on_ready);
	g.echo_pacer.interval_ns = count > 0 ? echo_every_ns / (int64_t)count : 0;
	g.stream_pacer.start_ns = g.ping_pacer.start_ns = g.echo_pacer.start_ns = mono_ns();
}

static void server_start(void)
{
	int tcp = socket_new(SOCK_STREAM, 0), udp = socket_new(SOCK_DGRAM, 0);

	if (bind(tcp, (struct sockaddr *)&g.to, sizeof(g.to)) != 0 || listen(tcp, 4096) != 0)
		die("listen");
	if (bind(udp, (struct sockaddr *)&g.to, sizeof(g.to)) != 0)
		die("bind");
	watch_add(&g.listener, tcp, EPOLLIN, listener_on_ready);
	watch_add(&g.stream, udp, EPOLLIN, server_udp_on_ready);
}

/* A saturated machine must not look like a slow gateway; without the privilege we only report. */
static void process_prepare(void)
{
	struct sched_param param = {.sched_priority = 5};
	struct rlimit files;

	(void)sched_setscheduler(0, SCHED_FIFO, &param);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdin, NULL, _IONBF, 0);
}

static int64_t hz_to_ns(const char *text)
{
	long hz = strtol(text, NULL, 10);

	return hz > 0 ? SECOND_NS / hz : 0;
}

static bool options_parse(int argc, char **argv, int64_t *ret_echo_every_ns)
{
	static const struct option options[] = {
		{"to", 1, NULL, 'a'},
		{"port", 1, NULL, 'p'},
		{"tcp", 1, NULL, 't'},
		{"udp", 1, NULL, 'u'},
		{"every-ms", 1, NULL, 'e'},
		{"stream-hz", 1, NULL, 's'},
		{"ping-hz", 1, NULL, 'i'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?' || (c == 'a' && inet_pton(AF_INET, optarg, &g.to.sin_addr) != 1))
			return false;
		if (c == 'p')
			g.to.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
		else if (c == 't')
			g.tcp_n = strtoul(optarg, NULL, 10);
		else if (c == 'u')
			g.udp_n = strtoul(optarg, NULL, 10);
		else if (c == 'e')
			*ret_echo_every_ns = strtol(optarg, NULL, 10) * TICK_NS;
		else if (c == 's')
			g.stream_pacer.interval_ns = hz_to_ns(optarg);
		else if (c == 'i')
			g.ping_pacer.interval_ns = hz_to_ns(optarg);
	}
	if (optind + 1 != argc)
		return false;
	g.server = strcmp(argv[optind], "server") == 0;
	return g.server || (strcmp(argv[optind], "client") == 0 && g.to.sin_addr.s_addr != 0);
}

static void loop(void)
{
	struct epoll_event events[256];

	while (!g.stop) {
		int n = epoll_wait(g.epoll_fd, events, 256, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct watch *w = events[i].data.ptr;

			w->on_ready(w, events[i].events);
		}
	}
}

int main(int argc, char **argv)
{
	int64_t echo_every_ns = SECOND_NS / 2;

	g.to.sin_family = AF_INET;
	g.to.sin_port = htons(7000);
	g.stream_pacer.interval_ns = TICK_NS;
	if (!options_parse(argc, argv, &echo_every_ns)) {
		fprintf(stderr,
			"usage: gp-traffic server|client --to ADDRESS [--port P] [--tcp N]\n"
			"       [--udp N] [--every-ms T] [--stream-hz H] [--ping-hz H]\n");
		return 2;
	}
	process_prepare();
	g.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (g.epoll_fd < 0)
		die("epoll_create1");
	mark("start");
	watch_add(&g.input, STDIN_FILENO, EPOLLIN, input_on_ready);
	if (g.server)
		server_start();
	else
		client_start(echo_every_ns);
	timer_start();
	loop();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervisor: reads the configuration, makes RUNDIR, starts the daemons with their privileges,
 * keeps them running, stops them in order. Runs as root with few capabilities. This file only
 * wires.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/supervisor/folder.h"
#include "common/supervisor/netns.h"
#include "common/supervisor/notify.h"
#include "common/supervisor/rundir.h"
#include "common/supervisor/supervisor.h"

#define SCRATCH_MAX (8u << 20)
#define EXIT_USAGE  2

static struct supervisor sup = {
	.config_file = "/etc/gatepair/gatepair.conf",
	.rundir = "/run/gatepair",
	.statedir = "/var/lib/gatepair",
};

static const char usage[] =
	"usage: supervisor [--config FILE] [--rundir DIR] [--statedir DIR]\n"
	"                  [--daemons vrrpd,syncd,netcfgd[,activated]]\n"
	"Runs the gatepair daemons; stays in the foreground. See supervisor(8).\n";

static int add_child(const char *name)
{
	const struct spawn_role *role = spawn_role_find(name);
	struct child *ch = &sup.children[sup.n_children];

	if (!role || sup.n_children == SUPERVISOR_MAX_CHILDREN || supervisor_child(&sup, name)) {
		fprintf(stderr,
			"supervisor: --daemons: \"%.32s\" is not a daemon, or is named twice\n",
			name);
		return -EINVAL;
	}
	ch->sup = &sup;
	ch->spawn.role = role;
	ch->listen_fd = -1;
	supervisor_policy_init(&ch->policy, role->fifo_priority > 0);
	sup.n_children++;
	return 0;
}

static int parse_daemons(char *list)
{
	char *save = NULL;
	int r = 0;

	for (char *name = strtok_r(list, ",", &save); name && r == 0;
		name = strtok_r(NULL, ",", &save))
		r = add_child(name);
	return r;
}

/* 0: go on; else the exit status plus one. */
static int parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"rundir", required_argument, NULL, 'r'},
		{"statedir", required_argument, NULL, 's'},
		{"daemons", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	char defaults[] = "netcfgd,syncd,vrrpd", *daemons = defaults;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			sup.config_file = optarg;
		else if (opt == 'r')
			sup.rundir = optarg;
		else if (opt == 's')
			sup.statedir = optarg;
		else if (opt == 'd')
			daemons = optarg;
		else if (opt == 'h')
			return fputs(usage, stdout) < 0 ? EXIT_FAILURE + 1 : EXIT_SUCCESS + 1;
		else if (opt == 'V')
			return puts("gatepair " GATEPAIR_VERSION) < 0 ? EXIT_FAILURE + 1
								      : EXIT_SUCCESS + 1;
		else
			return fputs(usage, stderr) < 0 ? EXIT_USAGE + 1 : EXIT_USAGE + 1;
	}
	if (optind < argc || parse_daemons(daemons) < 0 || sup.n_children == 0) {
		fputs(usage, stderr);
		return EXIT_USAGE + 1;
	}
	return 0;
}

/* Else the next file that is opened, a socket perhaps, becomes standard error. */
static int open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -errno;
	return 0;
}

/* The children's environment is made from nothing, and libconfuse expands ${VAR}. */
static void clean_environment(void)
{
	notify_init();
	clearenv();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
}

static int open_children(char *err, size_t err_size)
{
	for (unsigned i = 0; i < sup.n_children; i++) {
		struct child *ch = &sup.children[i];
		int r = spawn_init(
			&ch->spawn, ch->spawn.role, sup.rundir, sup.statedir, err, err_size);

		if (r == 0)
			r = rundir_listen(
				sup.rundir, ch->spawn.role->name, &ch->listen_fd, err, err_size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_loop(int listen_fd, char *err, size_t err_size)
{
	int r = uv_loop_init(&sup.loop);

	if (r == 0)
		r = control_serve(&sup, listen_fd);
	if (r == 0)
		r = supervisor_start(&sup);
	if (r < 0)
		snprintf(err, err_size, "event loop: %s; check the limits on open files",
			uv_strerror(r));
	return r;
}

/* Only what is ours: a socket that could not be replaced says that an old daemon still runs. */
static void clean_up(int lock, int listen_fd)
{
	for (unsigned i = 0; i < sup.n_children; i++) {
		const struct child *ch = &sup.children[i];

		if (ch->listen_fd < 0)
			continue;
		rundir_remove_socket(sup.rundir, child_name(ch));
		if (ch->spawn.role->has_folders)
			folder_remove(sup.rundir, child_name(ch));
	}
	if (listen_fd >= 0)
		rundir_remove_socket(sup.rundir, "supervisor");
	rundir_close(sup.rundir, lock);
}

static int run(char *err, size_t err_size)
{
	int lock, claim, listen_fd = -1, r;

	r = config_load(sup.config_file, sup.statedir, &sup.current, err, err_size);
	if (r < 0)
		return r;
	config_warn(sup.current, sup.config_file, supervisor_warn);
	sup.generation = sup.newest_generation = 1;
	sup.scratch = arena_new(SCRATCH_MAX);
	if (!sup.scratch)
		return -ENOMEM;
	r = rundir_open(sup.rundir, &lock, err, err_size);
	if (r < 0)
		return r;
	r = netns_claim(&claim, err, err_size);
	if (r == 0)
		r = open_children(err, err_size);
	if (r == 0)
		r = rundir_listen(sup.rundir, "supervisor", &listen_fd, err, err_size);
	if (r == 0) {
		spawn_harden_self();
		r = open_loop(listen_fd, err, err_size);
	}
	if (r == 0)
		uv_run(&sup.loop, UV_RUN_DEFAULT);
	clean_up(lock, listen_fd);
	return r;
}

int main(int argc, char **argv)
{
	char err[SUPERVISOR_WHY_MAX] = "out of memory; free some";
	int r;

	if (open_standard_files() < 0)
		return EXIT_FAILURE;
	log_init("supervisor");
	r = parse_options(argc, argv);
	if (r > 0)
		return r - 1;
	if (geteuid() != 0) {
		fputs("supervisor: must be started as root: it starts the daemons as their own "
		      "users\n",
			stderr);
		return EXIT_FAILURE;
	}
	clean_environment();
	r = run(err, sizeof(err));
	if (r < 0)
		log_err("cannot start: %s", err);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

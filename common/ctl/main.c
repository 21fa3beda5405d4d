/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gatepair: the operator's command. Options, and the table of commands that usage is printed from.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl/ctl.h"

static const struct ctl_command commands[] = {
	{"status", "[DAEMON] [--json]", "the pair on one screen, or all that one daemon knows", 0,
		1, CTL_JSON, ctl_status},
	{"sessions", "[--json]", "the sessions in this node's kernel", 0, 0, CTL_JSON,
		ctl_sessions},
	{"check", "FILE", "is this configuration file right?", 1, 1, 0, ctl_check},
	{"reload", "", "read the configuration file again", 0, 0, 0, ctl_reload},
	{"switchover", "", "hand the Active role to the peer, without loss", 0, 0, 0,
		ctl_switchover},
	{"show", "config | plan", "the configuration in effect, or what is still to be done", 1, 1,
		CTL_NORMALIZED, ctl_show},
	{"key", "", "print the node's key fingerprint; make the key if there is none", 0, 0, 0,
		ctl_key},
	{"restart", "DAEMON", "restart one daemon; sessions and role stay", 1, 1, 0, ctl_restart},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *f)
{
	fputs("usage: gatepair [--rundir DIR] [--statedir DIR] COMMAND\n\n", f);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[48];

		snprintf(left, sizeof(left), "%s%s%s", commands[i].name,
			commands[i].args[0] ? " " : "", commands[i].args);
		fprintf(f, "  %-29s %s\n", left, commands[i].help);
	}
	fputs("\nSee gatepair(8).\n", f);
}

static const struct ctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* -1: go on; else the exit status. */
static int parse_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"statedir", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"normalized", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case 'r':
			ctl->rundir = optarg;
			break;
		case 's':
			ctl->statedir = optarg;
			break;
		case 'j':
			ctl->flags |= CTL_JSON;
			break;
		case 'n':
			ctl->flags |= CTL_NORMALIZED;
			break;
		case 'h':
			print_usage(stdout);
			return CTL_OK;
		case 'V':
			puts("gatepair " GATEPAIR_VERSION);
			return CTL_OK;
		default:
			print_usage(stderr);
			return CTL_USAGE;
		}
	}
	return -1;
}

static int run_command(const struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *c = argc > 0 ? find_command(argv[0]) : NULL;

	if (argc == 1 && strcmp(argv[0], "help") == 0) {
		print_usage(stdout);
		return CTL_OK;
	}
	if (!c) {
		if (argc > 0)
			ctl_fail(CTL_USAGE, "there is no command \"%s\"", argv[0]);
		print_usage(stderr);
		return CTL_USAGE;
	}
	argc--;
	argv++;
	if (argc < c->min_args || argc > c->max_args || (ctl->flags & ~c->flags))
		return ctl_fail(CTL_USAGE, "usage: gatepair %s%s%s", c->name, c->args[0] ? " " : "",
			c->args);
	return c->run(ctl, argc, argv);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.rundir = CTL_DEFAULT_RUNDIR};
	static char name[] = "gatepair";
	int r;

	/* getopt names its messages after it. */
	if (argc > 0)
		argv[0] = name;
	r = parse_options(&ctl, argc, argv);

	if (r >= 0)
		return r;
	/* libconfuse expands ${VAR}. */
	clearenv();
	r = run_command(&ctl, argc - optind, argv + optind);
	if (fflush(stdout) != 0 || ferror(stdout))
		return r == CTL_OK ? ctl_fail(CTL_FAILED, "the output cannot be written") : r;
	return r;
}

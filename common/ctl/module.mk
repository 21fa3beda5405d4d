# gatepair: the operator's command.
PROGRAMS += gatepair
gatepair_SRCS := $(addprefix common/ctl/,main.c ask.c status.c overview.c screen.c commands.c)

UNIT_TESTS += test_ctl
test_ctl_SRCS := common/ctl/overview.c common/ctl/screen.c

MAN_PAGES += common/ctl/gatepair.8

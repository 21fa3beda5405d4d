# supervisor: starts, watches, configures and stops the daemons.
PROGRAMS += supervisor
supervisor_SRCS := $(addprefix common/supervisor/,main.c supervisor.c rollout.c policy.c reload.c spawn.c rundir.c \
	folder.c netns.c notify.c ipc.c)

UNIT_TESTS += test_policy test_folder
test_policy_SRCS := common/supervisor/policy.c common/supervisor/reload.c
test_folder_SRCS := common/supervisor/folder.c

MAN_PAGES += common/supervisor/supervisor.8

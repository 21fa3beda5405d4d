# The test ground's own tools, in build/tests.
TEST_TOOLS += gp-traffic gp-fill gp-addrwatch
gp-traffic_SRCS := tests/net/traffic.c tests/net/arrivals.c
gp-fill_SRCS := tests/net/fill.c tests/net/arrivals.c
gp-addrwatch_SRCS := tests/net/addrwatch.c
TEST_TOOLS += gp-nlwatch gp-killat
gp-nlwatch_SRCS := tests/net/nlwatch.c
gp-killat_SRCS := tests/net/killat.c

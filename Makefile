# gatepair - one non-recursive makefile; each folder's module.mk says what it builds.
#
#   make help            what there is
#   make CC=clang        another compiler          (its own build folder)
#   make SAN=address,undefined check               (its own build folder)
#   make V=1             with every command line
#
# Variables a module.mk sets for a program P named in PROGRAMS:
#   P_SRCS   its C files        P_PKGS  pkg-config names        P_LDLIBS  further libraries
# for a unit test T named in UNIT_TESTS (source tests/unit/T.c): T_SRCS, the module under test, T_PKGS, T_LDLIBS;
# for a simulation named in SIM_TESTS (source tests/sim/T.c) and for TEST_TOOLS likewise.

.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)

CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
SAN ?=
BUILD ?= build$(if $(filter-out gcc,$(CC)),/$(notdir $(CC)))$(if $(SAN),/san)
BIN := $(BUILD)/bin
PREFIX ?= /usr
DESTDIR ?=

WARN := -Wall -Wextra -Werror -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wswitch-enum -Wformat=2 -Wvla -Wundef -Wpointer-arith -Wcast-qual \
	-Wwrite-strings -Wnull-dereference
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=3) -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fPIE
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPT ?= -O2 -g
CFLAGS_ALL := -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS)
CPPFLAGS_ALL := -D_GNU_SOURCE -DGATEPAIR_VERSION='"$(VERSION)"' -I. -I$(BUILD) -isystem $(BUILD)/proto \
	$(CPPFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

# One short line per step; V=1 shows the commands.
V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

PROGRAMS :=
UNIT_TESTS :=
SIM_TESTS :=
TEST_TOOLS :=
FUZZERS :=
MAN_PAGES :=

all:

include $(wildcard */module.mk common/*/module.mk tests/*/module.mk activated/*/module.mk)

# --- generated protobuf code: never committed, compiled without our warnings -------------------
PROTOS := $(wildcard proto/*.proto)
PROTO_C := $(PROTOS:proto/%.proto=$(BUILD)/proto/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)
PROTO_O := $(PROTO_C:.c=.o)

.SECONDARY: $(PROTO_C) $(PROTO_H)
$(BUILD)/proto/%.pb-c.c $(BUILD)/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(call say,PROTO,$<)
	$(Q)protoc-c --proto_path=proto --c_out=$(BUILD)/proto $<

$(BUILD)/proto/%.pb-c.o: $(BUILD)/proto/%.pb-c.c $(PROTO_H)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu17 $(OPT) $(HARDEN) $(SANFLAGS) -I$(BUILD)/proto -c -o $@ $<

# --- objects -----------------------------------------------------------------------------------
# -MD and not -MMD: the generated headers count as the system's, and structs change with them.
$(BUILD)/obj/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MD -MP -c -o $@ $<

$(BUILD)/libcommon.a: $(common_SRCS:%.c=$(BUILD)/obj/%.o) $(PROTO_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

pkg_libs = $(if $(strip $(1)),$(shell pkg-config --libs $(1)))

# $(1) name, $(2) output, $(3) sources
define link_rule
$(2): $(3:%.c=$(BUILD)/obj/%.o) $(BUILD)/libcommon.a
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$(Q)$$(CC) $$(CFLAGS_ALL) $$(LDFLAGS_ALL) -o $$@ $(3:%.c=$(BUILD)/obj/%.o) $(BUILD)/libcommon.a \
		$$(call pkg_libs,$$($(1)_PKGS) $$(common_PKGS)) $$($(1)_LDLIBS) $$(common_LDLIBS)
-include $(3:%.c=$(BUILD)/obj/%.d)
endef

$(foreach p,$(PROGRAMS),$(eval $(call link_rule,$(p),$(BIN)/$(p),$($(p)_SRCS))))
$(foreach t,$(UNIT_TESTS),$(eval $(t)_PKGS += cmocka)\
	$(eval $(call link_rule,$(t),$(BUILD)/tests/$(t),tests/unit/$(t).c $($(t)_SRCS))))
$(foreach t,$(SIM_TESTS),$(eval $(call link_rule,$(t),$(BUILD)/tests/$(t),tests/sim/$(t).c $($(t)_SRCS))))
$(foreach t,$(TEST_TOOLS),$(eval $(call link_rule,$(t),$(BUILD)/tests/$(t),$($(t)_SRCS))))
$(foreach t,$(FUZZERS),$(eval $(t)_LDLIBS += -fsanitize=fuzzer)\
	$(eval $(call link_rule,$(t),$(BUILD)/fuzz/$(t),tests/fuzz/$(t).c $($(t)_SRCS))))
-include $(common_SRCS:%.c=$(BUILD)/obj/%.d)

PROGRAM_FILES := $(PROGRAMS:%=$(BIN)/%)
UNIT_FILES := $(UNIT_TESTS:%=$(BUILD)/tests/%)
SIM_FILES := $(SIM_TESTS:%=$(BUILD)/tests/%)
TOOL_FILES := $(TEST_TOOLS:%=$(BUILD)/tests/%)

all: $(PROGRAM_FILES) ## build everything into build/bin (default)

tests: all $(UNIT_FILES) $(SIM_FILES) $(TOOL_FILES)

# --- dependencies -------------------------------------------------------------------------------
BUILD_DEPS := build-essential pkg-config clang clang-format protobuf-c-compiler libuv1-dev \
	libprotobuf-c-dev libmnl-dev libnftnl-dev libmbedtls-dev libconfuse-dev libjansson-dev uthash-dev libseccomp-dev \
	libcap-dev libcmocka-dev
RUN_DEPS := iproute2 nftables conntrack procps python3 iputils-ping mandoc udhcpc dnsmasq-base

# A machine with Debian's own kernel for tests/vm; no hardware support is needed.
VM_DEPS := qemu-system-x86 mmdebstrap busybox-static cpio e2fsprogs

deps: deps-demo ## install what building, the demo and the tests need (Debian 12, root)
	packaging/deps $(VM_DEPS)
deps-demo:
	packaging/deps $(BUILD_DEPS) $(RUN_DEPS)

# `sudo make demo` and `sudo make check` work on a fresh machine: dependencies first, then a second
# make that sees the tools just installed.
demo: deps-demo ## two gateways, real traffic, every failover, in front of you (root)
	$(MAKE) -j$$(nproc) all tests
	tests/net/demo

check: deps ## every test (root)
	$(MAKE) -j$$(nproc) tests
	tests/run $(BUILD)

check-unit: $(UNIT_FILES) ## unit tests
	tests/run $(BUILD) unit
check-sim: $(SIM_FILES) ## deterministic simulation of two nodes
	tests/run $(BUILD) sim
check-net: tests ## real packets in network namespaces (root)
	tests/run $(BUILD) net
check-vm: tests ## Debian's kernel in a virtual machine: 802.1Q, bonds, whole boots (root)
	tests/run $(BUILD) vm

# A folder of inputs per fuzzer stays in build/corpus, so that the next run goes on from there.
FUZZ_SECONDS ?= 20
fuzz: ## every decoder against libFuzzer, FUZZ_SECONDS each
	$(MAKE) CC=clang SAN=address,undefined BUILD=$(BUILD)/fuzzing CFLAGS=-fsanitize=fuzzer-no-link fuzzers
	set -e; for f in $(FUZZERS); do mkdir -p $(BUILD)/corpus/$$f; \
		$(BUILD)/fuzzing/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=$(BUILD)/corpus/$$f- $(BUILD)/corpus/$$f \
		$$(find tests/fuzz/seeds -name $$f); done
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/%)

bench: tests ## failover gaps, side by side (root)
	tests/net/bench_gap

# --- care ---------------------------------------------------------------------------------------
C_FILES = $(shell git ls-files '*.c' '*.h')
format: ## clang-format in place
	clang-format -i $(C_FILES)
lint: ## clang-format check, man page lint, compile with both compilers
	clang-format --dry-run -Werror $(C_FILES)
	mandoc -Tlint -Wwarning $(MAN_PAGES)
	$(MAKE) CC=gcc tests
	$(MAKE) CC=clang tests

install: all ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/lib/gatepair $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/sysusers.d
	install -m 755 $(filter-out $(BIN)/gatepair,$(PROGRAM_FILES)) $(DESTDIR)$(PREFIX)/lib/gatepair/
	install -m 755 $(BIN)/gatepair $(DESTDIR)$(PREFIX)/bin/
	install -m 644 packaging/sysusers.d/gatepair.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/
	for m in $(MAN_PAGES); do \
		install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit 1; done

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: all tests deps deps-demo demo check check-unit check-sim check-net check-vm fuzz fuzzers bench format lint install clean help

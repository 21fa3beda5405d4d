# What strangers and peers can send, to libFuzzer: `make fuzz`.
FUZZERS += fuzz_ipc fuzz_config fuzz_vrrp fuzz_beat fuzz_sync fuzz_probe fuzz_dhcp
fuzz_vrrp_SRCS := vrrpd/packet.c
fuzz_beat_SRCS := vrrpd/beat.c
fuzz_sync_SRCS := syncd/frame.c syncd/record.c syncd/flow.c
fuzz_probe_SRCS := $(netcfgd_CABLING) netcfgd/services/ethernet.c
fuzz_dhcp_SRCS := netcfgd/services/hook.c netcfgd/services/dhcp_file.c netcfgd/services.c

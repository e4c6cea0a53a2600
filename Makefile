# SPDX-License-Identifier: GPL-2.0-only
#
#   make          build build/irqgate
#   make module   build hook/irqgate_hook.ko (needs kernel headers)
#   make demo     install what is missing, build, show it working in a VM
#   make test     install what is missing, build, run all tests
#   make test-unit | test-vm [KERNEL=6.1|6.12|7.x] [TEST=pattern]
#   make churn    10,000 rounds of VM, VFIO bindings and irqfds [KERNEL=...]
#   make stream   1,000,000 interrupts under reloads, none lost [KERNEL=...]

OUT := build
ARCH ?= $(shell uname -m | sed 's/x86_64/x86/; s/s390x/s390/; s/aarch64/arm64/')

CC ?= gcc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -I$(OUT) -DIRQGATE_LAYOUT=$(LAYOUT)u
LIBS := -lbpf -lelf -lz -ljson-c -lyaml

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))

BPF_OBJS := $(patsubst bpf/%.bpf.c,$(OUT)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
USER_OBJS := $(patsubst user/%.c,$(OUT)/user/%.o,$(wildcard user/*.c))
RIG_PROGS := $(addprefix $(OUT)/tests/,msi-vm selftest vmtest)
UNIT_PROGS := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HEADERS := $(wildcard include/irqgate/*.h)
# What the maps look like: an irqgate of another number takes over member by member.
LAYOUT := $(shell cat $(addprefix include/irqgate/,table.h binding.h event.h) | cksum | cut -d' ' -f1)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

all: $(OUT)/irqgate

$(OUT)/bpf $(OUT)/user $(OUT)/tests $(OUT)/tests/unit:
	@mkdir -p $@

$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) vmlinux/vmlinux.h $(HEADERS) | $(OUT)/bpf
	$(call say,BPF,$@)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
		-Wno-unused-function -Wno-unknown-attributes -Ivmlinux -Iinclude \
		-I/usr/include/$(MULTIARCH) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/irqgate.bpf.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJS)

$(OUT)/irqgate.skel.h: $(OUT)/irqgate.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name irqgate_bpf > $@

$(OUT)/user/%.o: user/%.c $(wildcard user/*.h) $(HEADERS) $(OUT)/irqgate.skel.h | $(OUT)/user
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -c $< -o $@

$(OUT)/irqgate: $(USER_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

# Two more builds to be taken over from and by: with another program, and with maps of
# another layout.
$(OUT)/%/irqgate: tests/vm/builds/%.sed $(OUT)/irqgate
	$(call say,BUILD,$@)
	$(Q)rm -rf $(OUT)/$*
	$(Q)mkdir -p $(OUT)/$*/src
	$(Q)cp -r bpf include user vmlinux $(OUT)/$*/src
	$(Q)sed -i -f $< $(OUT)/$*/src/bpf/*.h $(OUT)/$*/src/include/irqgate/*.h
	$(Q)$(MAKE) --no-print-directory -C $(OUT)/$*/src -f ../../../Makefile OUT=.. all >/dev/null

$(OUT)/tests/%: tests/rig/%.c tests/rig/rig.c tests/rig/rig.h | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Itests/rig $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@

$(OUT)/tests/vmtest: $(wildcard tests/vm/*.c tests/vm/*.h) tests/rig/rig.c tests/rig/rig.h | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -Itests/rig $(CPPFLAGS) $(CFLAGS) $(WARN) $(filter %.c,$^) -ljson-c -luring -o $@

$(OUT)/tests/unit/%: tests/unit/%.c $(addprefix $(OUT)/user/,handle.o names.o policy.o) | $(OUT)/tests/unit
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $^ -lyaml -lcmocka -o $@

unit: $(UNIT_PROGS)

rig: $(RIG_PROGS) $(OUT)/other/irqgate $(OUT)/next/irqgate

deps:
	@tests/vm/deps

demo: deps
	@$(MAKE) --no-print-directory all rig
	@tests/vm/demo

test: deps
	@$(MAKE) --no-print-directory all unit rig
	@tests/run unit vm

test-unit: deps
	@$(MAKE) --no-print-directory all unit
	@TEST='$(TEST)' tests/run unit

test-vm: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(KERNEL)' TEST='$(TEST)' tests/run vm

churn: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=churn.rounds CHURN_ROUNDS=10000 LIMIT=7200 tests/run vm

stream: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=race.stream STREAM_INTERRUPTS=1000000 LIMIT=7200 tests/run vm

clean:
	$(call say,CLEAN,$(OUT))
	$(Q)rm -rf $(OUT)

# The optional kernel module, for the running kernel or that of KDIR.
module:
	@$(MAKE) --no-print-directory -C hook

# Its sources for 'dkms add -m irqgate-hook -v VERSION'.
DKMS_SRC = $(DESTDIR)/usr/src/irqgate-hook-$(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' packaging/dkms/dkms.conf)
install-dkms:
	install -d $(DKMS_SRC)/include/irqgate
	install -m 644 packaging/dkms/dkms.conf hook/Makefile hook/*.[ch] $(DKMS_SRC)
	install -m 644 include/irqgate/hook.h $(DKMS_SRC)/include/irqgate

.PHONY: all rig unit deps demo test test-unit test-vm churn stream module install-dkms clean
.DELETE_ON_ERROR:
.SECONDARY:

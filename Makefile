# SPDX-License-Identifier: GPL-2.0-only
#
# 'make help' prints the lines that begin with "#   make". Each target is one line.
#
# Build and install:
#   make                build build/irqgate and build/libvirt-hook
#   make module         build hook/irqgate_hook.ko, needs the headers of the kernel (KDIR)
#   make s390x          build build/s390x/irqgate and its tests, on any machine
#   make install        install below DESTDIR, with PREFIX (/usr/local) and SYSCONFDIR (/etc)
#   make install-dkms   install the sources of the module for DKMS
#   make deb            build the Debian packages, build/irqgate_VERSION_ARCH.deb
#   make clean          remove build/
#   make help           print this list
#
# Try and test; each installs the packages that are missing:
#   make demo           boot a stock kernel in a VM and show irqgate there [DEMO_KERNEL=7.x]
#   make test           build, then run the tests: 35 minutes on 2 CPUs [KERNEL=...] [TEST=...]
#   make test-unit      run the tests of unit, command line and documents [TEST=...]
#   make test-vm        run the tests in VMs [KERNEL=6.1|6.12|7.x] [TEST=part of a name]
#   make test-package   install the packages in a VM and hold an operator's session there
#   make test-s390x     build, and test on emulated s390x kernels [TEST=...]
#   make test-debug     run the gates' tests on a kernel with lockdep and KASAN [TEST=...]
#   make test-long      run make test at length, all of it on each kernel; takes hours
#   make analyze        run all analyzers, sanitizers and valgrind
#   make model          check the formal model in larger sizes than make test
#   make fuzz           fuzz until a fuzzer finds something, or ^C
#   make coverage       print how many lines the tests of unit and command line run
#   make coverage-vm    the same, with the tests in a virtual machine [TEST=...]
#   make guest-io       revoke and allow network and disk of a Linux guest [KERNEL=...]
#   make bench          measure what irqgate costs, into docs/performance.md
#   make bench-short    compare the instructions of single operations with those kept
#
# One test of test-vm, at length [KERNEL=...]:
#   make property       compare random steps with a model [OPS=100000] [SEED=...]
#   make faults         let every system call fail once, at every place
#   make churn          run 10,000 rounds of VM, VFIO bindings and irqfds
#   make stream         send 1,000,000 interrupts during reloads, lose none
#   make soak           let VMs, bindings, policies come and go [MINUTES=30]
#   make inline-long    load and unload the module 300 times under interrupts
#
# Keep what a change moved:
#   make layout         keep the layout of the maps, after you raised IRQGATE_LAYOUT
#   make budget         keep what the verifier said in the last test-vm
#   make bench-keep     keep the instructions of the last bench or bench-short
#   make docs-paths     write into docs/paths.md what the last test-vm found
#
# Parts of the above:
#   make compile_commands.json  write it, for clangd and other editors' tools
#   make unit           build the unit tests
#   make rig            build what the tests in VMs need
#   make bench-progs    build what the benchmarks need
#   make deps           install the packages that make test needs
#   make debug-kernel   build the kernel of test-debug, once; takes long

# What programs print and how they sort must not depend on who calls.
export LC_ALL := C.UTF-8

HOST_ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/s390x/s390/; s/aarch64/arm64/')
ARCH ?= $(HOST_ARCH)

ifeq ($(ARCH),$(HOST_ARCH))
OUT := build
else ifeq ($(ARCH),s390)
# Its compiler, and a tree of its packages. Also bpftool is s390's, emulated: one that
# takes objects of the other byte order is newer than Debian stable.
OUT := build/s390x
ifeq ($(SYSROOT),)
SYSROOT := $(shell tests/s390x/sysroot)
$(if $(SYSROOT),,$(error no s390x packages: run 'make s390x'))
endif
export SYSROOT
EMULATOR := $(firstword $(shell command -v qemu-s390x-static qemu-s390x)) -L $(SYSROOT)
CC := s390x-linux-gnu-gcc --sysroot=$(SYSROOT)
BPFTOOL := $(EMULATOR) $(SYSROOT)/usr/sbin/bpftool
MULTIARCH := s390x-linux-gnu
LDFLAGS += -L$(SYSROOT)/usr/lib/$(MULTIARCH) -Wl,-rpath-link,$(SYSROOT)/usr/lib/$(MULTIARCH)
export PKG_CONFIG_SYSROOT_DIR := $(SYSROOT)
export PKG_CONFIG_LIBDIR := $(SYSROOT)/usr/lib/$(MULTIARCH)/pkgconfig
else
$(error ARCH=$(ARCH): only s390 can be built for on another machine)
endif

CC ?= gcc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror
# Sanitizers take the place of these (HARDEN= and HARDEN_LD=); CET and its like where the machine has it.
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
	$(if $(filter x86,$(ARCH)),-fcf-protection=full) $(if $(filter arm64,$(ARCH)),-mbranch-protection=standard)
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -isystem $(OUT)
# The package's changelog has the version, and nothing else has.
CHANGES := $(dir $(firstword $(MAKEFILE_LIST)))packaging/debian/changelog
VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' "$(CHANGES)")
LIBS := -lbpf -lelf -lz -ljson-c -lyaml -lsystemd -lcap-ng -lseccomp -lncursesw

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))

# What only one architecture has.
BPF_ONLY_s390 := bpf/firmware.bpf.c
BPF_SRCS := $(filter-out $(if $(filter s390,$(ARCH)),,$(BPF_ONLY_s390)),$(wildcard bpf/*.bpf.c))
BPF_OBJS := $(BPF_SRCS:bpf/%.bpf.c=$(OUT)/bpf/%.bpf.o)
USER_OBJS := $(patsubst %.c,$(OUT)/%.o,$(wildcard user/*/*.c))
# All but the main function: what tests and benchmarks link.
LIBIRQGATE := $(OUT)/libirqgate.a
RIG_PROGS := $(addprefix $(OUT)/tests/,msi-vm selftest vmtest)
UNIT_PROGS := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HEADERS := $(wildcard include/irqgate/*.h)
MULTIARCH ?= $(shell $(CC) -print-multiarch 2>/dev/null)
# Of the BPF objects.
BYTE_ORDER := $(if $(filter s390,$(ARCH)),eb,el)

BPF_CC = $(CLANG) -target bpf$(BYTE_ORDER) -mcpu=v3 -O2 -g -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
	-Wno-unused-function -Wno-unknown-attributes -Ivmlinux -Iinclude \
	-I$(SYSROOT)/usr/include/$(MULTIARCH)

all: $(OUT)/irqgate $(OUT)/libvirt-hook

help:
	@sed -n 's/^#   \(make \)/\1/p' $(firstword $(MAKEFILE_LIST))

$(OUT)/bpf $(OUT)/tests $(OUT)/tests/unit $(OUT)/bench:
	@mkdir -p $@

$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) $(wildcard vmlinux/*.h) $(HEADERS) | $(OUT)/bpf
	$(call say,BPF,$@)
	$(Q)$(BPF_CC) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/irqgate.bpf.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJS)

$(OUT)/irqgate.skel.h: $(OUT)/irqgate.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name irqgate_bpf > $@

$(OUT)/user/cli/main.o: CPPFLAGS += -DIRQGATE_VERSION='"$(VERSION)"'
$(OUT)/user/cli/main.o: $(CHANGES)

$(OUT)/user/%.o: user/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -MMD -MP $(CFLAGS) $(HARDEN) $(WARN) -c $< -o $@

$(OUT)/user/loader/hooks.o $(OUT)/user/loader/hook_object.o: $(OUT)/irqgate.skel.h
-include $(USER_OBJS:.o=.d)

$(LIBIRQGATE): $(filter-out $(OUT)/user/cli/main.o,$(USER_OBJS))
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(OUT)/irqgate: $(OUT)/user/cli/main.o $(LIBIRQGATE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) $^ $(LIBS) -o $@

# Two more builds to be taken over from and by: with another program, and with maps of
# another layout.
$(OUT)/%/irqgate: tests/vm/builds/%.sed $(OUT)/irqgate
	$(call say,BUILD,$@)
	$(Q)rm -rf $(OUT)/$*
	$(Q)mkdir -p $(OUT)/$*/src
	$(Q)cp -r bpf include user vmlinux $(OUT)/$*/src
	$(Q)sed -i -f $< $(OUT)/$*/src/bpf/*.h $(OUT)/$*/src/include/irqgate/*.h
	$(Q)$(MAKE) --no-print-directory -C $(OUT)/$*/src -f ../../../Makefile OUT=.. WARN=-w ../irqgate >/dev/null

$(OUT)/tests/%: tests/rig/%.c tests/rig/rig.c tests/rig/rig.h | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Itests/rig $(CFLAGS) $(WARN) $(filter %.c,$^) $(LDFLAGS) -o $@

# Programs of benchmarks and unit tests.
$(OUT)/bench/%.bpf.o: tests/bench/%.bpf.c $(wildcard bpf/*.bpf.[ch] vmlinux/*.h) $(HEADERS) | $(OUT)/bench
	$(call say,BPF,$@)
	$(Q)$(BPF_CC) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/tests/unit/%.bpf.o: tests/unit/%.bpf.c $(wildcard bpf/*.bpf.[ch] vmlinux/*.h) $(HEADERS) | $(OUT)/tests/unit
	$(call say,BPF,$@)
	$(Q)$(BPF_CC) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/tests/unit/test_judge: $(OUT)/tests/unit/judge.skel.h tests/bench/own_pins.c

%.skel.h: %.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(*F)_bpf > $@

$(OUT)/bench/table $(OUT)/bench/flood: tests/bench/maps.c tests/bench/maps.h tests/bench/own_pins.c tests/bench/own_pins.h
$(OUT)/bench/table $(OUT)/bench/adopt: $(OUT)/bench/%: tests/bench/%.c $(LIBIRQGATE) | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(filter %.c,$^) $(LIBIRQGATE) $(LIBS) -o $@

$(OUT)/bench/flood: tests/bench/flood.c $(OUT)/bench/flood.skel.h $(LIBIRQGATE) | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(OUT)/bench $(CFLAGS) $(WARN) $(filter %.c,$^) $(LIBIRQGATE) $(LIBS) -o $@

$(OUT)/bench/%: tests/bench/%.c $(OUT)/bench/%.skel.h $(HEADERS)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(OUT)/bench $(CFLAGS) $(WARN) $< -lbpf -lelf -lz -o $@

$(OUT)/bench/cost $(OUT)/bench/latency: $(OUT)/bench/%: tests/bench/%.c tests/rig/rig.c tests/rig/rig.h | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Itests/rig $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@

$(OUT)/tests/vmtest: $(wildcard tests/vm/*.c tests/vm/*.h) tests/rig/rig.c tests/rig/rig.h | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -Itests/rig $(CPPFLAGS) $(CFLAGS) $(WARN) $(filter %.c,$^) $(LDFLAGS) -ljson-c -luring -lbpf -o $@

# Only what a test calls is linked.
$(OUT)/tests/unit/%: tests/unit/%.c $(LIBIRQGATE) $(wildcard tests/unit/*.h) | $(OUT)/tests/unit
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(OUT)/tests/unit $(CFLAGS) $(WARN) $(filter %.c %.a,$^) $(LDFLAGS) -lyaml -ljson-c -lbpf -lelf -lz -lcmocka -o $@

# Every type of the headers, as BTF; test_layout compares it. No map has one of match.h.
LAYOUT_HEADERS := $(filter-out %/match.h,$(HEADERS))
$(OUT)/tests/layout.bpf.o: $(HEADERS) Makefile | $(OUT)/tests
	$(call say,BPF,$@)
	$(Q)(printf '#include "vmlinux.h"\n'; \
		grep -lE '^(struct|enum) irqgate_[a-z_]* \{' $(LAYOUT_HEADERS) | sed 's|.*/\(.*\)|#include <irqgate/\1>|'; \
		sed -nE 's/^((struct|enum) (irqgate_[a-z_]*)) \{$$/\1 a_\3;/p' $(LAYOUT_HEADERS)) | \
		$(BPF_CC) -x c - -c -o $@

$(OUT)/tests/unit/test_layout: $(OUT)/irqgate.bpf.o $(OUT)/tests/layout.bpf.o

# Keep what the maps look like now. It refuses as long as IRQGATE_LAYOUT is the old number.
layout: $(OUT)/tests/unit/test_layout
	@IRQGATE_UNIT=tests/unit $< --keep

# A driver in user space, for functions of s390.
$(OUT)/tests/vfio: tests/s390x/vfio.c | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS) $(WARN) $< $(LDFLAGS) -o $@

# A process of its own: nothing of XML in the loader.
$(OUT)/libvirt-hook: $(wildcard libvirt/*.c) $(wildcard libvirt/*.h) $(LIBIRQGATE)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(shell pkg-config --cflags libxml-2.0) $(CFLAGS) $(HARDEN) $(WARN) \
		$(filter %.c %.a,$^) $(HARDEN_LD) $(LDFLAGS) $(shell pkg-config --libs libxml-2.0) \
		-ljson-c -lyaml -lsystemd -o $@

# A kernel for a virtual machine.
$(OUT)/tests/guest: tests/rig/guest.c | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -m32 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector \
		-fno-asynchronous-unwind-tables -mno-sse -nostdlib -static -no-pie \
		-Wl,--section-start=.multiboot=0xff000,-Ttext=0x100000,-N,--build-id=none,-z,noexecstack \
		$< -o $@

unit: $(UNIT_PROGS)

bench-progs: $(addprefix $(OUT)/bench/,decide floor flood cost latency table adopt)

rig: $(RIG_PROGS) $(OUT)/other/irqgate $(OUT)/next/irqgate

deps:
	@tests/vm/deps

demo: deps
	@$(MAKE) --no-print-directory all rig
	@tests/vm/demo

# What both build: as many files at a time as there are CPUs.
tested = $(MAKE) --no-print-directory -j$(shell nproc) all unit rig bench-progs
parts = package unit cli docs dkms $(if $(TEST),,analyze model fuzz bench) vm

test: deps
	@$(tested)
	@tests/run $(parts)

test-long: deps
	@$(tested)
	@LONG=1 FAULT_SECONDS=120 PROPERTY_OPS=$(or $(OPS),20000) STREAM_INTERRUPTS=500000 RACE_ROUNDS=10000 \
		HOOK_ROUNDS=100 CHURN_ROUNDS=1000 SOAK_SECONDS=300 LIMIT=14400 tests/run $(parts)
	@tests/vm/guest-io

# All tools.
analyze: deps
	@$(MAKE) --no-print-directory all unit
	@LONG=1 tests/run analyze

# Of the programs of user space; what runs in VMs is not counted.
coverage: deps
	@$(MAKE) --no-print-directory all
	@tests/analyze/run coverage
	@cat build/analyze/results/coverage.log

# After those of coverage, whose counts it adds to.
coverage-vm: coverage
	@$(MAKE) --no-print-directory rig
	@tests/vm/boot 6.12 -t 7200 -n -w build/analyze/coverage -- \
		tests/analyze/coverage-guest $(if $(TEST),'$(TEST)')
	@tests/analyze/coverage build/analyze/coverage

model: deps
	@tests/model/run -l

# Until it finds something.
fuzz: deps
	@tests/fuzz/run 0

test-unit: deps
	@$(MAKE) --no-print-directory all unit
	@TEST='$(TEST)' tests/run unit cli docs

test-package: deps
	@tests/run package

test-vm: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(KERNEL)' TEST='$(TEST)' tests/run vm

budget:
	@tests/vm/budget write $(notdir $(wildcard $(OUT)/budget/*))

# Cross compiler, tools of that architecture, virtual machines; what its kernel takes.
S390X_PACKAGES := gcc-s390x-linux-gnu qemu-user-static qemu-system-misc pahole flex bison bc libssl-dev

s390x:
	@tests/vm/deps $(S390X_PACKAGES)
	@$(MAKE) --no-print-directory ARCH=s390 all unit build/s390x/tests/vfio

test-s390x: s390x
	@TEST='$(TEST)' tests/run s390x

docs-paths:
	@tests/vm/matrix write

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR := $(PREFIX)/sbin
MANDIR := $(PREFIX)/share/man
DOCDIR := $(PREFIX)/share/doc/irqgate
UNITDIR ?= $(PREFIX)/lib/systemd/system
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
INSTALL ?= install
# Directories on the way, too, are for everybody.
put = umask 022; $(INSTALL)

substitute = sed 's|@sbindir@|$(SBINDIR)|; s|@sysconfdir@|$(SYSCONFDIR)|' $< > $@

# Made each time, because they depend on the present PREFIX.
$(OUT)/irqgate.service: packaging/systemd/irqgate.service.in FORCE
	$(Q)$(substitute)

$(OUT)/qemu: libvirt/qemu.in FORCE
	$(Q)$(substitute)

install: all $(OUT)/irqgate.service $(OUT)/qemu
	$(put) -D -m 755 $(OUT)/irqgate "$(DESTDIR)$(SBINDIR)/irqgate"
	$(put) -D -m 644 $(OUT)/irqgate.service "$(DESTDIR)$(UNITDIR)/irqgate.service"
	$(put) -D -m 644 packaging/systemd/irqgate.tmpfiles "$(DESTDIR)$(TMPFILESDIR)/irqgate.conf"
	$(put) -D -m 644 packaging/bash-completion "$(DESTDIR)$(COMPLETIONDIR)/irqgate"
	$(put) -D -m 644 man/irqgate.8 "$(DESTDIR)$(MANDIR)/man8/irqgate.8"
	$(put) -D -m 644 man/irqgate-policy.5 "$(DESTDIR)$(MANDIR)/man5/irqgate-policy.5"
	$(put) -d -m 755 "$(DESTDIR)$(SYSCONFDIR)/irqgate" "$(DESTDIR)$(DOCDIR)/examples"
	$(put) -m 644 README.md SECURITY.md docs/*.md docs/policy.schema.json "$(DESTDIR)$(DOCDIR)"
	$(put) -m 644 packaging/policy.example.yaml "$(DESTDIR)$(DOCDIR)/examples/policy.yaml"
	$(put) -m 644 packaging/kubernetes/irqgate.yaml "$(DESTDIR)$(DOCDIR)/examples/kubernetes.yaml"
	$(put) -D -m 644 man/irqgate-libvirt-hook.8 "$(DESTDIR)$(MANDIR)/man8/irqgate-libvirt-hook.8"
	$(put) -D -m 755 $(OUT)/libvirt-hook "$(DESTDIR)$(SBINDIR)/irqgate-libvirt-hook"
	$(put) -D -m 755 $(OUT)/qemu "$(DESTDIR)$(SYSCONFDIR)/libvirt/hooks/qemu.d/irqgate"

# Debian's way, in a copy: debhelper wants its directory at the top and leaves files.
deb: deps
	$(call say,DEB,$(OUT))
	$(Q)rm -rf $(OUT)/deb && mkdir -p $(OUT)/deb/irqgate
	$(Q)git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t $(OUT)/deb/irqgate
	$(Q)cp -r packaging/debian $(OUT)/deb/irqgate/debian
	$(Q)cd $(OUT)/deb/irqgate && dpkg-buildpackage -us -uc -b > ../log 2>&1 || \
		{ tail -n 20 ../log >&2; exit 1; }
	$(Q)cp $(OUT)/deb/irqgate_*.deb $(OUT)/deb/irqgate-libvirt_*.deb $(OUT)

# What it costs: all of it, for docs/performance.md; or what may not become worse.
bench: deps
	@tests/vm/deps bpftrace auditd gnuplot-nox
	@$(MAKE) --no-print-directory all rig bench-progs
	@tests/bench/run long

bench-short: deps
	@$(MAKE) --no-print-directory all rig bench-progs
	@tests/run bench

bench-keep:
	@tests/bench/run keep

# One test in VMs each, at length.
churn: at_length = TEST=churn.rounds CHURN_ROUNDS=10000
stream: at_length = TEST=race.stream STREAM_INTERRUPTS=1000000
faults: at_length = TEST=fault. FAULT_SECONDS=0 LIMIT=36000
property: at_length = TEST=property.random PROPERTY_OPS=$(or $(OPS),100000) \
	PROPERTY_SEED=$(or $(SEED),$(shell date +%s)) LIMIT=36000
soak: at_length = TEST=soak.churn SOAK_SECONDS=$$(($(or $(MINUTES),30) * 60)) \
	LIMIT=$$(($(or $(MINUTES),30) * 60 + 600))
inline-long: at_length = KERNEL='$(or $(KERNEL),6.1 6.12)' TEST=inline. HOOK_ROUNDS=300 \
	STREAM_INTERRUPTS=1000000
churn stream faults property soak inline-long: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' LIMIT=7200 $(at_length) tests/run vm

# A Linux guest in a stock QEMU, whose network and disk are revoked and allowed.
guest-io: deps
	@$(MAKE) --no-print-directory all
	@tests/vm/guest-io $(KERNEL)

debug-kernel: deps
	@tests/vm/debug-kernel

test-debug: debug-kernel
	@$(MAKE) --no-print-directory all rig
	@KERNEL=6.12-debug TEST='$(TEST)' LIMIT=$(or $(LIMIT),7200) tests/run vm

# What make would run, by C file: nothing is compiled.
compile_commands.json: FORCE
	$(call say,GEN,$@)
	$(Q)$(MAKE) -nB --no-print-directory all unit bench-progs $(RIG_PROGS) | tests/analyze/commands > $@

clean:
	$(call say,CLEAN,$(OUT))
	$(Q)rm -rf $(OUT)

FORCE:

# The optional kernel module, for the running kernel or that of KDIR.
module:
	@$(MAKE) --no-print-directory -C hook

# Its sources for 'dkms add -m irqgate-hook -v VERSION'.
DKMS_SRC = $(DESTDIR)/usr/src/irqgate-hook-$(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' packaging/dkms/dkms.conf)
install-dkms:
	$(put) -d -m 755 "$(DKMS_SRC)" "$(DKMS_SRC)/include/irqgate"
	$(put) -m 644 packaging/dkms/dkms.conf hook/Makefile hook/*.[ch] "$(DKMS_SRC)"
	$(put) -m 644 include/irqgate/hook.h "$(DKMS_SRC)/include/irqgate"

.PHONY: FORCE help layout analyze coverage coverage-vm model fuzz budget bench bench-short bench-keep bench-progs debug-kernel test-debug inline-long module install-dkms all rig unit deps demo test test-long test-unit test-vm test-package s390x test-s390x docs-paths churn stream faults property soak guest-io install deb clean
.DELETE_ON_ERROR:
.SECONDARY:

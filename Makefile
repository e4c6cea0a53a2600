# SPDX-License-Identifier: GPL-2.0-only
#
#   make          build build/irqgate
#   make module   build hook/irqgate_hook.ko (needs kernel headers)
#   make demo     install what is missing, build, show it working in a VM
#   make test     install what is missing, build, run all tests
#   make budget   keep what the verifier said in the last test-vm
#   make analyze  analyzers, sanitizers, valgrind; make test runs them, too
#   make model    the formal model in larger sizes than make test
#   make fuzz     fuzz until something is found or ^C
#   make docs-paths  write into docs/paths.md what the last test-vm found
#   make test-unit | test-package | test-vm [KERNEL=6.1|6.12|7.x] [TEST=pattern]
#   make install  below $(DESTDIR), with PREFIX (/usr/local) and SYSCONFDIR (/etc)
#   make deb      build/irqgate_VERSION_ARCH.deb
#   make bench    measure what it costs, into docs/performance.md; bench-short: regressions only
#   make s390x    build build/s390x/irqgate, with the tests, on any machine
#   make test-s390x  install what is missing, build, test it on s390x kernels [TEST=pattern]
#   make churn    10,000 rounds of VM, VFIO bindings and irqfds [KERNEL=...]
#   make faults   every system call fails once, at every place [KERNEL=...]
#   make property random steps against a model, OPS=100000 from SEED on [KERNEL=...]
#   make soak     VMs, bindings and policies come and go for MINUTES=30 [KERNEL=...]
#   make inline-long  300 rounds of the module under 100,000 interrupts, and 1,000,000
#                 under its gate, none lost [KERNEL=...]
#   make debug-kernel  build a 6.12 with lockdep and KASAN, once; it takes long
#   make test-debug  the gates' tests on it, and what it says [TEST=pattern]
#   make stream   1,000,000 interrupts under reloads, none lost [KERNEL=...]

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
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -isystem $(OUT) -DIRQGATE_LAYOUT=$(LAYOUT)u
LIBS := -lbpf -lelf -lz -ljson-c -lyaml -lsystemd -lcap-ng -lseccomp -lncursesw

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))

# What only one architecture has.
BPF_ONLY_s390 := bpf/firmware.bpf.c
BPF_SRCS := $(filter-out $(if $(filter s390,$(ARCH)),,$(BPF_ONLY_s390)),$(wildcard bpf/*.bpf.c))
BPF_OBJS := $(BPF_SRCS:bpf/%.bpf.c=$(OUT)/bpf/%.bpf.o)
USER_OBJS := $(patsubst user/%.c,$(OUT)/user/%.o,$(wildcard user/*.c))
RIG_PROGS := $(addprefix $(OUT)/tests/,msi-vm selftest vmtest)
UNIT_PROGS := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_OBJS := $(addprefix $(OUT)/user/,convert.o dot.o events.o firmware_compare.o handle.o names.o policy.o \
	policy_write.o resolve.o rows.o diff.o cgroup.o util.o)
HEADERS := $(wildcard include/irqgate/*.h)
# What the maps look like: an irqgate of another number takes over member by member.
LAYOUT := $(shell cat $(addprefix include/irqgate/,table.h binding.h event.h firmware.h) | cksum | cut -d' ' -f1)
MULTIARCH ?= $(shell $(CC) -print-multiarch 2>/dev/null)
# Of the BPF objects.
BYTE_ORDER := $(if $(filter s390,$(ARCH)),eb,el)

BPF_CC = $(CLANG) -target bpf$(BYTE_ORDER) -mcpu=v3 -O2 -g -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
	-Wno-unused-function -Wno-unknown-attributes -Ivmlinux -Iinclude \
	-I$(SYSROOT)/usr/include/$(MULTIARCH)

all: $(OUT)/irqgate $(OUT)/libvirt-hook

$(OUT)/bpf $(OUT)/user $(OUT)/tests $(OUT)/tests/unit $(OUT)/bench:
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

$(OUT)/user/%.o: user/%.c $(wildcard user/*.h) $(HEADERS) $(OUT)/irqgate.skel.h | $(OUT)/user
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(WARN) -c $< -o $@

$(OUT)/irqgate: $(USER_OBJS)
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

$(OUT)/bench/%.bpf.o: tests/bench/%.bpf.c $(wildcard bpf/*.bpf.[ch] vmlinux/*.h) $(HEADERS) | $(OUT)/bench
	$(call say,BPF,$@)
	$(Q)$(BPF_CC) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/bench/%.skel.h: $(OUT)/bench/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# The loader without its main function; flood has user/daemon.c in itself.
$(OUT)/bench/table $(OUT)/bench/flood: tests/bench/maps.c tests/bench/maps.h $(filter-out $(OUT)/user/main.o,$(USER_OBJS))
$(OUT)/bench/adopt: $(filter-out $(OUT)/user/main.o,$(USER_OBJS))
$(OUT)/bench/table $(OUT)/bench/adopt: $(OUT)/bench/%: tests/bench/%.c | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(filter %.c %.o,$^) $(LIBS) -o $@

$(OUT)/bench/flood: tests/bench/flood.c $(OUT)/bench/flood.skel.h | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(OUT)/bench $(CFLAGS) $(WARN) $(filter-out $(OUT)/user/daemon.o,$(filter %.c %.o,$^)) $(LIBS) -o $@

$(OUT)/bench/%: tests/bench/%.c $(OUT)/bench/%.skel.h $(HEADERS)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(OUT)/bench $(CFLAGS) $(WARN) $< -lbpf -lelf -lz -o $@

$(OUT)/bench/cost $(OUT)/bench/latency: $(OUT)/bench/%: tests/bench/%.c tests/rig/rig.c tests/rig/rig.h | $(OUT)/bench
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Itests/rig $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@

$(OUT)/tests/vmtest: $(wildcard tests/vm/*.c tests/vm/*.h) tests/rig/rig.c tests/rig/rig.h | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -Itests/rig $(CPPFLAGS) $(CFLAGS) $(WARN) $(filter %.c,$^) $(LDFLAGS) -ljson-c -luring -lbpf -o $@

# Only what a test calls is linked: the rest may need what the test does not have.
$(OUT)/tests/unit.a: $(UNIT_OBJS) | $(OUT)/tests
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(OUT)/tests/unit/%: tests/unit/%.c $(OUT)/tests/unit.a | $(OUT)/tests/unit
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $^ $(LDFLAGS) -lyaml -ljson-c -lbpf -lelf -lz -lcmocka -o $@


# A driver in user space, for functions of s390.
$(OUT)/tests/vfio: tests/s390x/vfio.c | $(OUT)/tests
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS) $(WARN) $< $(LDFLAGS) -o $@

# A process of its own: nothing of XML in the loader.
$(OUT)/libvirt-hook: libvirt/hook.c $(OUT)/user/util.o user/util.h $(HEADERS)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(shell pkg-config --cflags libxml-2.0) $(CFLAGS) $(HARDEN) $(WARN) \
		$(filter %.c %.o,$^) $(HARDEN_LD) $(LDFLAGS) $(shell pkg-config --libs libxml-2.0) -ljson-c -o $@

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

test: deps
	@$(MAKE) --no-print-directory all unit rig bench-progs
	@tests/run package unit cli docs dkms $(if $(TEST),,analyze model fuzz bench) vm

# All tools; `make test` runs the same.
analyze: deps
	@$(MAKE) --no-print-directory all unit
	@tests/run analyze

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

substitute = sed 's|@sbindir@|$(SBINDIR)|; s|@sysconfdir@|$(SYSCONFDIR)|' $< > $@

# Always anew: they depend on what PREFIX is now.
$(OUT)/irqgate.service: packaging/systemd/irqgate.service.in FORCE
	$(Q)$(substitute)

$(OUT)/qemu: libvirt/qemu.in FORCE
	$(Q)$(substitute)

install: all $(OUT)/irqgate.service $(OUT)/qemu
	$(INSTALL) -D -m 755 $(OUT)/irqgate $(DESTDIR)$(SBINDIR)/irqgate
	$(INSTALL) -D -m 644 $(OUT)/irqgate.service $(DESTDIR)$(UNITDIR)/irqgate.service
	$(INSTALL) -D -m 644 packaging/systemd/irqgate.tmpfiles $(DESTDIR)$(TMPFILESDIR)/irqgate.conf
	$(INSTALL) -D -m 644 packaging/bash-completion $(DESTDIR)$(COMPLETIONDIR)/irqgate
	$(INSTALL) -D -m 644 man/irqgate.8 $(DESTDIR)$(MANDIR)/man8/irqgate.8
	$(INSTALL) -D -m 644 man/irqgate-policy.5 $(DESTDIR)$(MANDIR)/man5/irqgate-policy.5
	$(INSTALL) -d -m 755 $(DESTDIR)$(SYSCONFDIR)/irqgate $(DESTDIR)$(DOCDIR)/examples
	$(INSTALL) -m 644 README.md SECURITY.md docs/*.md docs/policy.schema.json $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 644 packaging/policy.example.yaml $(DESTDIR)$(DOCDIR)/examples/policy.yaml
	$(INSTALL) -m 644 packaging/kubernetes/irqgate.yaml $(DESTDIR)$(DOCDIR)/examples/kubernetes.yaml
	$(INSTALL) -D -m 644 man/irqgate-libvirt-hook.8 $(DESTDIR)$(MANDIR)/man8/irqgate-libvirt-hook.8
	$(INSTALL) -D -m 755 $(OUT)/libvirt-hook $(DESTDIR)$(SBINDIR)/irqgate-libvirt-hook
	$(INSTALL) -D -m 755 $(OUT)/qemu $(DESTDIR)$(SYSCONFDIR)/libvirt/hooks/qemu.d/irqgate

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

churn: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=churn.rounds CHURN_ROUNDS=10000 LIMIT=7200 tests/run vm

stream: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=race.stream STREAM_INTERRUPTS=1000000 LIMIT=7200 tests/run vm

faults: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=fault. FAULT_SECONDS=0 LIMIT=36000 tests/run vm

property: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=property.random MODEL_OPS=$(or $(OPS),100000) \
		MODEL_SEED=$(or $(SEED),$(shell date +%s)) LIMIT=36000 tests/run vm

soak: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.12)' TEST=soak.churn SOAK_SECONDS=$$(($(or $(MINUTES),30) * 60)) \
		LIMIT=$$(($(or $(MINUTES),30) * 60 + 600)) tests/run vm

inline-long: deps
	@$(MAKE) --no-print-directory all rig
	@KERNEL='$(or $(KERNEL),6.1 6.12)' TEST=inline. HOOK_ROUNDS=300 STREAM_INTERRUPTS=1000000 LIMIT=7200 tests/run vm

debug-kernel: deps
	@tests/vm/debug-kernel

test-debug: debug-kernel
	@$(MAKE) --no-print-directory all rig
	@KERNEL=6.12-debug TEST='$(TEST)' LIMIT=$(or $(LIMIT),7200) tests/run vm

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
	install -d $(DKMS_SRC)/include/irqgate
	install -m 644 packaging/dkms/dkms.conf hook/Makefile hook/*.[ch] $(DKMS_SRC)
	install -m 644 include/irqgate/hook.h $(DKMS_SRC)/include/irqgate

.PHONY: FORCE analyze model fuzz budget bench bench-short bench-keep bench-progs debug-kernel test-debug inline-long module install-dkms all rig unit deps demo test test-unit test-vm test-package s390x test-s390x docs-paths churn stream faults property soak install deb clean
.DELETE_ON_ERROR:
.SECONDARY:

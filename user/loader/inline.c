// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <irqgate/hook.h>
#include "lib/util.h"
#include "loader/enforce.h"
#include "loader/hooks.h"
#include "loader/inline.h"
#include "table/direct.h"

#define MODULE "irqgate_hook"
#define SYSFS "/sys/module/" MODULE
#define ARMED SYSFS "/parameters/armed"

bool inline_present(void)
{
	return module_state(MODULE) == MODULE_LIVE;
}

bool inline_expected(void)
{
	char path[256], line[4096];
	struct utsname uts;
	bool found = inline_present();
	FILE *f;

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", uts.release);
	f = found ? NULL : fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "/" MODULE ".ko") != NULL;
	return (f && close_read(f)) || found; /* if the list cannot be read, it may be there */
}

static bool version_matches(void)
{
	char version[32];

	return !read_line(SYSFS "/version", version, sizeof(version)) &&
	       !strcmp(version, IRQGATE_HOOK_VERSION);
}

struct lack inline_lack(void)
{
	if (!inline_present())
		return (struct lack){
			"the module " MODULE " is not loaded",
			"optional: 'modprobe " MODULE "' (docs/inline-gate.md); without it irqgate "
			"sees signals from inside the kernel (vhost, AIO, io_uring, ioeventfd) and "
			"MSIs before a quarantine, but cannot stop them"
		};
	if (!version_matches())
		return (struct lack){
			"the module " MODULE " does not have the version " IRQGATE_HOOK_VERSION,
			"install the module that came with this irqgate and load it"
		};
	return (struct lack){};
}

bool inline_armed(void)
{
	char value[8];

	return !read_line(ARMED, value, sizeof(value)) && value[0] == 'Y';
}

static int arm(bool on)
{
	int fd = open(ARMED, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int inline_attach(const struct pins *pins)
{
	static const struct irqgate_counters none = {};
	static const struct irqgate_vector_key no_vector = {};
	struct lack lack = inline_lack();
	const char *lacking;
	__u32 mode;
	int err;

	if (lack.why)
		return fail(-EOPNOTSUPP, "no inline gate: %s; %s", lack.why, lack.remedy);
	/* A program in interrupt context cannot make this row. */
	bpf_map_update_elem(pins->stats, &no_vector, &none, BPF_NOEXIST);
	err = hooks_load(STAGE_INLINE, false);
	lacking = err == -EOPNOTSUPP ? hooks_lack(STAGE_INLINE) : NULL;
	if (lacking)
		msg("no inline gate: %s", lacking);
	if (err)
		return err;
	err = arm(true);
	if (err) {
		hooks_unload(STAGE_INLINE);
		return fail(err, ARMED ": %s", strerror(-err));
	}
	mode = may_be_direct() ? IRQGATE_INLINE_BESIDE : IRQGATE_INLINE_ALONE;
	__atomic_store_n(&pins->state->inline_gate, mode, __ATOMIC_SEQ_CST);
	return 0;
}

/*
 * Wait until the interrupts that the gate decided have also passed the observing hooks, which
 * run with interrupts off.
 */
static void wait_for_handlers(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) /* fails with nohz_full */
		usleep(20000);
}

int inline_detach(struct pins *pins)
{
	int failed;

	if (!pins->state->inline_gate)
		return 0;
	__atomic_store_n(&pins->state->inline_gate, IRQGATE_INLINE_BESIDE, __ATOMIC_SEQ_CST);
	failed = bindings_enforce(pins);
	__atomic_store_n(&pins->state->inline_gate, IRQGATE_INLINE_IDLE, __ATOMIC_SEQ_CST);
	wait_for_handlers();
	__atomic_store_n(&pins->state->inline_gate, IRQGATE_INLINE_OFF, __ATOMIC_SEQ_CST);
	arm(false); /* fails if the module is gone; then there is nothing to disarm */
	hooks_unload(STAGE_INLINE);
	return failed;
}

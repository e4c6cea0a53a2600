// SPDX-License-Identifier: GPL-2.0-only
/*
 * matrix.PATH.MODE.STATE: every path of an interrupt, for a source that is authorized, one
 * without a row, one of a wrong context, and one whose authorization ends while it runs; in
 * enforce mode, in audit mode and under the inline gate. A cell reads first whether the interrupt
 * arrived at the far end. Then it compares irqgate's counters, exactly, and its events.
 *
 * All paths of a mode and a state share a policy, a loader and the cast: the same processes.
 * Each path has its own eventfd, vector or pin there.
 */
#include "matrix.h"

#include <irqgate/table.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"
#define ARRIVE_MS 2000
#define ABSENT_MS 60

const char *const mode_names[] = { "enforce", "audit", "inline" };
const char *const state_names[] = { "authorized", "unauthorized", "wrong_context", "revoked" };

#define IN(state) (1U << (state))
#define BAD (IN(UNAUTHORIZED) | IN(WRONG) | IN(REVOKED))

struct path {
	const char *name;
	const char *what; /* in docs/paths.md */
	void (*prepare)(void);
	void (*fire)(void);
	long (*arrived)(unsigned int ms); /* 1 or 0 */
	const struct device *device; /* whose vector is counted */
	unsigned int vector; /* of the device, or 0 */
	bool spread; /* another row may count it, too */
	unsigned int how; /* an argument for the functions */
	unsigned int leaks; /* states in which irqgate cannot stop it */
	const char *why; /* it cannot */
	bool (*here)(void); /* NULL: on every kernel and machine */
};

struct cell {
	const struct path *path;
	enum mode mode;
	enum state state;
};

/* ---- policy and cast ------------------------------------------------------ */

/* Sources of the policy: those of red always, those of blue and iron until revoke_all(). */
#define OF_RED                                                                                     \
	"  - { handle: \"soft:other\", match: { cgroup: /t/other }, context: red }\n"              \
	"  - { handle: \"soft:other-own\", match: { cgroup: /t/iron/other }, context: red }\n"
#define OF_BLUE                                                                                    \
	"  - { handle: \"soft:friend\", match: { cgroup: /t/friend }, context: blue }\n"           \
	"  - { handle: \"soft:own\", match: { cgroup: /t/iron/own }, context: iron }\n"

/* The cgroups of processes in each state. */
static const struct {
	const char *signaller;
	const char *holder; /* of a device of blue's */
	const char *vmm; /* of the strict context */
} who[] = {
	[AUTHORIZED] = { "t/friend", "t/blue", "t/iron/own" },
	[UNAUTHORIZED] = { "t/nobody", "t/nobody", "t/iron/none" },
	[WRONG] = { "t/other", "t/red", "t/iron/other" },
	[REVOKED] = { "t/friend", "t/blue", "t/iron/own" },
};

size_t host_rows(char *text, size_t len)
{
	const struct device *const others[] = { &edu, &edu2, &nic, &igb };
	struct dirent *d;
	char path[300];
	size_t at = 0, i;
	DIR *dir;

	dir = opendir(PCI_DEVICES);
	while (dir && (d = readdir(dir))) {
		for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (!strcmp(d->d_name, others[i]->bdf))
				break;
		snprintf(path, sizeof(path), PCI_DEVICES "/%s/msi_irqs", d->d_name);
		if (i < sizeof(others) / sizeof(others[0]) || access(path, F_OK))
			continue;
		at += (size_t)snprintf(text + at, len - at,
				       "  - { handle: \"pci:%s\", context: host, vectors: all }\n",
				       d->d_name);
	}
	if (dir)
		closedir(dir);
	return at;
}

/* The igb is blue's in all states. Another process holds it, too, and its context varies. */
static char *policy(enum mode mode, enum state state, bool sources)
{
	static char text[4096];
	const char *context = state == WRONG ? "red" : "blue";
	size_t at;

	at = (size_t)snprintf(text, sizeof(text), "%s" MATRIX_CONTEXTS MATRIX_DEFAULTS "devices:\n",
			      mode == AUDITED ? AUDIT : ENFORCE);
	at += host_rows(text + at, sizeof(text) - at);
	if (igb.vectors)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ROW, igb.handle, "blue", "all",
				       "deny");
	if (state == UNAUTHORIZED)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ROW, nic.handle, "blue", "[4]",
				       "drop");
	else
		at += (size_t)snprintf(text + at, sizeof(text) - at, ROW ROW ROW, nic.handle,
				       context, "all", "deny", edu.handle, context, "all", "deny",
				       edu2.handle, context, "all", "deny");
	snprintf(text + at, sizeof(text) - at, "sources:\n" OF_RED "%s", sources ? OF_BLUE : "");
	return text;
}

static struct {
	bool there;
	enum mode mode;
	enum state state;
	pid_t loader;
	struct worker *victim; /* VMM of blue, whose eventfds others hold */
	struct worker *signaller; /* inherited them, and has a VM */
	struct worker *stranger; /* received them, and has no VM */
	struct worker *card, *chip, *pin; /* VMMs of blue with the nic, edu, edu2 */
	struct worker *owner, *holder; /* of the igb: VMM of blue, and its heir */
	struct worker *receiver; /* of the igb: the owner sent it the device */
	struct worker *vmm; /* of the strict context */
} cast;

/* The cell that runs: what it did and expects. */
static struct {
	const struct path *path;
	enum mode mode;
	enum state state;
	bool bad; /* its interrupts ought not to arrive */
	bool enforced;
	const char *level; /* the level that stopped it */
	long culprit; /* the process for which the kernel signalled */
	struct counts want;
} now;

#define SIGNAL_VECTORS 48

static struct worker *the_victim(void)
{
	if (!cast.victim) {
		cast.victim = worker_new("t/blue");
		must(cast.victim, W_VM, SIGNAL_VECTORS, 0, 0);
		must(cast.victim, W_EVENTFDS, SIGNAL_VECTORS, 0, 0);
	}
	return cast.victim;
}

static struct worker *the_signaller(void)
{
	if (!cast.signaller) {
		cast.signaller = heir_of(the_victim(), who[cast.state].signaller, W_ALL);
		must(cast.signaller, W_GUEST, 0, 0, 0);
	}
	return cast.signaller;
}

static struct worker *the_stranger(void)
{
	if (!cast.stranger) {
		cast.stranger = worker_new(who[cast.state].signaller);
		make_peers(the_victim(), cast.stranger);
	}
	return cast.stranger;
}

/* A VMM of blue with a device, whose vectors are enabled but not connected yet. */
static struct worker *with_device(const struct device *d, unsigned int eventfds)
{
	struct worker *w = worker_new("t/blue");
	long n = ask_text(w, W_OPEN, d->bdf);

	expect(n >= d->vectors, "cannot open %s: %s", d->bdf, rig_errname((int)n));
	must(w, W_VFIO, 0, d->vectors, 0); /* connects nothing: there are no eventfds yet */
	must(w, W_VM, d->vectors, 0, 0);
	must(w, W_EVENTFDS, eventfds, 0, 0);
	return w;
}

static struct worker *the_card(void)
{
	if (!cast.card)
		cast.card = with_device(&nic, nic.vectors);
	return cast.card;
}

static struct worker *the_chip(void)
{
	if (!cast.chip)
		cast.chip = with_device(&edu, edu.vectors);
	return cast.chip;
}

/* The eventfds after those of the vectors are for VFIO's notifications. */
static struct worker *the_owner(void)
{
	if (!cast.owner)
		cast.owner = with_device(&igb, igb.vectors + 4);
	return cast.owner;
}

static struct worker *the_holder(void)
{
	if (!cast.holder)
		cast.holder = heir_of(the_owner(), who[cast.state].holder, W_ALL);
	return cast.holder;
}

static struct worker *the_receiver(void)
{
	if (!cast.receiver) {
		cast.receiver = worker_new(who[cast.state].holder);
		make_peers(the_owner(), cast.receiver);
	}
	return cast.receiver;
}

/* The device has no MSI enabled, so it uses its INTx line. */
static struct worker *the_pin(void)
{
	long n;

	if (cast.pin)
		return cast.pin;
	cast.pin = worker_new("t/blue");
	n = ask_text(cast.pin, W_OPEN, edu2.bdf);
	expect(n >= 0, "cannot open %s: %s", edu2.bdf, rig_errname((int)n));
	must(cast.pin, W_GUEST, 0, 0, 0);
	must(cast.pin, W_EVENTFDS, 2, 0, 0);
	return cast.pin;
}

static struct worker *the_vmm(void)
{
	if (!cast.vmm) {
		cast.vmm = worker_new(who[cast.state].vmm);
		must(cast.vmm, W_INJECTIONS, 0, 0, 0);
	}
	return cast.vmm;
}

/* ---- the steps of a cell --------------------------------------------------- */

/*
 * A step that a gate may refuse. @level is the name of the gate. @injects: the step itself is an
 * interrupt. False: the gate refused.
 */
static bool tried(long ret, const char *level, bool injects)
{
	if (ret == -EACCES) {
		now.level = level;
		now.want.denied++;
		return false;
	}
	expect(ret >= 0, "%s: %s", now.path->name, rig_errname((int)ret));
	if (now.bad && !now.enforced) {
		if (injects)
			now.want.would_drop++;
		else
			now.want.audited++;
	}
	return true;
}

/* The device raised one interrupt. @registered: it is authorized in every state. */
static void raised(bool registered)
{
	if (!now.bad || registered) {
		now.want.passed++;
	} else if (now.enforced) {
		now.want.dropped++;
		/* A dropped INTx would leave its line masked, so INTx is quarantined as well. */
		now.level = now.mode == INLINE && now.path->device != &edu2 ? "inline gate"
									    : "quarantine";
	} else {
		now.want.would_drop++;
	}
}

/* The kernel signalled for @w. Only the module can stop that. */
static void signalled(const struct worker *w)
{
	now.culprit = w->pid;
	if (now.bad && now.mode == INLINE) {
		now.want.dropped++;
		now.level = "inline gate";
	} else if (now.bad && now.enforced)
		now.want.leaked++;
	else if (now.bad)
		now.want.would_drop++;
}

static unsigned int own_vector(void);

/* ---- device vectors -------------------------------------------------------- */

static void bind_vector(struct worker *w, bool irqfd)
{
	unsigned int v = now.path->vector;

	if (irqfd)
		must(w, W_IRQFD, v, 1, 0);
	tried(ask(w, W_VFIO, v, 1, 0), "bind gate", false);
}

static void prepare_msix(void)
{
	bind_vector(the_card(), true);
}

static void raise_msix(void)
{
	must(the_card(), W_RAISE, now.path->vector, 1, 1);
	raised(false);
}

static long msix_arrived(unsigned int ms)
{
	return ask(the_card(), W_SEEN, now.path->vector, ms, 0);
}

static void prepare_reader(void)
{
	bind_vector(the_card(), false);
}

static long reader_got(unsigned int ms)
{
	return ask(the_card(), W_COUNT, now.path->vector, ms, 0);
}

static void prepare_msi(void)
{
	bind_vector(the_chip(), true);
}

static void raise_msi(void)
{
	must(the_chip(), W_RAISE, 0, 1, 1);
	raised(false);
}

static long msi_arrived(unsigned int ms)
{
	return ask(the_chip(), W_SEEN, 0, ms, 0);
}

/* ---- another holder of a device --------------------------------------------- */

static bool have_igb(void)
{
	return igb.vectors;
}

static void prepare_direct(void)
{
	must(the_owner(), W_IRQFD, now.path->vector, 1, 0);
	must(the_owner(), W_VFIO, now.path->vector, 1, 0);
	the_holder();
}

static void inject_direct(void)
{
	tried(ask(the_holder(), now.path->how, now.path->vector, 0, 0), "injection gate", true);
}

static long owner_arrived(unsigned int ms)
{
	return ask(the_owner(), W_SEEN, now.path->vector, ms, 0);
}

/* A holder reads, and so steals, the count of a user-space driver's eventfd. */
static long stolen;

static void prepare_read(void)
{
	must(the_owner(), W_VFIO, now.path->vector, 1, 0);
	the_holder();
}

static void steal(void)
{
	must(the_owner(), W_RAISE, now.path->vector, 1, 1);
	raised(now.state != REVOKED);
	nap(20);
	stolen = ask(the_holder(), W_READ, now.path->vector, now.path->how, 0);
	tried(stolen, "injection gate", false);
}

static long was_stolen(unsigned int ms)
{
	long left = ask(the_owner(), W_COUNT, now.path->vector, 0, 0);

	(void)ms;
	if (stolen < 0)
		stolen = 0;
	expect_is(left, now.want.passed - stolen, "count left to the owner");
	return stolen;
}

static void prepare_received_device(void)
{
	struct worker *receiver = the_receiver();

	must(the_owner(), W_IRQFD, now.path->vector, 1, 0);
	must(the_owner(), W_VFIO, now.path->vector, 1, 0);
	must(the_owner(), W_SEND, 0, 1, 0);
	tried(ask(receiver, W_RECEIVE, 0, 1, VFIO_PCI_MSIX_IRQ_INDEX) ? 0 : -EACCES,
	      "possession gate", false);
}

static void inject_received(void)
{
	tried(ask(the_receiver(), W_NONE, now.path->vector, 0, 0), "injection gate", true);
}

/* ---- interrupts of a function beside MSI --------------------------------------- */

/* The number of the owner's eventfd for this notification. */
static unsigned int notification(void)
{
	return igb.vectors + (now.path->how == VFIO_PCI_ERR_IRQ_INDEX   ? 0
			      : now.path->how == VFIO_PCI_REQ_IRQ_INDEX ? 1
									: 2);
}

static void prepare_index(void)
{
	tried(ask(the_holder(), W_INDEX, notification(), now.path->how,
		  VFIO_IRQ_SET_ACTION_TRIGGER),
	      "bind gate", false);
}

static void fire_index(void)
{
	long ret = ask(the_owner(), W_INDEX_NONE, 0, now.path->how, 0);

	if (now.state == REVOKED)
		tried(ret, "injection gate", true);
	else
		expect_is(ret, 0, "the owner's DATA_NONE");
}

static long notified(unsigned int ms)
{
	return ask(the_holder(), W_COUNT, notification(), ms, 0);
}

static void prepare_wakeup(void)
{
	the_holder();
}

static void sleep_and_wake(void)
{
	if (tried(ask(the_holder(), W_SLEEP, notification(), 0, 0), "bind gate", false))
		must(the_owner(), W_TOUCH, 0, 0, 0);
}

#define INTX_PIN 16

static void prepare_intx(void)
{
	struct worker *w = the_pin();

	if (!tried(ask(w, W_INDEX, 0, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER),
		   "bind gate", false) ||
	    !tried(ask(w, W_INDEX, 1, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK),
		   "bind gate", false))
		return;
	tried(ask(w, W_IRQFD_INTX, 0, 1, INTX_PIN), "bind gate", false);
}

static void raise_intx(void)
{
	must(the_pin(), W_INTX, 1, 0, 0);
	raised(false);
}

/* The guest takes the interrupt, and its EOI unmasks the line for the next. */
static long intx_taken(unsigned int ms)
{
	return ask(the_pin(), W_INTX_TAKEN, 0, ms, 0);
}

/* ---- signals to an eventfd of a VM ------------------------------------------- */

static void prepare_irqfd(void)
{
	must(the_victim(), W_IRQFD, own_vector(), 1, 0);
	the_signaller();
}

static void signal_irqfd(void)
{
	tried(ask(the_signaller(), W_SIGNAL, own_vector(), now.path->how, 0), "injection gate",
	      true);
}

static long victim_got(unsigned int ms)
{
	return ask(the_victim(), W_SEEN, own_vector(), ms, 0);
}

/* ---- kernel-side signallers ------------------------------------------------- */

/* A process gets the eventfd, and gives it to the kernel where no hook sees that. */
static void prepare_inherited(void)
{
	prepare_irqfd();
	must(the_signaller(), W_GIVE, own_vector(), now.path->how, 0);
}

static void prepare_received(void)
{
	unsigned int v = own_vector();
	struct worker *stranger = the_stranger();

	must(the_victim(), W_IRQFD, v, 1, 0);
	must(the_victim(), W_SEND, v, 0, 0);
	if (tried(ask(stranger, W_RECEIVE, v, 0, 0) ? 0 : -EACCES, "possession gate", false))
		must(stranger, W_GIVE, v, now.path->how, 0);
}

static void have_signalled(struct worker *w)
{
	must(w, W_HAVE_SIGNALLED, own_vector(), now.path->how, 0);
	signalled(w);
}

static void signaller_has_signalled(void)
{
	have_signalled(the_signaller());
}

static void stranger_has_signalled(void)
{
	have_signalled(the_stranger());
}

/* A gate sees that the process gives it to the kernel. The VM listens before, or after. */
static void prepare_given(void)
{
	prepare_irqfd();
	tried(ask(the_signaller(), W_GIVE, own_vector(), now.path->how, 0), "bind gate", false);
}

static void listen_last(void)
{
	tried(ask(the_victim(), W_IRQFD, own_vector(), 1, 0), "bind gate", false);
}

static void prepare_given_early(void)
{
	must(the_signaller(), W_GIVE, own_vector(), now.path->how, 0);
	listen_last();
}

/* The same by a guest, whose I/O or EOI signals. */
static void prepare_guest(void)
{
	prepare_irqfd();
	tried(ask(the_signaller(), now.path->how, own_vector(), 0, 0), "bind gate", false);
}

static void prepare_guest_early(void)
{
	must(the_signaller(), now.path->how, own_vector(), 0, 0);
	listen_last();
}

static void guest_signals(void)
{
	must(the_signaller(), now.path->how == W_RESAMPLE ? W_GUEST_EOI : W_GUEST_OUT, own_vector(),
	     0, 0);
	signalled(the_signaller());
}

/* A count from before KVM_IRQFD is attributed to the process that gave the kernel the eventfd. */
static void prepare_charged(void)
{
	must(the_signaller(), W_GIVE, own_vector(), TAKER_VHOST_CALL, 0);
}

static void listen_charged(void)
{
	unsigned int v = own_vector();

	if (now.state == REVOKED && now.bad)
		must(the_victim(), W_IRQFD_OFF, v, 0, 0);
	must(the_signaller(), W_SIGNAL, v, BY_CALL, 0);
	tried(ask(the_victim(), W_IRQFD, v, 1, 0), "bind gate", true);
}

/* ---- a VMM into its own VM, in a strict context ------------------------------- */

static void prepare_injection(void)
{
	the_vmm();
}

/* The step sets a state, and irqgate does not know whether an interrupt is in it. */
static bool sets_state(void)
{
	switch ((enum injection)now.path->how) {
	case INJECT_SET_LAPIC:
	case INJECT_SET_VCPU_EVENTS:
	case INJECT_SET_IRQCHIP:
	case INJECT_SET_PIT2:
	case INJECT_SELF_IPI:
	case INJECT_ICR:
	case INJECT_SET_SREGS:
		return true;
	default:
		return false;
	}
}

static void inject(void)
{
	tried(ask(the_vmm(), W_INJECT, now.path->how, 0, 0), "injection gate", !sets_state());
}

static long injected(unsigned int ms)
{
	long arrived = ask(the_vmm(), W_INJECTED, now.path->how, ms, 0);

	/* The worker set a state to clear the interrupt, which counts. */
	if (arrived == 1 && now.bad && !now.enforced)
		now.want.audited++;
	return arrived;
}

static bool have_xen(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int can = kvm < 0 ? 0 : ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);

	close(kvm);
	return can > 0 && (can & KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
}

/* ---- the table ---------------------------------------------------------------- */

#define DIRECT(name_, what_, vector_, op_)                                                         \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_direct, .fire = inject_direct,    \
		.arrived = owner_arrived, .device = &igb, .vector = vector_, .how = op_,           \
		.here = have_igb                                                                   \
	}
#define WRITE(name_, what_, means_)                                                                \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_irqfd, .fire = signal_irqfd,      \
		.arrived = victim_got, .how = means_                                               \
	}
#define READ(name_, what_, vector_, means_)                                                        \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_read, .fire = steal,              \
		.arrived = was_stolen, .device = &igb, .vector = vector_, .how = means_,           \
		.here = have_igb                                                                   \
	}
#define NOTICE(name_, what_, prepare_, fire_, index_)                                              \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_, .fire = fire_,                  \
		.arrived = notified, .device = &igb, .vector = IRQGATE_VECTOR_FUNCTION,            \
		.how = index_, .here = have_igb                                                    \
	}
#define TAKEN(name_, what_, prepare_, fire_, taker_, leaks_, why_)                                 \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_, .fire = fire_,                  \
		.arrived = victim_got, .how = taker_, .leaks = leaks_, .why = why_, .spread = true \
	}
#define WHY_KEPT                                                                                   \
	"the kernel keeps an eventfd that it got while that was authorized, and no hook can stop " \
	"its signal"
#define WHY_UNASKED                                                                                \
	"no hook sees the eventfd of a completion or can stop its signal, so a process that "      \
	"holds it may use it"
#define OWN_IF(name_, what_, injection_, here_)                                                    \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_injection, .fire = inject,        \
		.arrived = injected, .how = injection_, .here = here_                              \
	}
#define OWN(name_, what_, injection_) OWN_IF(name_, what_, injection_, NULL)

static const struct path paths[] = {
	{ .name = "device.msi",
	  .what = "device MSI -> VFIO -> eventfd -> irqfd",
	  .prepare = prepare_msi,
	  .fire = raise_msi,
	  .arrived = msi_arrived,
	  .device = &edu },
	{ .name = "device.msix",
	  .what = "device MSI-X -> VFIO -> eventfd -> irqfd",
	  .prepare = prepare_msix,
	  .fire = raise_msix,
	  .arrived = msix_arrived,
	  .device = &nic },
	{ .name = "device.reader",
	  .what = "device MSI-X -> VFIO -> eventfd -> user-space driver",
	  .prepare = prepare_reader,
	  .fire = raise_msix,
	  .arrived = reader_got,
	  .device = &nic,
	  .vector = 1 },
	DIRECT("set_irqs.none", "VFIO_DEVICE_SET_IRQS with DATA_NONE", 0, W_NONE),
	DIRECT("set_irqs.bool", "VFIO_DEVICE_SET_IRQS with DATA_BOOL", 1, W_BOOL),
	{ .name = "set_irqs.received",
	  .what = "the same with DATA_NONE, device by SCM_RIGHTS",
	  .prepare = prepare_received_device,
	  .fire = inject_received,
	  .arrived = owner_arrived,
	  .device = &igb,
	  .vector = 7,
	  .spread = true,
	  .here = have_igb },
	READ("read.read", "read(2) of a user-space driver's eventfd", 2, BY_CALL),
	READ("read.readv", "readv(2) of it", 3, BY_VECTOR),
	READ("read.io_uring", "io_uring read of it", 4, BY_URING),
	READ("read.io_uring_file", "io_uring read of it as registered file", 5, BY_URING_FILE),
	READ("read.io_uring_buffer", "io_uring read of it into a registered buffer", 6,
	     BY_URING_BUFFER),
	{ .name = "intx",
	  .what = "device INTx -> VFIO -> resampling irqfd, unmask eventfd",
	  .prepare = prepare_intx,
	  .fire = raise_intx,
	  .arrived = intx_taken,
	  .device = &edu2,
	  .vector = IRQGATE_VECTOR_FUNCTION },
	NOTICE("vfio.err", "VFIO's ERR index", prepare_index, fire_index, VFIO_PCI_ERR_IRQ_INDEX),
	NOTICE("vfio.req", "VFIO's REQ index", prepare_index, fire_index, VFIO_PCI_REQ_IRQ_INDEX),
	NOTICE("vfio.wakeup", "wake-up from low power (VFIO_DEVICE_FEATURE)", prepare_wakeup,
	       sleep_and_wake, 0),
	WRITE("write.write", "write(2) to the eventfd of an irqfd", BY_CALL),
	WRITE("write.writev", "writev(2) to it", BY_VECTOR),
	WRITE("write.io_uring", "io_uring write to it", BY_URING),
	WRITE("write.io_uring_file", "io_uring write to it as registered file", BY_URING_FILE),
	WRITE("write.io_uring_buffer", "io_uring write to it from a registered buffer",
	      BY_URING_BUFFER),
	{ .name = "charged",
	  .what = "eventfd that has a count when KVM_IRQFD is called",
	  .prepare = prepare_charged,
	  .fire = listen_charged,
	  .arrived = victim_got,
	  .spread = true },
	TAKEN("vhost_call.irqfd_first", "vhost worker -> call eventfd -> irqfd, KVM_IRQFD first",
	      prepare_given, signaller_has_signalled, TAKER_VHOST_CALL, IN(REVOKED), WHY_KEPT),
	TAKEN("vhost_call.vhost_first", "the same, VHOST_SET_VRING_CALL first", prepare_given_early,
	      signaller_has_signalled, TAKER_VHOST_CALL, IN(REVOKED), WHY_KEPT),
	TAKEN("vhost_err.irqfd_first", "vhost worker -> error eventfd -> irqfd, KVM_IRQFD first",
	      prepare_given, signaller_has_signalled, TAKER_VHOST_ERR, IN(REVOKED), WHY_KEPT),
	TAKEN("vhost_err.vhost_first", "the same, VHOST_SET_VRING_ERR first", prepare_given_early,
	      signaller_has_signalled, TAKER_VHOST_ERR, IN(REVOKED), WHY_KEPT),
	TAKEN("aio.received", "AIO completion (IOCB_FLAG_RESFD), eventfd by SCM_RIGHTS",
	      prepare_received, stranger_has_signalled, TAKER_AIO, IN(REVOKED), WHY_UNASKED),
	TAKEN("aio.inherited", "the same, eventfd inherited", prepare_inherited,
	      signaller_has_signalled, TAKER_AIO, BAD, WHY_UNASKED),
	TAKEN("io_uring.received", "eventfd registered with io_uring, by SCM_RIGHTS",
	      prepare_received, stranger_has_signalled, TAKER_URING, IN(REVOKED), WHY_UNASKED),
	TAKEN("io_uring.inherited", "the same, eventfd inherited", prepare_inherited,
	      signaller_has_signalled, TAKER_URING, BAD, WHY_UNASKED),
	TAKEN("ioeventfd.irqfd_first",
	      "guest's I/O -> ioeventfd -> irqfd of another VM, KVM_IRQFD first", prepare_guest,
	      guest_signals, W_IOEVENTFD, IN(REVOKED), WHY_KEPT),
	TAKEN("ioeventfd.ioeventfd_first", "the same, KVM_IOEVENTFD first", prepare_guest_early,
	      guest_signals, W_IOEVENTFD, IN(REVOKED), WHY_KEPT),
	TAKEN("resample.irqfd_first",
	      "guest's EOI -> resamplefd -> irqfd of another VM, the latter first", prepare_guest,
	      guest_signals, W_RESAMPLE, IN(REVOKED), WHY_KEPT),
	TAKEN("resample.resample_first", "the same, the resamplefd first", prepare_guest_early,
	      guest_signals, W_RESAMPLE, IN(REVOKED), WHY_KEPT),
	OWN("own.signal_msi", "KVM_SIGNAL_MSI by the VMM of a strict context", INJECT_SIGNAL_MSI),
	OWN("own.irq_line", "KVM_IRQ_LINE by it", INJECT_IRQ_LINE),
	OWN("own.interrupt", "KVM_INTERRUPT by it", INJECT_INTERRUPT),
	OWN("own.nmi", "KVM_NMI by it", INJECT_NMI),
	OWN("own.smi", "KVM_SMI by it", INJECT_SMI),
	OWN("own.set_lapic", "KVM_SET_LAPIC with a pending vector by it", INJECT_SET_LAPIC),
	OWN("own.set_vcpu_events", "KVM_SET_VCPU_EVENTS with a pending NMI by it",
	    INJECT_SET_VCPU_EVENTS),
	OWN("own.set_irqchip", "KVM_SET_IRQCHIP with a pending pin by it", INJECT_SET_IRQCHIP),
	OWN("own.set_pit2", "KVM_SET_PIT2 with a running timer by it", INJECT_SET_PIT2),
	OWN("own.set_mce", "KVM_X86_SET_MCE by it", INJECT_SET_MCE),
	OWN("own.self_ipi", "KVM_SET_MSRS of the x2APIC self-IPI register by it", INJECT_SELF_IPI),
	OWN("own.icr", "KVM_SET_MSRS of the x2APIC interrupt command register by it", INJECT_ICR),
	OWN("own.set_sregs", "KVM_SET_SREGS with an interrupt in its bitmap by it",
	    INJECT_SET_SREGS),
	OWN_IF("own.xen", "KVM_XEN_HVM_EVTCHN_SEND by it", INJECT_XEN, have_xen),
};

#define PATHS (sizeof(paths) / sizeof(paths[0]))

/* A path without a device has a vector of the victim's VM. */
static unsigned int own_vector(void)
{
	return (unsigned int)(now.path - paths);
}

/* ---- running a cell ------------------------------------------------------------ */

#define CELLS (PATHS * (MODES + 1) * STATES)

static struct cell cells[CELLS];
static struct test tests[CELLS];
static char not_prepared[PATHS][256]; /* revoked state: why a path did not run before */

static void begin(const struct path *path)
{
	now.path = path;
	now.mode = cast.mode;
	now.state = cast.state;
	now.bad = cast.state == UNAUTHORIZED || cast.state == WRONG;
	now.enforced = cast.mode != AUDITED;
	now.level = NULL;
	now.want = (struct counts){};
}

/* Prepares a path that is revoked later: it is authorized, and its interrupt arrives. */
static void prepare_running(const void *path)
{
	begin(path);
	now.path->prepare();
	now.path->fire();
	expect(!now.level, "stopped by the %s while authorized", now.level);
	expect_is(now.path->arrived(ARRIVE_MS), 1, "arrival while authorized");
}

static void revoke_all(enum mode mode)
{
	const struct device *const devices[] = { &edu, &edu2, &nic, &igb };
	size_t i;

	loader_reload("%s", policy(mode, REVOKED, false));
	for (i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (devices[i]->vectors)
			verb(0, "revoke", devices[i]->handle, "all", NULL);
}

/* Is the path tested in this mode? Under the inline gate, only paths that reach the module are. */
static bool tested(const struct path *path, enum mode mode)
{
	return (!path->here || path->here()) &&
	       (mode != INLINE || path->leaks || (path->device && path->fire != steal));
}

/* Sets up policy and cast of a mode and state, and for REVOKED the running paths. */
static void enter(enum mode mode, enum state state)
{
	size_t i;

	if (cast.there && cast.mode == mode && cast.state == state && cast.loader == loader_pid())
		return;
	if (!cast.there || cast.mode != mode)
		shared_end();
	workers_end();
	memset(&cast, 0, sizeof(cast));
	cast.mode = mode;
	cast.state = state;
	modprobe("-a", "vhost_vsock", NULL);
	hook_module(mode == INLINE);
	revocations_forget();
	loader_with("%s", policy(mode, state, true));
	cast.loader = loader_pid();
	cast.there = true;
	if (state == REVOKED) {
		for (i = 0; i < PATHS; i++) {
			not_prepared[i][0] = '\0';
			if (tested(&paths[i], mode))
				test_try(prepare_running, &paths[i], not_prepared[i],
					 sizeof(not_prepared[i]));
		}
		revoke_all(mode);
	}
	mark();
}

/* irqgate sends an event for the first eight counts of a row, then at powers of two. */
static bool is_due(long count)
{
	return count <= 8 || !(count & (count - 1));
}

static void expect_event(const struct counts *total)
{
	const struct device *d = now.path->device;
	const struct counts *want = &now.want;
	const char *verdict, *level = "none";
	struct json_object *event;
	char gate[32];
	long count;

	if (want->leaked)
		verdict = "leak", count = total->leaked;
	else if (want->denied)
		verdict = "deny", count = total->denied;
	else if (want->dropped)
		verdict = "drop", count = total->dropped;
	else if (want->would_drop)
		verdict = "audit", count = total->would_drop;
	else if (want->audited)
		verdict = "audit", count = total->audited;
	else
		return;
	if (!is_due(count))
		return;
	if (!want->leaked && now.level) {
		snprintf(gate, sizeof(gate), "%s", now.level);
		gate[strcspn(gate, " ")] = '\0';
		level = gate;
	}
	event = event_wait(verdict, NULL, level, d ? d->handle : NULL, now.path->vector);
	expect(event, "no event '%s' at level '%s' for count %ld", verdict, level, count);
	if (want->leaked)
		expect(atol(field(event, "pid")) == now.culprit,
		       "the event of the leak says pid %s, not %ld", field(event, "pid"),
		       now.culprit);
	json_object_put(event);
}

static void expect_step(void)
{
	const struct device *d = now.path->device;
	struct counts_step step = counts_step(d ? d->handle : "-", now.path->vector);
	bool one_row = !memcmp(&step.row, &now.want, sizeof(now.want));
	char got[128], want[128];

	if (memcmp(&step.all, &now.want, sizeof(now.want)))
		test_fail("counted %s, expected %s", counts_text(&step.all, got),
			  counts_text(&now.want, want));
	expect(one_row || now.path->spread, "%s vector %u counted %s, expected %s",
	       d ? d->handle : "-", now.path->vector, counts_text(&step.row, got),
	       counts_text(&now.want, want));
	if (one_row)
		expect_event(&step.now);
}

static void run_cell(void)
{
	const struct cell *c = &cells[test_current - tests];
	const struct path *p = c->path;
	bool arrives, leaks;
	long n;

	enter(c->mode, c->state);
	begin(p);
	mark_events();
	if (c->state == REVOKED) {
		expect(!not_prepared[p - paths][0], "%s", not_prepared[p - paths]);
		now.bad = true;
		/* An operator's order to revoke a device's vector holds in audit mode, too. */
		now.enforced |= !!p->device;
	} else {
		p->prepare();
	}
	leaks = now.bad && c->mode != INLINE && p->leaks & IN(c->state);
	arrives = !now.bad || !now.enforced || leaks;
	if (!now.level)
		p->fire();
	n = p->arrived(arrives ? ARRIVE_MS : ABSENT_MS);
	expect(n >= 0, "reading the far end: %s", rig_errname((int)n));
	expect(n == arrives, arrives ? "%ld arrived, expected 1" : "%ld arrived, expected 0", n);
	expect_step();
	if (c->mode == ENFORCED && now.bad)
		printf("matrix\t%s\t%s\t%s\t%s\t%s\n", p->name, p->what, state_names[c->state],
		       leaks ? "leak" : now.level, leaks ? p->why : "");
}

struct test_set matrix_tests(void)
{
	static char names[CELLS][64];
	size_t n = 0, i;
	int mode, state;

	for (mode = 0; mode <= INLINE; mode++) {
		for (state = 0; state < STATES; state++) {
			for (i = 0; i < PATHS; i++) {
				/* The module does not tell unauthorized and wrong context apart. */
				if (!tested(&paths[i], mode) || (mode == INLINE && state == WRONG))
					continue;
				cells[n] = (struct cell){ &paths[i], mode, state };
				snprintf(names[n], sizeof(names[n]), "matrix.%s.%s.%s",
					 paths[i].name, mode_names[mode], state_names[state]);
				tests[n] = (struct test){ names[n], run_cell };
				n++;
			}
		}
	}
	return (struct test_set){ .tests = tests, .count = n, .shared = true };
}

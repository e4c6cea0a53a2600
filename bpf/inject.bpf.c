// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injection time: every interrupt of a binding is judged and counted here.
 *
 * In the steady state an authorized MSI costs one hash look-up: vfio_msihandler finds its binding
 * by irq, with the cached verdict. The hooks further down the same call chain recognize the
 * eventfd by comparison.
 */
#include "access.bpf.h"
#include "hook.bpf.h"
#include "msi.bpf.h"

#define MAY_WRITE 2
#define MAY_READ 4
#define EFD_SEMAPHORE 1

/* Not in the fast path: judge the MSI, or count it for the binding that is being made. */
static __always_inline void judge_msi(__u32 irq, __u64 trigger)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);
	__u64 *pending;

	if (b && b->trigger == trigger) {
		msi_seen(b);
		let_pass(b, trigger);
		return;
	}
	/* Between request_irq and the hook that learns the binding. */
	pending = bpf_map_lookup_elem(&early, &irq);
	if (pending) {
		__sync_fetch_and_add(pending, 1);
	} else {
		struct irqgate_state *st = the_state();

		if (st)
			__sync_fetch_and_add(&st->unknown_msis, 1);
	}
}

/*
 * Did the inline gate, which runs before, judge and count it? Ignore a stale mark: a gate to
 * which these hooks had yielded may have left one when it was detached.
 */
static __always_inline bool gate_counted(struct irqgate_cpu *cpu, __u64 efd)
{
	struct irqgate_state *st;

	if (cpu->counted != efd)
		return false;
	cpu->counted = 0;
	st = the_state();
	return st && st->inline_gate;
}

HOOK(vfio_msi, "vfio_msihandler", int irq, __u64 trigger)
{
	struct irqgate_cpu *cpu = this_cpu();

	if (!cpu || gate_counted(cpu, trigger))
		return 0;
	cpu->msi = trigger;
	if (!passes(irq, trigger))
		judge_msi(irq, trigger);
	return 0;
}

/*
 * A signal from inside the kernel. vfio_msi already judged that of an MSI. Any other signal runs
 * under whatever task is current, so it is attributed to the process that made the kernel hold
 * the eventfd. If no process is known, the signaller is an unlisted source. Unless the inline
 * gate stopped the signal, it cannot be stopped here: it is a leak.
 */
HOOK(eventfd_signalled, "eventfd_signal_mask", __u64 efd)
{
	struct irqgate_ident *signaller;
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_state *st;
	struct irqgate_binding *b;
	struct irqgate_eventfd *e;
	struct attempt a = {};
	union decision r;

	if (!cpu)
		return 0;
	if (cpu->msi == efd) {
		cpu->msi = 0;
		return 0;
	}
	e = eventfd_entry(efd);
	st = the_state();
	if (!e || !st || gate_counted(cpu, efd) || irqgate_inline_decides(st))
		return 0;
	b = intx_of(e);
	if (b) {
		msi_seen(b);
		return 0;
	}
	signaller = signaller_of(e);
	if (binds_to(signaller, e))
		return 0; /* VFIO_DEVICE_SET_IRQS without eventfds: the gate judged it */
	r.raw = judge_signaller(as_number((void *)efd), signaller, &a);
	if (r.d.verdict > IRQGATE_VERDICT_ALLOW)
		account_signal(&a, r, signaller ? signaller->tgid : 0, false);
	return 0;
}

/*
 * The kernel takes a reference in order to signal: for VFIO, vhost, AIO, io_uring, a guest's I/O,
 * resampling and every other driver.
 */
static __always_inline int do_eventfd_taken(__u64 efd)
{
	if (eventfd_entry(efd) && !current_is_agent())
		note_signaller(efd, ident_current());
	return 0;
}

SEC("fexit/eventfd_ctx_fdget")
int BPF_PROG(eventfd_taken, int fd, struct eventfd_ctx *efd)
{
	return do_eventfd_taken(as_number(efd));
}

SEC("kretprobe.multi")
int BPF_KRETPROBE(eventfd_taken_kp, __u64 efd)
{
	return do_eventfd_taken(efd);
}

/*
 * Interrupts of host drivers. The descriptor names the device and the MSI index. The loader,
 * which can safely insert into the map, makes the entry when the first interrupt arrives; until
 * then the array `early` counts the interrupts.
 */
#if defined(__TARGET_ARCH_s390)
#define MSI_HANDLED "handle_percpu_irq" /* the flow handler of zPCI, floating or directed */
#else
#define MSI_HANDLED "handle_irq_event"
#endif

struct handled {
	__u64 handler;
	struct msi_desc *msi;
	__u32 irq;
};

static __always_inline int do_host_irq(struct handled *h)
{
	struct irqgate_irq_key key = { .irq = h->irq };
	struct irqgate_state *st = the_state();
	struct msi_desc *desc = h->msi;
	__u64 msi = (__u64)desc, handle, *pending;
	struct irqgate_binding *b;
	struct irqgate_event *ev;

	if (!st)
		return 0;
	if (h->handler == st->vfio_msihandler) {
		struct irqgate_cpu *cpu = st->inline_gate ? this_cpu() : NULL;

		if (cpu) {
			cpu->msi_desc = msi;
			cpu->irq = h->irq;
		}
		return 0;
	}
	if (passes(h->irq, msi))
		return 0;
	b = bpf_map_lookup_elem(&bindings, &key);
	/* If the irq was given to another device, the descriptor differs. */
	if (b && b->state == IRQGATE_BINDING_HOST && b->device == msi) {
		msi_seen(b);
		let_pass(b, msi);
		return 0;
	}
	pending = bpf_map_lookup_elem(&early, &key.irq);
	if (!pending || !count_due(counted(pending, 1)))
		return 0;
	handle = device_handle(BPF_CORE_READ(desc, dev));
	if (!handle)
		return 0;
	ev = event_new(IRQGATE_EVENT_HOST_IRQ);
	if (!ev)
		return 0;
	ev->irq = key.irq;
	ev->handle = handle;
	ev->device = msi;
	ev->vector = BPF_CORE_READ(desc, msi_index);
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

/* Runs on every interrupt of the machine, so it reads the trampoline's argument without calls. */
SEC("fentry/" MSI_HANDLED)
int BPF_PROG(host_irq, struct irq_desc *desc)
{
	struct handled h = { .msi = desc->irq_common_data.msi_desc };
	struct irqaction *action = desc->action;

	if (!h.msi || !action)
		return 0;
	h.handler = (__u64)action->handler;
	h.irq = desc->irq_data.irq;
	return do_host_irq(&h);
}

SEC("kprobe.multi")
int BPF_KPROBE(host_irq_kp, struct irq_desc *desc)
{
	struct irqaction *action = BPF_CORE_READ(desc, action);
	struct handled h = {
		.msi = BPF_CORE_READ(desc, irq_common_data.msi_desc),
		.irq = BPF_CORE_READ(desc, irq_data.irq),
		.handler = (__u64)BPF_CORE_READ(action, handler),
	};

	return h.msi && action ? do_host_irq(&h) : 0;
}

/*
 * A process that was allowed to write to or read an eventfd is not judged again until the epoch
 * moves. One writer at a time changes the cached allow, and with epoch 0 meanwhile, so that no
 * reader takes it for valid.
 */
static __always_inline bool is_current(struct irqgate_pass *p)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return p->tgid == t->tgid && p->exec == t->self_exec_id &&
	       p->start == t->group_leader->start_boottime;
}

static __always_inline bool may_again(struct irqgate_eventfd *e, __u64 epoch, bool writes)
{
	struct irqgate_pass *p = &e->pass;

	return *(volatile __u64 *)&p->epoch == epoch && (p->writes || !writes) && is_current(p) &&
	       *(volatile __u64 *)&p->epoch == epoch;
}

static __always_inline void remember(struct irqgate_eventfd *e, __u64 epoch, bool writes)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct irqgate_pass *p = &e->pass;

	if (__sync_val_compare_and_swap(&p->changing, 0, 1))
		return;
	__sync_lock_test_and_set(&p->epoch, 0);
	p->tgid = t->tgid;
	p->exec = t->self_exec_id;
	p->start = t->group_leader->start_boottime;
	p->writes = writes;
	__sync_lock_test_and_set(&p->epoch, epoch);
	__sync_lock_test_and_set(&p->changing, 0);
}

/*
 * An agent writes a swallowed interrupt for the device: once, and only if the binding is
 * unchanged since and authorized.
 */
static __noinline int gate_replay(__u64 efd, struct irqgate_agent *agent)
{
	struct irqgate_irq_key key = {};
	struct irqgate_binding *b;
	union decision r;

	if (!agent)
		return -EACCES;
	key.irq = agent->irq;
	b = bpf_map_lookup_elem(&bindings, &key);
	if (!b || b->state != IRQGATE_BINDING_BOUND || b->trigger != efd)
		return -EACCES;
	r.raw = decide_binding(b);
	if (r.d.verdict > IRQGATE_VERDICT_AUDIT || !__sync_val_compare_and_swap(&b->pending, 1, 0))
		return -EACCES;
	report_why(b, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_REPLAYED,
		   inline_alone() ? IRQGATE_LEVEL_INLINE : IRQGATE_LEVEL_QUARANTINE,
		   counted(&b->count.replayed, 1), 0);
	return 0;
}

/*
 * The injection gate: writes to and reads of an eventfd that carries interrupts. It runs on every
 * read and write of the system, so it leaves at the first comparison for all other files.
 */
static __noinline int judge_access(__u64 efd, bool writes)
{
	struct irqgate_state *st = the_state();
	struct irqgate_eventfd *e = eventfd_entry(efd);
	struct irqgate_ident *id;
	struct irqgate_agent *agent = current_agent();
	struct attempt a = {};
	union decision r;
	__u64 epoch;
	int error;

	if (!st || !e)
		return 0;
	if (writes && agent && agent->op == IRQGATE_AGENT_REPLAY)
		return refusal(gate_replay(efd, agent));
	/* Read the epoch first, as in decide_binding. */
	epoch = *(volatile __u64 *)&st->epoch;
	a.level = IRQGATE_LEVEL_INJECTION;
	a.injects = writes;
	id = ident_current();
	a.eventfd = efd;
	r.raw = id ? judge_signaller(efd, id, &a) : decide_untold();
	error = gate(&a, r.raw);
	if (error)
		return refusal(error);
	/* A read takes the whole pending count, except from a semaphore. */
	if (!writes && e->charged &&
	    !(BPF_CORE_READ((struct eventfd_ctx *)efd, flags) & EFD_SEMAPHORE))
		e->charged = 0;
	/* KVM will inject the count when a VM comes to listen. */
	if (writes && !listened_to(e))
		note_signaller(efd, ident_current());
	else if (r.d.verdict <= IRQGATE_VERDICT_ALLOW)
		remember(e, epoch, writes);
	return 0;
}

/* A read or write of a VFIO device is one of its registers, or its configuration space. */
static __noinline int gate_region(struct file *file, int mask)
{
	if (!(mask & (MAY_WRITE | MAY_READ)) || !governs_access())
		return 0;
	return refusal(gate_access(vfio_file_handle(file), IRQGATE_USES));
}

SEC("lsm/file_permission")
int BPF_PROG(gate_file_permission, struct file *file, int mask)
{
	__u64 fops = (__u64)file->f_op, vfio, efd;
	struct irqgate_eventfd *e;
	struct irqgate_state *st;

	if (fops != eventfd_fops_addr) {
		vfio = vfio_device_fops_addr;
		/* Without VFIO the address is 0, and the verifier removes the call. */
		return vfio && fops == vfio ? gate_region(file, mask) : 0;
	}
	if (!(mask & (MAY_WRITE | MAY_READ)))
		return 0;
	efd = (__u64)file->private_data;
	e = eventfd_entry(efd);
	st = the_state();
	if (!st)
		return 0;
	if (e)
		return !e->charged && may_again(e, st->epoch, mask & MAY_WRITE)
			       ? 0
			       : judge_access(as_number((void *)efd), mask & MAY_WRITE);
	/* The loader writes to its own eventfd to see that this hook runs. */
	if (mask & MAY_WRITE && st->loader_tgid == bpf_get_current_pid_tgid() >> 32 &&
	    st->loader_start == current_start() / IRQGATE_NSEC_PER_TICK)
		__sync_fetch_and_add(&st->sentinel, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inline gate: it answers the module's writable tracepoints (hook/), with interrupts off,
 * before the call that delivers an interrupt. Its rules are those of every other hook. Only the
 * reaction differs, because an interrupt can be stopped here.
 *
 * A drop happens before the hooks that observe the same function run. The gate tells these hooks
 * what it counted already, until they yield (hooks_yield() of user/loader/hooks.c). While another
 * build takes over, its programs come second and follow the verdict of the first: they count the
 * interrupt if their maps are others. If the gate cannot judge an interrupt, the verdict stays
 * undecided. The module drops the interrupt then, if the eventfd is known to be protected.
 */
#include "hook.bpf.h"
#include "msi.bpf.h"
#include <irqgate/hook.h>

/* Text of the VFIO modules. Their signals were judged when VFIO was told to make them. */
const volatile __u64 vfio_text[3][2] = {};

static __always_inline bool from_vfio(__u64 caller)
{
	return (caller >= vfio_text[0][0] && caller < vfio_text[0][1]) ||
	       (caller >= vfio_text[1][0] && caller < vfio_text[1][1]) ||
	       (caller >= vfio_text[2][0] && caller < vfio_text[2][1]);
}

/* An MSI of a known binding. */
static __always_inline __u32 gate_bound(struct irqgate_binding *b, struct irqgate_state *st)
{
	__u8 verdict = judge_fresh(b, st);

	if (verdict == IRQGATE_VERDICT_NONE)
		return IRQGATE_HOOK_UNDECIDED;
	if (verdict >= IRQGATE_VERDICT_DROP && b->state == IRQGATE_BINDING_BOUND) {
		account_dropped(b, 1);
		return IRQGATE_HOOK_DROP;
	}
	account(b, verdict, 1);
	return IRQGATE_HOOK_ALLOW;
}

/*
 * An MSI that comes between request_irq and the hook that learns the binding. Its descriptor
 * names the vector, and `binders` has the process that is binding. Without such a process the
 * vector has no known context.
 */
static __always_inline __u32 gate_early(__u32 irq, __u64 trigger, struct irqgate_cpu *cpu)
{
	struct msi_desc *msi = (void *)cpu->msi_desc;
	struct irqgate_device_key key = {};
	struct listening who = {};
	struct irqgate_ident *id;
	union decision r, seen;
	__u64 *pending;
	__u32 vector;

	if (!msi || cpu->irq != irq)
		return IRQGATE_HOOK_UNDECIDED; /* handled in a thread */
	key.handle = device_handle(BPF_CORE_READ(msi, dev));
	vector = BPF_CORE_READ(msi, msi_index);
	id = bpf_map_lookup_elem(&binders, &key);
	r.raw = decide_vector(key.handle, vector, ident_gd(id));
	seen.raw = decide_listeners(key.handle, vector, trigger, id, &who);
	if (seen.d.verdict > r.d.verdict)
		r = seen;
	if (r.d.verdict == IRQGATE_VERDICT_NONE)
		return IRQGATE_HOOK_UNDECIDED;
	pending = bpf_map_lookup_elem(&early_dropped, &irq);
	if (r.d.verdict < IRQGATE_VERDICT_DROP)
		pending = bpf_map_lookup_elem(&early, &irq);
	if (pending)
		__sync_fetch_and_add(pending, 1);
	return r.d.verdict < IRQGATE_VERDICT_DROP ? IRQGATE_HOOK_ALLOW : IRQGATE_HOOK_DROP;
}

/*
 * Read from the context at each use: up to 7.3 the verifier does not recognize such a pointer
 * after it was kept on the stack.
 */
static __always_inline struct irqgate_hook_call *the_call(struct bpf_raw_tracepoint_args *ctx)
{
	return (void *)*(volatile __u64 *)&ctx->args[0];
}

static __always_inline __u32 gate_msi(__u32 irq, __u64 trigger)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_state *st = the_state();
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_binding *b;
	__u32 verdict;

	if (!st || !cpu)
		return IRQGATE_HOOK_UNDECIDED;
	cpu->counted = 0;
	if (!irqgate_inline_decides(st))
		return IRQGATE_HOOK_PASS;
	if (passes(irq, trigger)) {
		verdict = IRQGATE_HOOK_ALLOW;
	} else {
		b = bpf_map_lookup_elem(&bindings, &key);
		if (b && b->trigger == trigger) {
			verdict = gate_bound(b, st);
			let_pass(b, trigger);
		} else {
			verdict = gate_early(irq, trigger, cpu);
		}
	}
	cpu->counted = trigger;
	if (verdict == IRQGATE_HOOK_ALLOW)
		cpu->gated = trigger;
	return verdict;
}

/* The program that this one is about to replace has decided: follow its verdict. */
static __always_inline void follow_msi(__u32 irq, __u64 trigger, __u32 verdict)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_state *st = the_state();
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_binding *b;
	__u8 judged;

	if (!st || !cpu || verdict == IRQGATE_HOOK_PASS || cpu->counted == trigger)
		return;
	cpu->counted = trigger;
	if (verdict == IRQGATE_HOOK_ALLOW)
		cpu->msi = trigger;
	b = bpf_map_lookup_elem(&bindings, &key);
	if (!b || b->trigger != trigger)
		return; /* the counters are still to be taken over */
	judged = judge_fresh(b, st);
	if (verdict == IRQGATE_HOOK_DROP)
		account_dropped(b, 1);
	else
		account(b, judged, 1);
}

SEC("raw_tracepoint.w/irqgate_msi_tp")
int inline_msi(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 trigger = the_call(ctx)->eventfd;
	__u32 verdict = the_call(ctx)->verdict;
	__u32 irq = the_call(ctx)->irq;

	if (verdict) {
		follow_msi(irq, trigger, verdict);
		return 0;
	}
	verdict = gate_msi(irq, trigger);
	the_call(ctx)->verdict = verdict;
	return 0;
}

/*
 * Signals of VFIO other than MSIs were judged when VFIO was told to make them. Only INTx may have
 * become unauthorized since. All other signals are attributed to the process that made the kernel
 * hold the eventfd.
 * @first: decision of the program that this one is about to replace, or 0
 */
static __always_inline __u32 gate_signal(__u64 efd, __u64 caller, __u32 first)
{
	struct irqgate_ident *signaller;
	struct irqgate_state *st = the_state();
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_binding *b;
	struct irqgate_eventfd *e;
	struct attempt a = {};
	union decision r;

	if (!st || !cpu)
		return IRQGATE_HOOK_UNDECIDED;
	if (first && cpu->counted == efd)
		return first;
	cpu->counted = 0;
	if (!first && cpu->gated == efd) {
		cpu->gated = 0;
		cpu->counted = efd;
		return IRQGATE_HOOK_ALLOW;
	}
	e = first || irqgate_inline_decides(st) ? eventfd_entry(efd) : NULL;
	if (!e)
		return IRQGATE_HOOK_PASS;
	cpu->counted = efd;
	if (from_vfio(caller)) {
		b = intx_of(e);
		return b ? gate_bound(b, st) : IRQGATE_HOOK_ALLOW;
	}
	signaller = signaller_of(e);
	r.raw = judge_signaller(as_number((void *)efd), signaller, &a);
	if (r.d.verdict > IRQGATE_VERDICT_ALLOW &&
	    account_signal(&a, r, signaller ? signaller->tgid : 0, true))
		return IRQGATE_HOOK_DROP;
	return IRQGATE_HOOK_ALLOW;
}

SEC("raw_tracepoint.w/irqgate_signal_tp")
int inline_signal(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 caller = the_call(ctx)->caller;
	__u64 efd = the_call(ctx)->eventfd;
	__u32 first = the_call(ctx)->verdict, verdict;

	/* The hook that observes counts a signal that the first program let pass. */
	if (first && first != IRQGATE_HOOK_DROP)
		return 0;
	verdict = gate_signal(efd, caller, first);
	if (!first)
		the_call(ctx)->verdict = verdict;
	return 0;
}

/*
 * Record the process that is about to change a vector. A quarantine is a change for the binder,
 * not for the agent.
 */
HOOK(vector_changing, "vfio_msi_set_vector_signal", __u64 vdev, __u64 vector)
{
	struct vfio_pci_core_device *dev = (void *)vdev;
	struct irqgate_device_key key = { .handle = pci_handle(BPF_CORE_READ(dev, pdev)) };
	struct irqgate_vector_key vkey = { .handle = key.handle, .vector = vector };
	struct irqgate_ident *binder = ident_current();
	struct irqgate_binding *b = NULL;
	struct irqgate_irq_key *irq;

	if (current_is_agent()) {
		irq = bpf_map_lookup_elem(&bound, &vkey);
		if (irq)
			b = bpf_map_lookup_elem(&bindings, irq);
		if (b)
			bpf_map_update_elem(&binders, &key, &b->binder, BPF_ANY);
	} else if (binder) {
		bpf_map_update_elem(&binders, &key, binder, BPF_ANY);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";

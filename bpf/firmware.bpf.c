// SPDX-License-Identifier: GPL-2.0-only
/*
 * s390: firmware's interrupt table, by what the kernel tells firmware. This only observes;
 * user/s390/firmware.c compares it with the policy's table. Built for s390 only.
 */
#include "gate.bpf.h"
#include "hook.bpf.h"
#include <irqgate/firmware.h>
#include <linux/kvm.h>

HASH(firmware, struct irqgate_fid_key, struct irqgate_firmware, IRQGATE_MAX_FUNCTIONS);
HASH(handles, struct irqgate_fh_key, __u32, 8 * IRQGATE_MAX_FUNCTIONS);

/* The function that has a handle now, 0: none. */
SHARED __u64 zpci_of_handle(__u32 fh)
{
	struct list_head *head = (void *)zpci_list_addr, *entry;
	__u32 i;

	if (!head)
		return 0;
	entry = BPF_CORE_READ(head, next);
	for (i = 0; i < IRQGATE_MAX_FUNCTIONS; i++) {
		struct zpci_dev *zdev;

		if (!entry || entry == head)
			return 0;
		zdev = (void *)core_container_of(entry, struct zpci_dev, entry);
		if (BPF_CORE_READ(zdev, fh) == fh)
			return (__u64)zdev;
		entry = BPF_CORE_READ(entry, next);
	}
	return 0;
}

/* The same as pci_handle() of the function, because each domain has only one bus, 0. */
static __always_inline __u64 zpci_pci_handle(struct zpci_dev *zdev)
{
	return irqgate_handle_pci(BPF_CORE_READ(zdev, zbus, domain_nr), 0,
				  (__u8)BPF_CORE_READ(zdev, devfn));
}

static __always_inline struct irqgate_firmware *firmware_entry(__u32 fid)
{
	static const struct irqgate_firmware none = {};
	struct irqgate_fid_key key = { .fid = fid };
	struct irqgate_firmware *fw = bpf_map_lookup_elem(&firmware, &key);

	if (fw)
		return fw;
	bpf_map_update_elem(&firmware, &key, &none, BPF_NOEXIST);
	fw = bpf_map_lookup_elem(&firmware, &key);
	if (fw)
		fw->fid = fid;
	else
		lost_binding();
	return fw;
}

static __always_inline void tell_firmware(struct irqgate_firmware *fw, __u8 reason, __u64 count)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_FIRMWARE);

	if (!ev)
		return;
	ev->handle = fw->handle;
	ev->vector = IRQGATE_VECTOR_FUNCTION;
	ev->reason = reason;
	ev->count = count;
	event_task(ev);
	bpf_ringbuf_submit(ev, 0);
}

/* Update the members that describe the function itself, which may have changed without a call. */
static __always_inline void firmware_identify(struct irqgate_firmware *fw, struct zpci_dev *zdev)
{
	struct irqgate_fh_key key = { .fh = BPF_CORE_READ(zdev, fh) };
	__u32 fid = fw->fid, before = fw->fh;

	fw->uid = BPF_CORE_READ(zdev, uid);
	fw->handle = zpci_pci_handle(zdev);
	if (before == key.fh)
		return;
	fw->fh = key.fh;
	bpf_map_update_elem(&handles, &key, &fid, BPF_ANY);
	if (before)
		tell_firmware(fw, IRQGATE_REASON_FW_HANDLE, counted(&fw->handles, 1));
}

/*
 * The entry of the function with a handle. A handle that firmware no longer takes is looked up
 * among those that it took.
 */
static __always_inline struct irqgate_firmware *firmware_of_handle(__u32 fh)
{
	struct zpci_dev *zdev = (void *)zpci_of_handle(fh);
	struct irqgate_fh_key key = { .fh = fh };
	struct irqgate_firmware *fw;
	__u32 *fid;

	if (!zdev) {
		fid = bpf_map_lookup_elem(&handles, &key);
		return fid ? firmware_entry(*fid) : NULL;
	}
	fw = firmware_entry(BPF_CORE_READ(zdev, fid));
	if (fw)
		firmware_identify(fw, zdev);
	return fw;
}

/*
 * zpci_mod_fc(req, fib, status) returned a condition code. The host's own registrations pass
 * here, and those that KVM makes for a guest. The function may sleep, but its caller waits, so
 * the caller's block still exists.
 */
static __always_inline int do_firmware_told(__u64 req, __u64 fib, __u64 status_addr, __u8 cc)
{
	__u8 block[IRQGATE_FIB_SIZE], function = (__u8)req, status = 0;
	bool directed = function == IRQGATE_MOD_FC_REG_INT_D;
	struct irqgate_firmware *fw;

	switch (function) {
	case IRQGATE_MOD_FC_REG_INT:
	case IRQGATE_MOD_FC_REG_INT_D:
	case IRQGATE_MOD_FC_DEREG_INT:
	case IRQGATE_MOD_FC_DEREG_INT_D:
		break;
	default:
		return 0;
	}
	fw = firmware_of_handle(req >> 32);
	if (!fw)
		return 0;
	fw->cc = cc;
	fw->changed = bpf_ktime_get_boot_ns();
	if (function == IRQGATE_MOD_FC_DEREG_INT || function == IRQGATE_MOD_FC_DEREG_INT_D) {
		bpf_probe_read_kernel(&status, sizeof(status), (void *)status_addr);
		if (!irqgate_mod_fc_clears(cc, status))
			goto failed;
		fw->state = IRQGATE_FIRMWARE_DEREGISTERED;
		tell_firmware(fw, IRQGATE_REASON_FW_DEREGISTERED, counted(&fw->deregistered, 1));
		return 0;
	}
	if (cc || bpf_probe_read_kernel(block, sizeof(block), (void *)fib))
		goto failed;
	irqgate_fib_decode(block, directed, &fw->fib);
	fw->state = IRQGATE_FIRMWARE_REGISTERED;
	fw->source = IRQGATE_FIRMWARE_SEEN;
	tell_firmware(fw, IRQGATE_REASON_FW_REGISTERED, counted(&fw->registered, 1));
	return 0;
failed:
	tell_firmware(fw, IRQGATE_REASON_FW_FAILED, counted(&fw->failed, 1));
	return 0;
}

SEC("fexit/zpci_mod_fc")
int BPF_PROG(firmware_told, __u64 req, void *fib, void *status, __u64 cc)
{
	return do_firmware_told(req, as_number(fib), as_number(status), (__u8)cc);
}

SEC("kprobe.multi")
int BPF_KPROBE(firmware_told_enter_kp, __u64 req, __u64 fib, __u64 status)
{
	return call_enter3(req, fib, status);
}

SEC("kretprobe.multi")
int BPF_KRETPROBE(firmware_told_kp, __u64 cc)
{
	struct irqgate_call call;

	if (!call_exit(&call))
		return 0;
	return do_firmware_told(call.a, call.b, call.c, (__u8)cc);
}

/* virt_to_phys(): the identity mapping may not start at 0. */
static __always_inline __u64 absolute(__u64 address)
{
	struct vm_layout *layout = (void *)vm_layout_addr;

	if (!layout || !bpf_core_type_exists(struct vm_layout))
		return address;
	return address - BPF_CORE_READ(layout, identity_base);
}

/*
 * A registration that is older than irqgate. zpci_set_airq and zpci_set_directed_irq made its
 * block of these members. The ISC is the one that Linux uses for PCI (PCI_ISC).
 */
static __always_inline void firmware_found(struct irqgate_firmware *fw, struct zpci_dev *zdev)
{
	struct airq_iv *aibv = BPF_CORE_READ(zdev, aibv), *sbv = NULL;
	__u32 first = BPF_CORE_READ(zdev, msi_first_bit), n = BPF_CORE_READ(zdev, msi_nr_irqs);
	__u64 aisb = BPF_CORE_READ(zdev, aisb);
	__u32 directed = 0; /* enum irq_delivery */

	bpf_probe_read_kernel(&directed, sizeof(directed), (void *)irq_delivery_addr);
	if (aibv) {
		bpf_probe_read_kernel(&sbv, sizeof(sbv), (void *)zpci_sbv_addr);
		fw->fib.format = IRQGATE_AIRQ_FLOATING;
		fw->fib.isc = 2;
		fw->fib.sum = 1;
		fw->fib.noi = BPF_CORE_READ(aibv, end);
		fw->fib.aibv = absolute((__u64)BPF_CORE_READ(aibv, vector));
		fw->fib.aisb = absolute((__u64)BPF_CORE_READ(sbv, vector)) + aisb / 64 * 8;
		fw->fib.aisbo = aisb & 63;
	} else if (directed && n && first != ~0u) {
		/* These stay when the registration ends; user/s390/firmware.c checks for that. */
		fw->fib.format = IRQGATE_AIRQ_DIRECTED;
		fw->fib.noi = n;
		fw->fib.dibvo = first;
	} else {
		return;
	}
	fw->fib.gd = BPF_CORE_READ(zdev, gisa);
	fw->state = IRQGATE_FIRMWARE_REGISTERED;
	fw->source = IRQGATE_FIRMWARE_FOUND;
}

SHARED int firmware_learn(__u64 address)
{
	struct zpci_dev *zdev = (void *)address;
	struct irqgate_firmware *fw = firmware_entry(BPF_CORE_READ(zdev, fid));
	struct irqgate_state *st = the_state();

	if (!fw || !st)
		return 0;
	firmware_identify(fw, zdev);
	fw->seen = st->walks;
	/* An observed call is better than a conclusion from the kernel's structures. */
	if (fw->state == IRQGATE_FIRMWARE_NONE || fw->state == IRQGATE_FIRMWARE_GONE)
		firmware_found(fw, zdev);
	return 0;
}

/* All functions, by the kernel's list. A bounded loop, because callbacks need a JIT. */
static __always_inline int each_function(int (*visit)(__u64 zdev))
{
	struct list_head *head = (void *)zpci_list_addr, *entry;
	__u32 i;

	if (!head)
		return 0;
	entry = BPF_CORE_READ(head, next);
	for (i = 0; i < IRQGATE_MAX_FUNCTIONS; i++) {
		if (!entry || entry == head)
			break;
		visit(core_container_of(entry, struct zpci_dev, entry));
		entry = BPF_CORE_READ(entry, next);
	}
	return 0;
}

/* Registrations that are older than irqgate, and handles that changed without a call. */
SEC("syscall")
int firmware_walk(void *unused)
{
	return each_function(firmware_learn);
}

/*
 * KVM's part: the VM to which a function was given, and where its interrupts are forwarded
 * (kvm_s390_pci_aif_enable). The types are those of the module.
 */
SHARED int firmware_own(__u64 address)
{
	struct zpci_dev *zdev = (void *)address;
	struct irqgate_fid_key key = { .fid = BPF_CORE_READ(zdev, fid) };
	struct irqgate_firmware *fw = bpf_map_lookup_elem(&firmware, &key);
	struct kvm_zdev *kzdev = BPF_CORE_READ(zdev, kzdev);
	__u8 entry[IRQGATE_GAITE_SIZE] = {};
	struct zpci_aift *aift = NULL;
	__u64 table;

	if (!fw)
		return 0;
	fw->vm = kzdev ? (__u64)BPF_CORE_READ(kzdev, kvm) : 0;
	if (fw->fib.gd && aift_addr) {
		bpf_probe_read_kernel(&aift, sizeof(aift), (void *)aift_addr);
		table = (__u64)BPF_CORE_READ(aift, gait);
		if (table)
			bpf_probe_read_kernel(entry, sizeof(entry),
					      (void *)table + BPF_CORE_READ(zdev, aisb) *
								      IRQGATE_GAITE_SIZE);
	}
	irqgate_gaite_decode(entry, &fw->gaite);
	return 0;
}

SEC("syscall")
int firmware_owners(void *unused)
{
	return each_function(firmware_own);
}

/* The vectors that a VMM asks firmware to forward to its VM. */
struct forwarding {
	__u64 handle;
	__u64 vm;
	__u32 gd;
	__s32 error;
};

static long gate_forwarded_cb(__u32 vector, struct forwarding *f)
{
	struct attempt a = {};
	int error;

	a.handle = f->handle;
	a.vm = f->vm;
	a.vector = vector;
	a.gd = f->gd;
	a.level = IRQGATE_LEVEL_BIND;
	error = gate(&a, decide_vector(f->handle, vector, f->gd));
	if (error)
		f->error = error;
	return 0;
}

/*
 * KVM_S390_ZPCI_OP: firmware forwards all vectors or none, and no hook sees an interrupt that it
 * forwards, so a drop is a deny. The caller may change the arguments after this hook; the loader
 * compares what KVM then registers.
 */
SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_zpci_op, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct forwarding f = {};
	struct zpci_dev *zdev;
	struct {
		__u32 fh;
		__u8 op;
	} op;
	__u32 noi;

	if (cmd != KVM_S390_ZPCI_OP || !file_is(file, kvm_vm_fops_addr))
		return 0;
	if (bpf_copy_from_user(&op, sizeof(op), (void *)arg) ||
	    bpf_copy_from_user(&noi, sizeof(noi),
			       (void *)arg + offsetof(struct kvm_s390_zpci_op, u.reg_aen.noi)))
		return -EFAULT;
	if (op.op != KVM_S390_ZPCIOP_REG_AEN)
		return 0;
	zdev = (void *)zpci_of_handle(op.fh);
	if (!zdev)
		return 0; /* KVM refuses it: ENODEV */
	f.handle = zpci_pci_handle(zdev);
	f.vm = (__u64)BPF_CORE_READ(file, private_data);
	f.gd = vm_gd(f.vm);
	bpf_loop(noi > IRQGATE_MAX_VECTORS ? IRQGATE_MAX_VECTORS : noi, gate_forwarded_cb, &f, 0);
	return refusal(f.error);
}

/*
 * Firmware alerts the host of interrupts that it could not forward. KVM looks at every summary
 * bit (aen_process_gait). If the entry's count is 0, KVM drops the interrupt without a trace
 * (aen_host_forward), so this hook counts and reports it.
 */
SHARED int forward_alerted(__u32 word)
{
	struct irqgate_vector_key nobody = {};
	__u8 entry[IRQGATE_GAITE_SIZE];
	struct zpci_aift *aift = NULL;
	struct irqgate_counters *c;
	struct irqgate_gaite gaite;
	struct irqgate_event *ev;
	__u64 bits = 0, *vector;
	__u64 table, n;
	__u32 i;

	bpf_probe_read_kernel(&aift, sizeof(aift), (void *)aift_addr);
	vector = (void *)BPF_CORE_READ(aift, sbv, vector);
	table = (__u64)BPF_CORE_READ(aift, gait);
	if (!table || bpf_probe_read_kernel(&bits, sizeof(bits), &vector[word]))
		return 0;
	for (i = 0; i < 64; i++) {
		if (!(bits >> (63 - i) & 1))
			continue;
		if (bpf_probe_read_kernel(entry, sizeof(entry),
					  (void *)table + (word * 64 + i) * IRQGATE_GAITE_SIZE))
			continue;
		irqgate_gaite_decode(entry, &gaite);
		if (gaite.count)
			continue;
		c = bpf_map_lookup_elem(&stats, &nobody);
		if (!c)
			continue;
		n = counted_why(c, &c->dropped, IRQGATE_REASON_UNLISTED, 1);
		ev = report_due(c, n) ? event_new(IRQGATE_EVENT_VERDICT) : NULL;
		if (!ev)
			continue;
		ev->vector = IRQGATE_VECTOR_FUNCTION;
		ev->reason = IRQGATE_REASON_FW_FORWARD;
		ev->verdict = IRQGATE_VERDICT_DROP;
		ev->irq = word * 64 + i; /* the summary bit */
		ev->count = n;
		bpf_ringbuf_submit(ev, 0);
	}
	return 0;
}

HOOK(forward_alert, "gib_alert_irq_handler", __u64 airq)
{
	__u32 word;

	if (!aift_addr)
		return 0;
	for (word = 0; word < IRQGATE_MAX_FUNCTIONS / 64; word++)
		forward_alerted(word);
	return 0;
}

char _license[] SEC("license") = "GPL";

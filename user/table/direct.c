// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/btf.h>
#include <errno.h>

#include "lib/convert.h"
#include "lib/file.h"
#include "table/direct.h"

#define APICV "/sys/module/kvm_intel/parameters/enable_apicv"
#define AVIC "/sys/module/kvm_amd/parameters/avic"

/* An unreadable parameter counts as on. */
static bool is_on(const char *parameter)
{
	char value[8];
	int err = read_line(parameter, value, sizeof(value));

	return err ? err != -ENOENT : value[0] == 'Y' || value[0] == '1';
}

bool may_be_direct(void)
{
	return is_on(APICV) || is_on(AVIC);
}

bool may_stay_direct(void)
{
	struct btf *vmlinux, *kvm;
	bool known = false;
	int type;

	if (!is_on(AVIC))
		return false;
	vmlinux = btf__load_vmlinux_btf();
	kvm = vmlinux ? btf__load_module_btf("kvm", vmlinux) : NULL;
	type = kvm ? btf__find_by_name_kind(kvm, "kvm_kernel_irqfd", BTF_KIND_STRUCT) : -ENOENT;
	if (type > 0)
		known = find_member(kvm, btf__type_by_id(kvm, type), "irq_bypass_vcpu");
	btf__free(kvm);
	btf__free(vmlinux);
	return !known;
}

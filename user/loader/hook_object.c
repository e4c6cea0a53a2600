// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <irqgate/hash.h>
#include "lib/util.h"
#include "loader/hook.h"
#include "loader/types.h"
#include "table/pins.h"
#include "irqgate.skel.h"

#define VERIFIER_LOG 65536
#define VERIFIER_STATS 4 /* BPF_LOG_STATS of the kernel's bpf_verifier.h */

/* Sizes of maps that hooks_size() changed; 0: the size in bpf/maps.bpf.h. */
static __u32 sizes[IRQGATE_ROOMS];

static bool verbose;

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!verbose || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

void hooks_verbose(bool on)
{
	verbose = on;
	libbpf_set_print(print_libbpf);
}

/* Keep the verifier's statistics of each program, or its log if the kernel refuses it. */
static void ask_verifier(struct irqgate_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		char *log = bpf_program__autoload(prog) ? calloc(1, VERIFIER_LOG) : NULL;

		if (log && !bpf_program__set_log_buf(prog, log, VERIFIER_LOG))
			bpf_program__set_log_level(prog, VERIFIER_STATS);
	}
}

/* Print each program's verifier statistics; for a refused program the kernel's log. */
static void print_verifier(struct irqgate_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		unsigned int processed, states;
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		char stack[256] = "0", *p;
		size_t size;
		const char *log = bpf_program__log_buf(prog, &size);

		if (!log || !*log)
			continue;
		p = strstr(log, "stack depth ");
		if (p && sscanf(p, "stack depth max %255s", stack) != 1) /* "max" since 7.x */
			sscanf(p, "stack depth %255s", stack);
		p = strstr(log, "processed ");
		if (bpf_program__fd(prog) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) || !p ||
		    sscanf(p, "processed %u insns %*[^)]) max_states_per_insn %*u total_states %u",
			   &processed, &states) != 2)
			fprintf(stderr, "%s: %s\n", bpf_program__name(prog), log);
		else
			fprintf(stderr,
				"verifier: %s: %u instructions processed, %u states, stack %s, "
				"%u bytes\n",
				bpf_program__name(prog), processed, states, stack,
				info.xlated_prog_len);
		free((void *)log);
	}
}

void hooks_size(enum irqgate_room room, __u32 rows)
{
	sizes[room] = rows;
}

/* Programs read the size of each map from rodata, also if another irqgate created the map. */
static int set_sizes(struct irqgate_bpf *skel)
{
	struct bpf_map *maps[IRQGATE_ROOMS] = {
		[IRQGATE_ROOM_EVENTFDS] = skel->maps.eventfds,
		[IRQGATE_ROOM_IRQFDS] = skel->maps.irqfds,
		[IRQGATE_ROOM_VMS] = skel->maps.vms,
		[IRQGATE_ROOM_BINDINGS] = skel->maps.bindings,
		[IRQGATE_ROOM_STATS] = skel->maps.stats,
	};
	enum irqgate_room room;
	int err = 0;

	for (room = 0; room < IRQGATE_ROOMS && !err; room++) {
		__u32 rows = pins_size(bpf_map__name(maps[room])) ?: sizes[room];

		if (rows)
			err = bpf_map__set_max_entries(maps[room], rows);
		skel->rodata->max_rows[room] = bpf_map__max_entries(maps[room]);
	}
	return err;
}

/* The module that contains a hooked function. NULL: it is built in. */
static const char *module_of(const char *function)
{
	const struct symbol *s = kernel_symbol_found(function);
	const char *module = NULL;
	unsigned int i;

	for (i = 0; s && !s->built_in && !module && i < nhooks; i++)
		if (!strcmp(hooks[i].function, function))
			module = stages[hooks[i].stage].module;
	/* If the stage's code is built in, the symbol is another module's, of the same name. */
	return module && module_state(module) == MODULE_LIVE ? module : NULL;
}

/*
 * Find the function that a tracing program is attached to. libbpf's own search goes through all
 * types of the kernel once for each module and program, and takes the first function of that
 * name, of any module.
 */
static int find_target(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const char *function = strchr(bpf_program__section_name(prog), '/') + 1;
	int fd, id = types_function(module_of(function), function, &fd);

	(void)cookie;
	if (id < 0)
		return id == -ENOENT ? -ESRCH : id;
	opts->attach_btf_id = (__u32)id;
	opts->attach_btf_obj_fd = (__u32)fd;
	return 0;
}

static int attach_target(const struct bpf_program *prog, long cookie, struct bpf_link **link)
{
	(void)cookie;
	*link = bpf_program__attach_trace(prog);
	return *link ? 0 : -errno;
}

/* Make libbpf use find_target(). Return: 0 or a negative errno. */
static int find_targets(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = find_target,
		    .prog_attach_fn = attach_target);
	static bool done;
	int fentry, fexit;

	if (done)
		return 0;
	fentry = libbpf_register_prog_handler("fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY,
					      &opts);
	fexit = libbpf_register_prog_handler("fexit+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT,
					     &opts);
	done = fentry >= 0 && fexit >= 0;
	return fentry < 0 ? fentry : fexit < 0 ? fexit : 0;
}

struct irqgate_bpf *hook_object_open(bool (*want)(const struct hook *h, const char *prog,
						  void *arg),
				     void *arg)
{
	/* Signals from this code are VFIO's own. Up to 6.1 virqfds are a separate module. */
	struct module_text vfio[] = {
		{ .module = "vfio_pci_core" }, { .module = "vfio_virqfd" }, { .module = "vfio" }, {}
	};
	static const char *const vhost[IRQGATE_VHOST_TYPES] = { "vhost_net_fops", "vhost_scsi_fops",
								"vhost_vsock_fops",
								"vhost_vdpa_fops",
								"vhost_test_fops" };
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = PIN_DIR);
	struct irqgate_bpf *skel = NULL;
	struct bpf_program *prog;
	unsigned int i;
	int err;

	errno = -find_targets();
	if (!errno)
		skel = irqgate_bpf__open_opts(&opts);
	if (!skel) {
		fail(-errno, "cannot open the BPF object: %s", strerror(errno));
		return NULL;
	}
	skel->rodata->eventfd_fops_addr = kernel_symbol("eventfd_fops");
	if (stage_hookable(STAGE_VFIO)) {
		skel->rodata->vfio_device_fops_addr = kernel_symbol("vfio_device_fops");
		/* A kernel may have one of these, both, or only character devices. */
		skel->rodata->vfio_group_fops_addr = kernel_symbol("vfio_group_fops");
		skel->rodata->vfio_container_fops_addr = kernel_symbol("vfio_fops");
	}
	if (stage_hookable(STAGE_KVM)) {
		skel->rodata->kvm_dev_fops_addr = kernel_symbol("kvm_chardev_ops");
		skel->rodata->kvm_vm_fops_addr = kernel_symbol("kvm_vm_fops");
		skel->rodata->kvm_vcpu_fops_addr = kernel_symbol("kvm_vcpu_fops");
	}
	for (i = 0; i < ARRAY_SIZE(vhost); i++)
		skel->rodata->vhost_fops_addr[i] = kernel_symbol(vhost[i]);
	skel->rodata->pci_bus_type_addr = kernel_symbol("pci_bus_type");
	skel->rodata->kernfs_dir_fops_addr = kernel_symbol("kernfs_dir_fops");
	skel->rodata->vm_list_addr = kernel_symbol("vm_list");
	skel->rodata->zpci_list_addr = kernel_symbol("zpci_list");
	skel->rodata->zpci_sbv_addr = kernel_symbol("zpci_sbv");
	skel->rodata->vm_layout_addr = kernel_symbol("vm_layout");
	skel->rodata->aift_addr = kernel_symbol("aift");
	skel->rodata->irq_delivery_addr = kernel_symbol("irq_delivery");
	err = kernel_symbol("irqgate_hook_msi") ? module_texts(vfio) : 0;
	if (err) {
		irqgate_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	for (i = 0; vfio[i].module; i++) {
		skel->rodata->vfio_text[i][0] = vfio[i].from;
		skel->rodata->vfio_text[i][1] = vfio[i].to;
	}
	bpf_object__for_each_program(prog, skel->obj) {
		const char *name = bpf_program__name(prog);
		bool on = false;

		for (i = 0; i < nhooks && !on; i++)
			on = !strncmp(name, hooks[i].name, strlen(hooks[i].name)) &&
			     want(&hooks[i], name, arg);
		bpf_program__set_autoload(prog, on);
	}
	if (verbose)
		ask_verifier(skel);
	err = set_sizes(skel) ?: irqgate_bpf__load(skel);
	if (verbose)
		print_verifier(skel);
	if (err) {
		irqgate_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	return skel;
}

struct btf *hooks_object_btf(void)
{
	struct irqgate_bpf *skel = irqgate_bpf__open();
	struct btf *copy = NULL;
	const void *data;
	__u32 size;

	if (!skel)
		return NULL;
	data = btf__raw_data(bpf_object__btf(skel->obj), &size);
	if (data)
		copy = btf__new(data, size);
	irqgate_bpf__destroy(skel);
	return copy;
}

__u64 hooks_build(void)
{
	__u64 hash = IRQGATE_HASH_INIT;
	const __u8 *data;
	size_t size, i;

	data = irqgate_bpf__elf_bytes(&size);
	for (i = 0; i < size; i++)
		hash = irqgate_hash_byte(hash, data[i]);
	return hash;
}

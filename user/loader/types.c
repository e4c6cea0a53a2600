// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/types.h"

struct module_types {
	char name[64];
	struct btf *btf;
	int fd; /* 0: not open yet */
};

static struct btf *kernel;
static struct module_types *modules;
static size_t nmodules;
static unsigned int reading; /* of kallsyms, when they were read: the modules may be others now */

const struct btf *types_kernel(void)
{
	if (reading != kernel_symbols_reading())
		types_forget();
	reading = kernel_symbols_reading();
	if (!kernel)
		kernel = btf__load_vmlinux_btf();
	return kernel;
}

static struct module_types *find_module(const char *name)
{
	struct module_types new = {}, *m;
	char path[96];

	if (!types_kernel())
		return NULL;
	for (m = modules; m < modules + nmodules; m++)
		if (!strcmp(m->name, name))
			return m;
	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	new.btf = btf__parse_split(path, kernel);
	if (!new.btf)
		return NULL;
	snprintf(new.name, sizeof(new.name), "%s", name);
	m = ARRAY_MORE(modules, nmodules);
	if (!m) {
		btf__free(new.btf);
		errno = ENOMEM;
		return NULL;
	}
	*m = new;
	nmodules++;
	return m;
}

const struct btf *types_module(const char *module)
{
	struct module_types *m = find_module(module);

	return m ? m->btf : NULL;
}

/* The kernel's object of a module's types, by its name. */
static int open_types(const char *module)
{
	struct bpf_btf_info info;
	__u32 id = 0, len;
	char name[64];
	int fd;

	while (!bpf_btf_get_next_id(id, &id)) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd < 0 && errno == ENOENT)
			continue; /* gone meanwhile */
		if (fd < 0)
			return -errno;
		memset(&info, 0, sizeof(info));
		info.name = (__u64)(unsigned long)name;
		info.name_len = sizeof(name);
		len = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -errno;
}

/* Of a module only its own: the kernel's may have a function of that name, too. */
static int find_function(const struct btf *btf, __u32 first, const char *name)
{
	__u32 id, n = btf__type_cnt(btf);
	const struct btf_type *t;

	for (id = first; id < n; id++) {
		t = btf__type_by_id(btf, id);
		if (btf_is_func(t) && !strcmp(btf__name_by_offset(btf, t->name_off), name))
			return (int)id;
	}
	return -ENOENT;
}

int types_function(const char *module, const char *name, int *fd)
{
	struct module_types *m;

	*fd = 0;
	if (!types_kernel())
		return -errno;
	if (!module)
		return find_function(kernel, 1, name);
	m = find_module(module);
	if (!m)
		return -errno;
	*fd = m->fd ?: open_types(module);
	if (*fd < 0)
		return *fd;
	m->fd = *fd;
	return find_function(m->btf, btf__type_cnt(kernel), name);
}

void types_forget(void)
{
	struct module_types *m;

	for (m = modules; m < modules + nmodules; m++) {
		btf__free(m->btf);
		if (m->fd)
			close(m->fd);
	}
	free(modules);
	modules = NULL;
	nmodules = 0;
	btf__free(kernel);
	kernel = NULL;
}

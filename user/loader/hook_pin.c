// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hook.h"
#include "table/pins.h"

const char *hook_replaced;

int hook_pin_link(struct bpf_link *link, const char *pin)
{
	char path[PIN_LEN];
	int err;

	unlink(pin_path(path, pin));
	err = bpf_link__pin(link, path);
	return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
}

static bool pinned(const char *pin)
{
	char path[PIN_LEN];

	return !access(pin_path(path, pin), F_OK);
}

const char *hook_pin(const struct hook *h, enum variant variant, char buf[64])
{
	static const char *const suffix[VARIANTS] = { "", "_kp", "_enter_kp" };

	if (h->pin)
		snprintf(buf, 64, "%s%s", h->pin, suffix[variant]);
	else
		snprintf(buf, 64, "link_%s%s", h->name, suffix[variant]);
	return buf;
}

bool hook_pinned(const struct hook *h)
{
	char pin[64];

	return pinned(hook_pin(h, PLAIN, pin)) || pinned(hook_pin(h, KPROBE, pin));
}

bool hooks_stage_loaded(enum stage stage)
{
	unsigned int i;

	for (i = 0; i < nhooks; i++)
		if (hooks[i].stage == stage && hooks[i].kind == HOOK_TRACE && !hooks[i].optional &&
		    hook_pinned(&hooks[i]))
			return true;
	return false;
}

void hook_unpin_variant(const char *dir, const struct hook *h, enum variant v)
{
	char pin[64], path[PIN_LEN];

	snprintf(path, sizeof(path), "%s/%s", dir, hook_pin(h, v, pin));
	unlink(path);
}

bool hook_attached(const struct hook *h)
{
	char pin[64];

	return pinned(hook_link(h, pin));
}

const char *hook_link(const struct hook *h, char buf[64])
{
	snprintf(buf, 64, "link_%s", h->name);
	return buf;
}

void hook_unpin_link(const char *dir, const struct hook *h)
{
	char pin[64], path[PIN_LEN];

	snprintf(path, sizeof(path), "%s/%s", dir, hook_link(h, pin));
	unlink(path);
}

void hook_unpin(const char *dir, const struct hook *h)
{
	enum variant v;

	if (h->by_need)
		hook_unpin_link(dir, h);

	for (v = PLAIN; v < VARIANTS; v++)
		hook_unpin_variant(dir, h, v);
}

/*
 * The kernel frees the link of an unlinked pin later, after an RCU grace period, and frees the
 * link's id before it detaches the program. So wait until the program's id is gone.
 */
void hook_detach(const char *dir, const struct hook *h, enum variant v)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char pin[64], path[PIN_LEN];
	int fd, i;

	snprintf(path, sizeof(path), "%s/%s", dir, hook_pin(h, v, pin));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.prog_id = 0;
	close(fd);
	unlink(path);
	for (i = 0; info.prog_id && i < 1000; i++) {
		fd = bpf_prog_get_fd_by_id(info.prog_id);
		if (fd < 0)
			return;
		close(fd);
		usleep(1000);
	}
}

void hooks_replace(const char *dir)
{
	hook_replaced = dir;
}

bool hook_adoptable(const struct hook *h)
{
	return hook_pinned(h) && (!hook_replaced || strcmp(hook_replaced, PIN_DIR));
}

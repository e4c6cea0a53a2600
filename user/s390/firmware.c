// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/array.h"
#include "lib/log.h"
#include "lib/names.h"
#include "s390/firmware.h"
#include "table/judge.h"
#include "table/table.h"

/* The context that bound the function by VFIO; false: no process did. */
static bool vfio_owner(const struct pins *pins, const struct rows *rows, __u64 handle, __u32 *gd)
{
	struct binding_walk w = {};
	struct judgement j;

	while (binding_next(pins, &w) > 0) {
		if (w.b.handle != handle || w.b.state == IRQGATE_BINDING_HOST)
			continue;
		judge_binding(rows, pins, &w.b, &j);
		*gd = j.gd;
		return true;
	}
	return false;
}

static void find_owner(const struct pins *pins, const struct rows *rows, struct firmware_row *row)
{
	const struct irqgate_firmware *fw = &row->fw;
	struct irqgate_vm vm;

	row->owner = IRQGATE_GD_NONE;
	if (fw->vm) {
		if (judge_vm(pins, fw->vm, &vm))
			row->owner = rows_gd(rows, &vm.creator);
	} else if (!fw->fib.gd && !vfio_owner(pins, rows, fw->handle, &row->owner)) {
		row->owner = IRQGATE_GD_HOST;
		row->host = true;
	}
}

/*
 * A registration from before irqgate (IRQGATE_FIRMWARE_FOUND) has ended if the function has no
 * vectors any more: irqgate saw no call that ended it.
 */
static bool is_over(const struct irqgate_firmware *fw)
{
	char path[128], bdf[HANDLE_STRLEN];

	if (fw->state != IRQGATE_FIRMWARE_REGISTERED || fw->source != IRQGATE_FIRMWARE_FOUND)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs",
		 handle_format(fw->handle, bdf) + strlen("pci:"));
	return access(path, F_OK);
}

static int by_fid(const void *a, const void *b)
{
	const struct firmware_row *x = a, *y = b;

	return order_of(x->fw.fid, y->fw.fid);
}

int firmware_read(const struct pins *pins, const struct rows *rows, struct firmware_row **out)
{
	struct irqgate_fid_key key, *prev = NULL;
	struct firmware_row *all;
	int n = 0, err;

	*out = NULL;
	if (pins->firmware < 0)
		return -EOPNOTSUPP;
	__atomic_add_fetch(&pins->state->walks, 1, __ATOMIC_SEQ_CST);
	err = pins_call("prog_firmware") ?: pins_call("prog_owners");
	if (err)
		return err;
	all = calloc(IRQGATE_MAX_FUNCTIONS, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (; n < IRQGATE_MAX_FUNCTIONS && !bpf_map_get_next_key(pins->firmware, prev, &key);
	     prev = &key) {
		struct irqgate_firmware *fw = &all[n].fw;

		if (bpf_map_lookup_elem(pins->firmware, &key, fw))
			continue;
		if (fw->seen != pins->state->walks && fw->state != IRQGATE_FIRMWARE_GONE) {
			fw->state = IRQGATE_FIRMWARE_GONE;
			bpf_map_update_elem(pins->firmware, &key, fw, BPF_EXIST);
		} else if (is_over(fw)) {
			fw->state = IRQGATE_FIRMWARE_NONE;
			bpf_map_update_elem(pins->firmware, &key, fw, BPF_EXIST);
		}
		find_owner(pins, rows, &all[n++]);
	}
	qsort(all, n, sizeof(*all), by_fid);
	*out = all;
	return n;
}

int firmware_check(const struct pins *pins, struct firmware_findings *out)
{
	struct firmware_row *fw = NULL;
	struct rows rows = {};
	int n, err;

	memset(out, 0, sizeof(*out));
	n = pins->firmware < 0 ? -EOPNOTSUPP : table_read(pins, &rows);
	if (!n)
		n = firmware_read(pins, &rows, &fw);
	err = n < 0 ? n : firmware_compare(&rows, fw, n, out);
	if (err && err != -EOPNOTSUPP)
		fail(err, "firmware's table: cannot compare with the policy: %s", strerror(-err));
	free(fw);
	rows_free(&rows);
	return err;
}

/* The reason in a sentence. */
static const char *explain(const struct pins *pins, const struct firmware_finding *f, char *buf,
			   size_t len)
{
	char vectors[VECTORS_STRLEN], expected[IRQGATE_NAME_LEN], actual[IRQGATE_NAME_LEN];

	vectors_format(&f->vectors, vectors);
	switch (f->reason) {
	case IRQGATE_REASON_FW_VECTORS:
		snprintf(buf, len, "firmware passes vectors the policy does not authorize: %s",
			 vectors);
		break;
	case IRQGATE_REASON_FW_OWNER:
		table_context_name(pins, f->actual, actual);
		table_context_name(pins, f->expected, expected);
		if (vectors_count(&f->vectors))
			snprintf(buf, len,
				 "firmware passes vectors %s to %s, the policy gives them to %s%s",
				 vectors, actual, expected,
				 f->reaches ? "; its VM also reaches the function, against "
					      "'access: owner'"
					    : "");
		else if (f->expected == IRQGATE_GD_NONE)
			snprintf(buf, len,
				 "the VM of %s reaches the function, which 'irqgate revoke' took "
				 "away",
				 actual);
		else
			snprintf(buf, len,
				 "the VM of %s reaches the function, by 'access: owner' it is for "
				 "%s alone",
				 actual, expected);
		break;
	case IRQGATE_REASON_FW_UNLISTED:
		snprintf(buf, len,
			 "firmware passes vectors %s, the policy does not name the "
			 "function",
			 vectors);
		break;
	default:
		snprintf(buf, len,
			 "the policy gives the function to %s, firmware passes no vector of it",
			 table_context_name(pins, f->expected, expected));
	}
	return buf;
}

static struct json_object *gd_json(__u32 gd)
{
	return gd == IRQGATE_GD_NONE ? NULL : json_object_new_int64(gd);
}

static void print(const struct pins *pins, const struct firmware_finding *f, bool json)
{
	char handle[HANDLE_STRLEN], text[VECTORS_STRLEN + 256], vectors[VECTORS_STRLEN];
	struct json_object *o;

	handle_format(f->handle, handle);
	explain(pins, f, text, sizeof(text));
	if (!json) {
		printf("%s", handle);
		if (f->fh)
			printf(" (fid %x, fh %08x)", f->fid, f->fh);
		printf(": %s: %s\n", name_of(&names_reason, f->reason), text);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "handle", json_object_new_string(handle));
	json_object_object_add(o, "fid", f->fh ? json_object_new_int64(f->fid) : NULL);
	json_object_object_add(o, "fh", f->fh ? json_object_new_int64(f->fh) : NULL);
	json_object_object_add(o, "reason",
			       json_object_new_string(name_of(&names_reason, f->reason)));
	json_object_object_add(o, "verdict",
			       json_object_new_string(name_of(&names_verdict, f->verdict)));
	json_object_object_add(o, "vectors",
			       json_object_new_string(vectors_format(&f->vectors, vectors)));
	json_object_object_add(o, "gd_expected", gd_json(f->expected));
	json_object_object_add(o, "gd_actual", gd_json(f->actual));
	json_object_object_add(o, "reaches", json_object_new_boolean(f->reaches));
	json_object_object_add(o, "what", json_object_new_string(text));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int firmware_verify(const struct pins *pins, bool json)
{
	struct firmware_findings found;
	int err = firmware_check(pins, &found);
	size_t i;

	for (i = 0; !err && i < found.n; i++)
		print(pins, &found.finding[i], json);
	if (!err && found.n)
		err = -EBADE;
	else if (!err && !json)
		printf("firmware's table agrees with the policy\n");
	firmware_free(&found);
	return err;
}

long firmware_fid(__u32 fh)
{
	struct irqgate_fh_key key = { .fh = fh };
	__u32 fid;
	int map = pins_map("handles", BPF_MAP_TYPE_HASH, sizeof(key), sizeof(fid));
	long ret = -1;

	if (map < 0)
		return -1;
	if (!bpf_map_lookup_elem(map, &key, &fid))
		ret = fid;
	close(map);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each kind is an array of JSON objects with stable field names. The text form is a table
 * of the same fields.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "cli/holding.h"
#include "cli/show.h"
#include "lib/device.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/events.h"
#include "loader/hooks.h"
#include "loader/resort.h"
#include "s390/firmware.h"
#include "table/census.h"
#include "table/direct.h"
#include "table/revoke.h"
#include "table/snapshot.h"
#include "table/table.h"

static void put_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static void put_num(struct json_object *o, const char *key, __u64 value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static void put_handle(struct json_object *o, __u64 handle)
{
	char buf[HANDLE_STRLEN];

	put_str(o, "handle", handle_format(handle, buf));
}

static void put_gd(struct json_object *o, const struct pins *pins, __u32 gd)
{
	char buf[IRQGATE_NAME_LEN];

	put_str(o, "context", gd == IRQGATE_GD_NONE ? NULL : table_context_name(pins, gd, buf));
	json_object_object_add(o, "gd", gd == IRQGATE_GD_NONE ? NULL : json_object_new_int64(gd));
}

/* Kernel addresses are names here: equal ones are the same object. */
static void put_ptr(struct json_object *o, const char *key, __u64 ptr)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%llx", (unsigned long long)ptr);
	put_str(o, key, ptr ? buf : NULL);
}

static void put_hex(struct json_object *o, const char *key, __u64 value, int digits)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%0*llx", digits, (unsigned long long)value);
	put_str(o, key, buf);
}

/* A process that bound vectors of a device; 0: none. */
static __u32 binder_of(const struct pins *pins, __u64 handle)
{
	struct binding_walk w = {};

	while (binding_next(pins, &w) > 0)
		if (w.b.handle == handle && w.b.binder.tgid)
			return w.b.binder.tgid;
	return 0;
}

/* Is the device there, which driver has it, which process has bound its vectors? */
static void put_device_state(struct json_object *o, const struct pins *pins, __u64 handle)
{
	static const char *const states[] = {
		[DEVICE_ABSENT] = "absent",
		[DEVICE_UNBOUND] = "unbound",
		[DEVICE_HOST] = "host",
		[DEVICE_VFIO] = "vfio",
	};
	char driver[DRIVER_LEN], comm[IRQGATE_COMM_LEN] = "";
	enum device_state state = device_state(handle, driver);
	__u32 pid = binder_of(pins, handle);

	put_str(o, "state", states[state]);
	put_str(o, "driver", *driver ? driver : NULL);
	json_object_object_add(o, "pid", pid ? json_object_new_int64(pid) : NULL);
	if (pid)
		process_comm(pid, comm, sizeof(comm));
	put_str(o, "comm", *comm ? comm : NULL);
}

/* The interrupts of a function as the kernel registered them with firmware; null: it did not. */
static void put_fib(struct json_object *o, const struct irqgate_firmware *f)
{
	bool directed = f && f->fib.format == IRQGATE_AIRQ_DIRECTED;

	if (!f) {
		put_str(o, "isc", NULL);
		put_str(o, "aibv", NULL);
		put_str(o, "aibvo", NULL);
		put_str(o, "aisb", NULL);
		put_str(o, "aisbo", NULL);
		return;
	}
	put_num(o, "isc", f->fib.isc);
	put_hex(o, "aibv", f->fib.aibv, 1);
	put_num(o, "aibvo", directed ? f->fib.dibvo : f->fib.aibvo);
	put_hex(o, "aisb", f->fib.aisb, 1);
	put_num(o, "aisbo", f->fib.aisbo);
}

static const struct irqgate_firmware *registered(const struct firmware_row *fw, int n, __u64 handle)
{
	int i;

	for (i = 0; i < n; i++)
		if (fw[i].fw.handle == handle && fw[i].fw.state == IRQGATE_FIRMWARE_REGISTERED)
			return &fw[i].fw;
	return NULL;
}

/* 0 rows on other machines than s390, because only its firmware has a table. */
static int read_firmware(const struct pins *pins, struct firmware_row **fw)
{
	struct rows rows = {};
	int n;

	*fw = NULL;
	if (pins->firmware < 0)
		return 0;
	n = table_read(pins, &rows) ?: firmware_read(pins, &rows, fw);
	rows_free(&rows);
	return n;
}

/* Who may use the device, and who may hold it for others. */
static void put_access(struct json_object *o, const struct pins *pins,
		       const struct irqgate_registration *reg)
{
	struct json_object *brokers = json_object_new_array();
	char buf[IRQGATE_NAME_LEN];
	__u32 i;

	/* A row of an older irqgate has neither value. */
	put_str(o, "access", name_of(&names_access, reg->access ?: IRQGATE_ACCESS_ANY));
	for (i = 0; i < reg->brokers && i < IRQGATE_MAX_BROKERS; i++)
		json_object_array_add(brokers, json_object_new_string(table_context_name(
						       pins, reg->broker[i], buf)));
	json_object_object_add(o, "brokers", brokers);
	put_str(o, "on_mapped",
		name_of(&names_on_mapped, reg->on_mapped ?: IRQGATE_ON_MAPPED_REPORT));
}

static void put_holders(struct json_object *o, const struct holdings *all, __u64 handle)
{
	struct json_object *holders = json_object_new_array();
	const struct holding *h;
	char comm[IRQGATE_COMM_LEN];
	size_t n, i;

	h = holdings_of(all, handle, &n);
	for (i = 0; i < n; i++) {
		struct json_object *holder = json_object_new_object();

		put_num(holder, "pid", h[i].tgid);
		process_comm(h[i].tgid, comm, sizeof(comm));
		put_str(holder, "comm", *comm ? comm : NULL);
		json_object_array_add(holders, holder);
	}
	json_object_object_add(o, "holders", holders);
}

static int show_devices(struct pins *pins, struct json_object *rows)
{
	int map = table_map(pins, IRQGATE_MAP_DEVICES), n;
	struct holdings holdings;
	struct firmware_row *fw;
	struct irqgate_device_key key, *prev = NULL;
	struct irqgate_registration reg;
	int more;

	if (map < 0)
		return map;
	n = read_firmware(pins, &fw);
	more = n < 0 ? n : 1;
	holdings_find(&holdings);
	if (holdings.more)
		msg("show devices: the search for holders did not end: some may be missing");
	for (; more > 0 && (more = map_next(map, prev, &key)) > 0; prev = &key) {
		struct json_object *o;

		if (bpf_map_lookup_elem(map, &key, &reg))
			continue;
		o = json_object_new_object();
		put_handle(o, key.handle);
		put_gd(o, pins, reg.gd);
		put_num(o, "noi", reg.noi);
		json_object_object_add(
			o, "all", json_object_new_boolean(reg.flags & IRQGATE_REG_ALL_VECTORS));
		put_str(o, "on_violation", name_of(&names_action, reg.action));
		put_str(o, "last_resort",
			name_of(&names_last_resort, last_resort_of(pins, key.handle)));
		put_device_state(o, pins, key.handle);
		put_access(o, pins, &reg);
		put_holders(o, &holdings, key.handle);
		if (pins->firmware >= 0)
			put_fib(o, registered(fw, n, key.handle));
		json_object_array_add(rows, o);
	}
	holdings_free(&holdings);
	free(fw);
	close(map);
	return more;
}

static bool is_revoked(const struct pins *pins, const struct irqgate_vector_key *key)
{
	struct irqgate_device_key dkey = { .handle = key->handle };
	struct irqgate_revocation row;

	return !bpf_map_lookup_elem(pins->revoked, &dkey, &row) &&
	       irqgate_revoked(&row, key->vector);
}

static void put_vectors(struct json_object *o, const char *key,
			const struct irqgate_revocation *row)
{
	char text[VECTORS_STRLEN];
	struct vector_set vectors = {};

	if (row)
		revocation_vectors(row, &vectors);
	put_str(o, key, vectors_count(&vectors) ? vectors_format(&vectors, text) : NULL);
}

static int show_revocations(struct pins *pins, struct json_object *rows)
{
	struct revocations revoked = {}, kept = {};
	int err = revocations_read(pins, &revoked) ?: revocations_kept(&kept);
	char time[WALL_TIME_LEN];
	size_t i;

	for (i = 0; !err && i < revoked.n; i++) {
		struct json_object *o = json_object_new_object();

		put_handle(o, revoked.of[i].handle);
		put_vectors(o, "vectors", &revoked.of[i].row);
		put_vectors(o, "persistent", revocations_find(&kept, revoked.of[i].handle));
		put_str(o, "since", wall_time(revoked.of[i].row.since, time));
		json_object_array_add(rows, o);
	}
	free(revoked.of);
	free(kept.of);
	return err;
}

static int show_vectors(struct pins *pins, struct json_object *rows)
{
	int map = table_map(pins, IRQGATE_MAP_VECTORS);
	struct irqgate_vector_key key, *prev = NULL;
	struct irqgate_vector_auth vec;
	int more;

	if (map < 0)
		return map;
	for (; (more = map_next(map, prev, &key)) > 0; prev = &key) {
		struct json_object *o;

		if (bpf_map_lookup_elem(map, &key, &vec))
			continue;
		o = json_object_new_object();
		put_handle(o, key.handle);
		put_num(o, "vector", key.vector);
		put_gd(o, pins, vec.gd);
		put_str(o, "on_violation", name_of(&names_action, vec.action));
		json_object_object_add(o, "revoked",
				       json_object_new_boolean(is_revoked(pins, &key)));
		json_object_array_add(rows, o);
	}
	close(map);
	return more;
}

static int show_contexts(struct pins *pins, struct json_object *out)
{
	const struct irqgate_context_key *key;
	const struct irqgate_context *ctx;
	struct census census = {};
	struct rows rows;
	int err = table_read(pins, &rows) ?: census_take(pins, &rows, &census);
	size_t i;

	for (i = 0; !err && i < rows.map[IRQGATE_MAP_CONTEXTS].n; i++) {
		struct json_object *o = json_object_new_object();
		const struct census_row *now;

		key = rows_key(&rows, IRQGATE_MAP_CONTEXTS, i);
		ctx = rows_value(&rows, IRQGATE_MAP_CONTEXTS, i);
		now = census_of(&census, key->gd);
		put_gd(o, pins, key->gd);
		json_object_object_add(o, "strict",
				       json_object_new_boolean(ctx->flags & IRQGATE_CTX_STRICT));
		put_num(o, "processes", now->processes);
		put_num(o, "vms", now->vms);
		json_object_array_add(out, o);
	}
	census_free(&census);
	rows_free(&rows);
	return err;
}

static void put_vm(struct json_object *o, struct pins *pins, __u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct irqgate_vm vm;
	char name[32];

	if (!kvm || bpf_map_lookup_elem(pins->vms, &key, &vm)) {
		put_str(o, "vm", kvm ? "unresolved" : NULL);
		return;
	}
	snprintf(name, sizeof(name), "kvm-%u", vm.creator.tgid);
	put_str(o, "vm", name);
}

static int show_bindings(struct pins *pins, struct json_object *rows)
{
	const struct irqgate_binding *b;
	bool direct = may_be_direct();
	struct binding_walk w = {};
	struct listeners all;
	int more = listeners_read(pins, &all);

	if (more)
		return fail(more, "cannot read the irqfds: %s", strerror(-more));
	while ((more = binding_next(pins, &w)) > 0) {
		const struct irqgate_irqfd *irqfd;
		struct json_object *o;
		__u64 eventfd;
		size_t n;

		b = &w.b;
		eventfd = b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger;
		/* If several VMs listen, show the first. */
		irqfd = eventfd ? listeners_of(&all, eventfd, &n) : NULL;
		o = json_object_new_object();
		put_handle(o, b->handle);
		put_num(o, "vector", b->vector);
		put_num(o, "irq", b->line);
		put_ptr(o, "eventfd", eventfd);
		put_vm(o, pins, irqfd ? irqfd->vm : 0);
		json_object_object_add(o, "gsi", irqfd ? json_object_new_int64(irqfd->gsi) : NULL);
		put_gd(o, pins, b->gd);
		put_str(o, "state", name_of(&names_binding, b->state));
		json_object_object_add(o, "direct", json_object_new_boolean(irqfd && direct));
		put_str(o, "verdict", name_of(&names_verdict, b->verdict));
		put_str(o, "reason", name_of(&names_reason, b->reason));
		put_num(o, "pid", b->binder.tgid);
		json_object_array_add(rows, o);
	}
	listeners_free(&all);
	return more;
}

/* Counters of losses. They are on the row that belongs to no device. */
static void put_losses(struct json_object *o, const struct pins *pins)
{
	put_num(o, "lost_events", pins->state->lost_events);
	put_num(o, "lost_bindings", pins->state->lost_bindings);
	put_num(o, "unknown_msis", pins->state->unknown_msis);
	put_num(o, "missed_runs", hooks_missed());
}

static int show_stats(struct pins *pins, struct json_object *out)
{
	struct snapshot snap;
	int err = snapshot_take(pins, &snap);
	size_t i;

	for (i = 0; i < snap.n; i++) {
		struct json_object *o = json_object_new_object();
		const struct snapshot_row *row = &snap.row[i];

		put_handle(o, row->handle);
		put_num(o, "vector", row->vector);
		put_gd(o, pins, row->owner);
		put_num(o, "passed", row->count.passed);
		put_num(o, "dropped", row->count.dropped);
		put_num(o, "denied", row->count.denied);
		put_num(o, "would_drop", row->count.would_drop);
		put_num(o, "leaked", row->count.leaked);
		put_num(o, "audited", row->count.audited);
		put_num(o, "replayed", row->count.replayed);
		if (!row->handle && !row->vector)
			put_losses(o, pins);
		json_object_array_add(out, o);
	}
	snapshot_free(&snap);
	return err;
}

static int show_hooks(struct pins *pins, struct json_object *rows)
{
	struct hook_status st;
	unsigned int i;

	(void)pins;
	for (i = 0; i < nhooks; i++) {
		struct json_object *o = json_object_new_object();

		hook_status(&hooks[i], &st);
		put_str(o, "hook", hooks[i].name);
		put_str(o, "function", hooks[i].function);
		put_str(o, "variant", st.variant);
		put_str(o, "state", hook_states[st.state]);
		put_num(o, "runs", st.runs);
		put_num(o, "missed", st.missed);
		put_str(o, "what", hooks[i].what);
		json_object_array_add(rows, o);
	}
	return 0;
}

/* Interrupts of a function that reached a host driver or an eventfd. */
static __u64 delivered(const struct snapshot *snap, __u64 handle)
{
	__u64 n = 0;
	size_t i;

	for (i = 0; i < snap->n; i++)
		if (snap->row[i].handle == handle)
			n += snap->row[i].count.passed + snap->row[i].count.would_drop +
			     snap->row[i].count.leaked;
	return n;
}

static int show_firmware(struct pins *pins, struct json_object *out)
{
	static const char *const states[] = { "none", "registered", "deregistered", "gone" };
	static const char *const sources[] = { "seen", "found" };
	struct firmware_row *fw = NULL;
	struct snapshot snap = {};
	struct rows rows = {};
	char time[WALL_TIME_LEN];
	int n, i;

	n = pins->firmware < 0 ? -EOPNOTSUPP : table_read(pins, &rows) ?: snapshot_take(pins, &snap);
	if (!n)
		n = firmware_read(pins, &rows, &fw);
	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		const struct irqgate_firmware *f = &fw[i].fw;
		bool directed = f->fib.format == IRQGATE_AIRQ_DIRECTED;

		put_hex(o, "fid", f->fid, 1);
		put_hex(o, "fh", f->fh, 8);
		put_handle(o, f->handle);
		put_str(o, "state", states[f->state & 3]);
		put_str(o, "format", directed ? "directed" : "floating");
		put_fib(o, f);
		put_num(o, "noi", f->fib.noi);
		put_num(o, "sum", f->fib.sum);
		put_hex(o, "gd", f->fib.gd, 1);
		put_num(o, "cc", f->cc);
		put_str(o, "source", sources[f->source & 1]);
		put_num(o, "registered", f->registered);
		put_num(o, "deregistered", f->deregistered);
		put_num(o, "failed", f->failed);
		put_num(o, "handles", f->handles);
		put_str(o, "changed", f->changed ? wall_time(f->changed, time) : NULL);
		put_num(o, "delivered", delivered(&snap, f->handle));
		json_object_array_add(out, o);
	}
	free(fw);
	snapshot_free(&snap);
	rows_free(&rows);
	return n < 0 ? n : 0;
}

static const char *cell(struct json_object *o, const char *key)
{
	struct json_object *v = json_object_object_get(o, key);

	return v ? json_object_get_string(v) : "-";
}

/* Adds a value to a text: the elements of an array, the members of an object in it. */
static void put_value(FILE *f, struct json_object *v)
{
	const char *separator = "";
	size_t i;

	if (json_object_is_type(v, json_type_array)) {
		for (i = 0; i < json_object_array_length(v); i++) {
			fputs(i ? "," : "", f);
			put_value(f, json_object_array_get_idx(v, i));
		}
	} else if (json_object_is_type(v, json_type_object)) {
		json_object_object_foreach(v, key, member) {
			(void)key;
			fputs(separator, f);
			put_value(f, member);
			separator = "/";
		}
	} else {
		fputs(v ? json_object_get_string(v) : "-", f);
	}
}

/* Makes a text of each array in a row, because a cell has no structure. */
static void flatten(struct json_object *row)
{
	json_object_object_foreach(row, key, value) {
		char *text = NULL;
		size_t len;
		FILE *f;

		if (!json_object_is_type(value, json_type_array))
			continue;
		f = open_memstream(&text, &len);
		if (f) {
			put_value(f, value);
			fclose(f);
		}
		put_str(row, key, text && *text ? text : NULL);
		free(text);
	}
}

/* A table with a column for each field of the first row, as wide as its widest cell. */
static void print_table(struct json_object *rows)
{
	size_t n = json_object_array_length(rows), i, width;
	struct json_object *first;

	for (i = 0; i < n; i++)
		flatten(json_object_array_get_idx(rows, i));

	if (!n) {
		printf("none\n");
		return;
	}
	first = json_object_array_get_idx(rows, 0);
	for (i = 0; i <= n; i++) {
		struct json_object *row = i ? json_object_array_get_idx(rows, i - 1) : NULL;

		json_object_object_foreach(first, key, value) {
			size_t k;

			(void)value;
			width = strlen(key);
			for (k = 0; k < n; k++) {
				size_t len = strlen(cell(json_object_array_get_idx(rows, k), key));

				width = len > width ? len : width;
			}
			printf("%-*s  ", (int)width, row ? cell(row, key) : key);
		}
		printf("\n");
	}
}

/* Has the field this value, or one of its elements? */
static bool has_value(struct json_object *field, const char *value)
{
	size_t i, n;

	if (json_object_is_type(field, json_type_object)) {
		json_object_object_foreach(field, key, member) {
			(void)key;
			if (has_value(member, value))
				return true;
		}
		return false;
	}
	if (!json_object_is_type(field, json_type_array))
		return !strcmp(field ? json_object_get_string(field) : "-", value);
	n = json_object_array_length(field);
	for (i = 0; i < n; i++)
		if (has_value(json_object_array_get_idx(field, i), value))
			return true;
	return !n && !strcmp(value, "-");
}

/* Is FIELD=VALUE true of a row? -EINVAL: a row has no such field. */
static int filter_row(struct json_object *row, const char *filter)
{
	size_t len = strcspn(filter, "=");
	const char *value = filter + len + 1;
	char name[32], handle[HANDLE_STRLEN];
	struct json_object *field;
	__u64 parsed;

	snprintf(name, sizeof(name), "%.*s", (int)len, filter);
	if (!filter[len] || len >= sizeof(name) || !json_object_object_get_ex(row, name, &field))
		return -EINVAL;
	/* The operator may write a handle in several ways. */
	if (!strcmp(name, "handle") && !handle_parse(value, &parsed))
		value = handle_format(parsed, handle);
	return has_value(field, value);
}

/* Keep the rows for which all filters are true. */
static int filter_rows(struct json_object **rows, char *const filters[], int n)
{
	struct json_object *kept = json_object_new_array(), *row;
	size_t i;
	int j, is;

	for (i = 0; i < json_object_array_length(*rows); i++) {
		row = json_object_array_get_idx(*rows, i);
		for (j = 0, is = 1; j < n && is > 0; j++)
			is = filter_row(row, filters[j]);
		if (is < 0) {
			fprintf(stderr, "irqgate: show: '%s': expected FIELD=VALUE, FIELD one of",
				filters[j - 1]);
			json_object_object_foreach(row, key, value) {
				(void)value;
				fprintf(stderr, " %s", key);
			}
			fputc('\n', stderr);
			json_object_put(kept);
			return -ENOENT;
		}
		if (is)
			json_object_array_add(kept, json_object_get(row));
	}
	json_object_put(*rows);
	*rows = kept;
	return 0;
}

int show(struct pins *pins, const char *what, char *const filters[], int nfilters, bool json)
{
	static const struct {
		const char *name;
		int (*collect)(struct pins *pins, struct json_object *rows);
	} kinds[] = {
		{ "devices", show_devices },   { "vectors", show_vectors },
		{ "contexts", show_contexts }, { "bindings", show_bindings },
		{ "stats", show_stats },       { "hooks", show_hooks },
		{ "firmware", show_firmware }, { "revocations", show_revocations },
	};
	struct json_object *rows;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, what); i++)
		;
	if (i == ARRAY_SIZE(kinds))
		return fail(-ENOENT, "show: unknown '%s', expected " SHOW_KINDS, what);
	rows = json_object_new_array();
	err = kinds[i].collect(pins, rows);
	if (!err && nfilters) {
		err = filter_rows(&rows, filters, nfilters);
		if (err)
			goto out;
	}
	if (err == -EOPNOTSUPP)
		fail(err, "show %s: " FIRMWARE_NONE, what);
	else if (err)
		fail(err, "show %s: %s", what, strerror(-err));
	else if (json)
		printf("%s\n",
		       json_object_to_json_string_ext(
			       rows, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_table(rows);
out:
	json_object_put(rows);
	return err;
}

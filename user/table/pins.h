/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned maps. Every command of irqgate opens them, whether or not a loader runs.
 *
 *   /sys/fs/bpf/irqgate/NAME	     a map of bpf/maps.bpf.h
 *   .../devices vectors matches contexts cgroups paths   the maps of the table in force
 *   .../link_HOOK, link_HOOK_kp     an attached program, by its variant
 *   .../iter_tasks iter_vfio iter_maps iter_kvm, prog_vms prog_judge  adopt and judge
 */
#ifndef IRQGATE_USER_PINS_H
#define IRQGATE_USER_PINS_H

#include <linux/types.h>
#include <stdbool.h>
#include <irqgate/binding.h>
#include <irqgate/table.h>

#define PIN_DIR "/sys/fs/bpf/irqgate"
/* The pins of another version, until the loader takes them over. */
#define PIN_OLD "/sys/fs/bpf/irqgate_old"
#define PIN_LEN 128

/* Descriptors of the pinned maps; -1: not pinned. */
struct pins {
	int outer[IRQGATE_TABLE_MAPS];
	int bindings, passing, eventfds, irqfds, vms, stats, agents, held, isolated, early, events;
	int revoked;
	int firmware, handles; /* s390 only */
	struct irqgate_state *state; /* the mapped map. BPF programs write to it, so use atomics */
	struct irqgate_usage *usage; /* mapped as well; IRQGATE_ACCOUNTS entries */
	__u32 max_rows[IRQGATE_ROOMS]; /* sizes of the maps whose rows @usage counts */
};

/* Names of the maps, by enum irqgate_room. */
extern const char *const room_names[IRQGATE_ROOMS];

/* loader_runs - pid of the loader; 0: none runs. A process that reuses the pid does not count. */
__u32 loader_runs(const struct irqgate_state *state);

/* pins_charge - add @n rows, or subtract them if negative, in an account. */
void pins_charge(const struct pins *pins, __u32 account, enum irqgate_room room, int n);

/* pins_filled - how full a map is, in percent. */
unsigned int pins_filled(const struct pins *pins, enum irqgate_room room);

/* pins_filling - is a map so full that irqgate gives an alarm? */
#define FILLING_PERCENT 80
bool pins_filling(const struct pins *pins);

/* pins_size - how many rows a pinned map can have; 0: it is not pinned. */
__u32 pins_size(const char *name);

/* Names of the table's maps, by enum irqgate_table_map. */
extern const char *const table_map_names[IRQGATE_TABLE_MAPS];

/* pin_path - full path of a pin; @buf of PIN_LEN; returns @buf. */
const char *pin_path(char *buf, const char *name);

/*
 * pins_trusted - can only root write to a directory of pins, and is it on a bpf file system?
 *
 * bpffs may be mounted so that any user can create directories. Then irqgate would read, fill and
 * enforce maps that another user pinned under irqgate's name.
 * Return: 0; -ENOTDIR or -EPERM: no, and prints the reason; or the negative errno of lstat(2).
 */
int pins_trusted(const char *dir);

/*
 * pins_map - a map by the name of its pin
 * @type, @key, @value: the expected type and sizes of key and value. If an entry were larger than
 *	  the caller's buffer, the kernel would write past the buffer.
 * Return: a descriptor; -ENOENT: not pinned; or a negative errno, and prints the error.
 */
int pins_map(const char *name, __u32 type, __u32 key, __u32 value);

/*
 * pins_open - open the maps of the loaded irqgate
 * Return: 0; -ENOENT: irqgate is not loaded; -ESTALE: its maps are of another
 * layout; or another negative errno. Prints the error.
 */
int pins_open(struct pins *pins);
void pins_close(struct pins *pins);

/* pins_remove - remove everything pinned in @dir; returns 0 or a negative errno. */
int pins_remove(const char *dir);

/*
 * pins_call - run a pinned program once
 * @name: prog_vms adopts the existing VMs; prog_sweep removes rows of objects that the last search
 *        did not find; prog_firmware and prog_owners read what s390's firmware holds
 * Return: 0, also if the program is not pinned because its module is not loaded; or a negative
 * errno. Prints the error.
 */
int pins_call(const char *name);

/*
 * pins_judge - judge every binding again by the table in force
 * Return: as pins_call().
 */
int pins_judge(const struct pins *pins);

/*
 * pins_iterate - run a pinned iterator over all files of all processes
 * @name: iter_vfio or iter_kvm; or iter_maps, over all mappings of all processes
 * @each: called for every record; a non-zero return ends the walk; may be NULL
 *
 * The iterator adopts the objects it finds, see bpf/adopt.bpf.c.
 * Return: the last return of @each; 0 also if the iterator is not pinned because its module is not
 * loaded; or a negative errno. Prints the error.
 */
int pins_iterate(const char *name, int (*each)(const struct irqgate_file *file, void *arg),
		 void *arg);

/*
 * pins_adopt_tasks - give every process an identity, under the table in force
 *
 * Call it after each change of the table's matches.
 * Return: 0 or a negative errno. Prints the error.
 */
int pins_adopt_tasks(void);

/* counters_add - add each counter of @from to @to. */
void counters_add(struct irqgate_counters *to, const struct irqgate_counters *from);

/* binding_find - get the binding of an irq, with the count of `passing`. Return: 0 or -ENOENT. */
int binding_find(const struct pins *pins, __u32 irq, struct irqgate_binding *out);

/*
 * map_next - walk the keys of a map
 * @prev: the previous key, NULL at the beginning
 * Return: 1: @next is the next key; 0: no more keys; or a negative errno. Prints the error.
 */
int map_next(int map, const void *prev, void *next);

/* A walk over all bindings; begins as {}. */
struct binding_walk {
	struct irqgate_irq_key key;
	struct irqgate_binding b; /* as binding_find() gets it */
	bool begun;
};

/*
 * binding_next - the next binding of a walk, into @walk
 *
 * Leaves out a binding that ends meanwhile. The caller may change or remove the binding.
 * Return: 1; 0: no more bindings; or a negative errno. Prints the error.
 */
int binding_next(const struct pins *pins, struct binding_walk *walk);

#endif

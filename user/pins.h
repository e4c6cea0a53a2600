/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned maps, as any irqgate command finds them, whether or not another
 * one runs as the loader.
 *
 *   /sys/fs/bpf/irqgate/NAME	     a map of bpf/maps.bpf.h
 *   .../devices vectors matches contexts   the four maps of the table in force
 *   .../link_HOOK, link_HOOK_kp     an attached program, by its variant
 *   .../iter_tasks iter_vfio iter_kvm, prog_vms prog_judge  what adopts and judges
 */
#ifndef IRQGATE_USER_PINS_H
#define IRQGATE_USER_PINS_H

#include <linux/types.h>
#include <irqgate/binding.h>
#include <irqgate/table.h>

#define PIN_DIR "/sys/fs/bpf/irqgate"
#define PIN_OLD "/sys/fs/bpf/irqgate_old" /* of another version, until it is taken over */
#define PIN_LEN 128

/* Descriptors of what is pinned; -1 where nothing is. */
struct pins {
	int outer[IRQGATE_TABLE_MAPS];
	int bindings, passing, eventfds, irqfds, vms, stats, agents, held, isolated, early, events;
	int firmware, handles; /* s390 only */
	struct irqgate_state *state; /* the map, mapped: shared with BPF, use atomics */
};

/* Names of the four kinds of table map, by enum irqgate_table_map. */
extern const char *const table_map_names[IRQGATE_TABLE_MAPS];

/* pin_path - full path of a pin; @buf of PIN_LEN; returns @buf. */
const char *pin_path(char *buf, const char *name);

/*
 * pins_trusted - is a directory of pins root's alone, on a bpf file system?
 *
 * bpffs may be mounted so that everybody can make directories: maps that somebody
 * else pinned under our name would be read, filled and enforced by.
 * Return: 0; -ENOTDIR or -EPERM: no, and says so; or the negative errno of lstat(2).
 */
int pins_trusted(const char *dir);

/*
 * pins_map - a map by the name of its pin
 * @type, @key, @value: its type and the sizes of its entries, as the caller's buffers:
 *	  beyond them the kernel would write what a larger entry holds
 * Return: a descriptor; -ENOENT: there is none; or a negative errno, and says so.
 */
int pins_map(const char *name, __u32 type, __u32 key, __u32 value);

/*
 * pins_open - find the maps of an irqgate that was loaded
 * Return: 0; -ENOENT: irqgate is not loaded; -ESTALE: its maps are of another
 * layout; or another negative errno. Says so.
 */
int pins_open(struct pins *pins);
void pins_close(struct pins *pins);

/* pins_remove - remove everything pinned in @dir; returns 0 or a negative errno. */
int pins_remove(const char *dir);

/*
 * pins_call - run a pinned program once
 * @name: prog_vms, adopts the VMs that exist; prog_sweep, forgets what the last search
 *        did not find; prog_firmware and prog_owners, find what s390's firmware holds
 * Return: 0; also when the module the program is for is not there; or a negative
 * errno. Says why.
 */
int pins_call(const char *name);

/*
 * pins_judge - bring the verdict of every binding up to date with the table
 * Return: as pins_call().
 */
int pins_judge(const struct pins *pins);

/*
 * pins_iterate - run a pinned iterator over all files of all processes
 * @name: iter_vfio or iter_kvm
 * @each: called for every record; a non-zero return ends the walk
 *
 * Adopts what it finds, see bpf/adopt.bpf.c.
 * Return: what @each returned last; 0 also when the iterator is not there,
 * because its module is not; or a negative errno.
 */
int pins_iterate(const char *name, int (*each)(const struct irqgate_file *file, void *arg),
		 void *arg);

/*
 * pins_adopt_tasks - give every process an identity, under the table in force
 *
 * After each change of what the table matches.
 * Return: 0 or a negative errno. Says why.
 */
int pins_adopt_tasks(void);

/* counters_add - add each counter of @from to @to. */
void counters_add(struct irqgate_counters *to, const struct irqgate_counters *from);

/* binding_find - entry of an irq, with all that it counted; 0 or -ENOENT. */
int binding_find(const struct pins *pins, __u32 irq, struct irqgate_binding *out);

/*
 * map_next - walk the keys of a map
 * @prev: the last one, NULL at the beginning
 * Return: 1: there is a @next; 0: that was all; or a negative errno. Says why.
 */
int map_next(int map, const void *prev, void *next);

#endif

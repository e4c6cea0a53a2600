/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the running loader, and what the files share that make it up: start.c (from
 * nothing to in force, and back), daemon.c (the loop), stages.c (hook modules that appear),
 * adopt.c (find what exists), host_irq.c (interrupts of host drivers), follow.c (put policies
 * in force), alarms.c (events of its own).
 */
#ifndef IRQGATE_USER_LOADER_H
#define IRQGATE_USER_LOADER_H

#include <sys/types.h>

#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>
#include "loader/access.h"
#include "loader/daemon.h"
#include "s390/firmware.h"
#include "table/pins.h"

struct policy;
struct ring_buffer;

/*
 * An attempt that failed for lack of memory or descriptors may succeed a second later: the loader
 * repeats it so often each second, then more rarely.
 */
#define ENFORCE_TRIES 5
#define ENFORCE_EVERY 10

struct loader {
	const struct run_options *opts;
	struct policy *policy;
	__u64 generation; /* of the table that was made of @policy */
	struct pins pins;
	bool gates; /* the bpf LSM is enabled */
	bool fresh; /* this start found nothing in force */
	bool replacing; /* an upgrade replaces another build's programs, until the start ends */
	struct ring_buffer *ring;
	int epoll, signals, timer, listener, sentinel, files;
	bool check_modules, enforce, check_firmware; /* to do after reading the ring */
	__u32 unhooked; /* as state.unhooked */
	unsigned int unhooked_ticks; /* seconds since the last attempt to hook it */
	nlink_t modules; /* st_nlink of /sys/module */
	unsigned int modules_ticks; /* seconds left to look whether a new module is ready */
	bool inline_tried; /* an attach was tried since the module appeared */
	unsigned int gate_ticks; /* since the inline gate or this loader started */
	__u64 epoch; /* when bindings were last enforced */
	unsigned int failures; /* of enforcing since @epoch moved */
	unsigned int retry_ticks; /* since the last failure */
	unsigned int tidy_ticks; /* seconds between two calls of table_tidy() */
	int until_tidy;
	unsigned int isolated_ticks; /* since the last check of isolated devices */
	bool unsearched; /* the last search failed */
	unsigned int events_read; /* in this turn */
	unsigned int eventfds; /* rows checked beyond EVENTFDS_A_SECOND */
	bool filling[IRQGATE_ROOMS], untold; /* as loader_check_room() saw it last */
	__u64 reviewed; /* state.changes at the last review of mappings */
	unsigned int review_ticks; /* seconds left until the review is repeated; 0: none is due */
	struct review mapped; /* what was reported */
	__u64 skipped; /* hooks_skipped() at the last search */
	__u64 unprinted; /* events that stdout did not take */
	struct firmware_findings firmware; /* differences that were reported */
	__u64 compared; /* generation of the table at the last comparison with firmware */
};

/* ---- start.c ---- */

/*
 * loader_start - put the table in force, attach the gates, and adopt what existed before them
 *
 * Return: 0, or a negative errno after a message. Then call loader_undo_start().
 */
int loader_start(struct loader *l);

/* loader_undo_start - undo this start. What an earlier irqgate put in force stays. */
void loader_undo_start(struct loader *l);

/* loader_leave - continue every process that waits for the loader, because it ends */
void loader_leave(struct loader *l);

/* ---- daemon.c ---- */

/* loader_policy_path - of the policy file, NULL: there is none */
const char *loader_policy_path(const struct run_options *opts);

/* loader_load_policy - read it. Return: 0 or a negative errno. Says why. */
int loader_load_policy(const struct run_options *opts, struct policy **policy);

/* loader_beat - a sign of life. Without it the gates refuse binds that need a quarantine. */
void loader_beat(struct loader *l);

/* loader_notify_status - the line that `systemctl status` shows */
void loader_notify_status(struct loader *l);

/* loader_settle - quarantine and release what is due; @loader: struct loader. For the guard. */
int loader_settle(void *loader);

int loader_open_loop(struct loader *l);
int loader_loop(struct loader *l);

/* ---- stages.c ---- */

/* stages_all_hooked - the stages of VFIO and KVM are loaded, and nothing lacks hooks */
bool stages_all_hooked(const struct loader *l);

/*
 * stages_load - load the stages of the modules that are there
 *
 * Return: 0, or the last error of a stage whose module is there. stages_load_first() returns 0
 * in audit mode also for what this kernel does not let irqgate hook.
 */
int stages_load(struct loader *l);
int stages_load_first(struct loader *l);

/* stages_handle_modules - hook modules that appeared, and adopt what was bound before */
void stages_handle_modules(struct loader *l);

/* stages_check_inline - attach to, or detach from, the kernel module of the inline gate */
void stages_check_inline(struct loader *l);

/* stages_change - did a module appear within the last seconds? */
bool stages_change(struct loader *l);

/* stages_due - is it time to try again what could not be hooked? */
bool stages_due(struct loader *l);

/* ---- adopt.c ---- */

/*
 * loader_search - find objects that no hook saw, forget those whose end no hook saw
 *
 * A search that missed nothing ends an overflow (untold() of bpf/maps.bpf.h). Call under
 * lock_changes(). loader_search_skipped() searches only if the kernel skipped a hook since the
 * last search; @loader: struct loader. loader_adopt() also acts on what it finds, and takes the
 * lock itself. Return: 0 or a negative errno.
 */
int loader_search(struct loader *l);
/*
 * loader_search_cut - did the last search leave out objects? A list of the kernel changed under its
 * walk, or a VM has no row. Such a search ends nothing, and tick() repeats it.
 */
bool loader_search_cut(const struct loader *l);
int loader_search_skipped(void *loader);
int loader_adopt(struct loader *l);

/* loader_forget_eventfds - remove rows of eventfds whose last reference no hook saw */
void loader_forget_eventfds(struct loader *l);

/* ---- host_irq.c ---- */

/* host_irq_learn - make the binding of a host driver's MSI, which BPF cannot in an interrupt */
void host_irq_learn(struct loader *l, const struct irqgate_event *ev);

/* host_irqs_forget - end the bindings whose irq has no driver any more */
void host_irqs_forget(struct loader *l);

/* ---- follow.c ---- */

/* loader_publish - put l->policy in force. Return: 0 or a negative errno. */
int loader_publish(struct loader *l);

/*
 * loader_reload - put the policy file in force, if it is valid
 * @always: also if it is the policy in force, which undoes `irqgate allow`
 */
void loader_reload(struct loader *l, bool always);

/* loader_follow - find what the policy names and what was not there yet; once a second */
void loader_follow(struct loader *l);

/* ---- alarms.c ---- */

/*
 * loader_check_mapped - after a change of the table, find, report and contain the processes that
 * have a device mapped which they may not use
 */
void loader_check_mapped(struct loader *l);

void loader_report(struct loader *l, const struct irqgate_event *ev);

/* loader_report_own - an event that is about no device */
void loader_report_own(struct loader *l, enum irqgate_verdict verdict, enum irqgate_reason reason,
		       enum irqgate_level level);

/* loader_check_sentinel - prove that the hooks fire: the injection gate must see a write */
void loader_check_sentinel(struct loader *l);

/* loader_check_room - an alarm for each map that fills, and for each row there was no room for */
void loader_check_room(struct loader *l);

/* loader_check_firmware - compare the table with what firmware was told (s390) */
void loader_check_firmware(struct loader *l);

#endif

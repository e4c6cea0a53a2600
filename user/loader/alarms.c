// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/util.h"
#include "loader/access.h"
#include "loader/events.h"
#include "loader/loader.h"
#include "s390/firmware.h"

void loader_report(struct loader *l, const struct irqgate_event *ev)
{
	if (may_write(stdout))
		event_print(stdout, &l->pins, ev, l->opts->json);
	else
		l->unprinted++;
	monitor_send(ev);
}

void loader_report_own(struct loader *l, enum irqgate_verdict verdict, enum irqgate_reason reason,
		       enum irqgate_level level)
{
	struct irqgate_event ev = {
		.time = boottime_ns(),
		.type = IRQGATE_EVENT_VERDICT,
		.verdict = verdict,
		.reason = reason,
		.level = level,
		.gd_expected = IRQGATE_GD_NONE,
		.gd_actual = IRQGATE_GD_NONE,
		.count = 1,
	};

	loader_report(l, &ev);
}

/* A difference between firmware and table is an event once, when it appears. */
void loader_check_firmware(struct loader *l)
{
	struct firmware_findings found;
	struct irqgate_event ev;
	size_t i;

	l->check_firmware = false;
	l->compared = l->pins.state->generation;
	if (firmware_check(&l->pins, &found)) {
		l->compared = 0; /* again in a second */
		return;
	}
	for (i = 0; i < found.n; i++) {
		const struct firmware_finding *f = &found.finding[i];

		if (firmware_known(&l->firmware, f))
			continue;
		ev = (struct irqgate_event){
			.time = boottime_ns(),
			.type = IRQGATE_EVENT_VERDICT,
			.handle = f->handle,
			.vector = IRQGATE_VECTOR_FUNCTION,
			.verdict = f->verdict,
			.reason = f->reason,
			.gd_expected = f->expected,
			.gd_actual = f->actual,
			.count = vectors_count(&f->vectors) ?: 1,
		};
		loader_report(l, &ev);
	}
	firmware_free(&l->firmware);
	l->firmware = found;
}

/* kernel.ftrace_enabled=0 detaches every trampoline, and the kernel reports nothing. */
void loader_check_sentinel(struct loader *l)
{
	__u64 one = 1, seen = __atomic_load_n(&l->pins.state->sentinel, __ATOMIC_RELAXED);
	bool alive;

	if (!l->gates)
		return;
	if (write(l->sentinel, &one, sizeof(one)) < 0 && errno == EAGAIN &&
	    read(l->sentinel, &one, sizeof(one)) > 0 && write(l->sentinel, &one, sizeof(one)) < 0)
		return;
	alive = __atomic_load_n(&l->pins.state->sentinel, __ATOMIC_RELAXED) != seen;
	if (alive == !l->pins.state->alarm)
		return;
	l->pins.state->alarm = alive ? 0 : boottime_ns();
	loader_report_own(l, IRQGATE_VERDICT_ALARM,
			  alive ? IRQGATE_REASON_RECOVERED : IRQGATE_REASON_SILENT,
			  IRQGATE_LEVEL_NONE);
	loader_notify_status(l);
	if (alive) {
		loader_adopt(l); /* the hooks missed objects that were made or ended */
		l->reviewed = 0; /* and mappings */
	}
	msg(alive ? "the hooks fire again"
		  : "ALARM: the hooks do not fire, nothing is enforced; is kernel.ftrace_enabled "
		    "0?");
}

void loader_check_room(struct loader *l)
{
	bool untold = l->pins.state->overflow != l->pins.state->recovered;
	enum irqgate_room room;
	bool filling = false;

	for (room = 0; room < IRQGATE_ROOMS; room++) {
		bool full = pins_filled(&l->pins, room) >= FILLING_PERCENT;

		if (full && !l->filling[room])
			msg("ALARM: the map %s is %u %% full: what finds no room is refused",
			    room_names[room], pins_filled(&l->pins, room));
		if (full && !l->filling[room])
			loader_report_own(l, IRQGATE_VERDICT_ALARM, IRQGATE_REASON_FILLING,
					  IRQGATE_LEVEL_NONE);
		filling |= full || l->filling[room];
		l->filling[room] = full;
	}
	if (untold && !l->untold) {
		if (l->pins.state->unseen != l->pins.state->found)
			msg("ALARM: something was made for which a map had no room; nothing new "
			    "is bound until there is");
		else
			msg("ALARM: a map had no room for a VM or an irqfd; what would signal it "
			    "is refused until there is");
		loader_report_own(l, IRQGATE_VERDICT_ALARM, IRQGATE_REASON_OVERFLOW,
				  IRQGATE_LEVEL_NONE);
	}
	if ((l->untold || filling) && !untold && !pins_filling(&l->pins)) {
		msg("the maps have room again");
		loader_report_own(l, IRQGATE_VERDICT_ALARM, IRQGATE_REASON_EMPTIED,
				  IRQGATE_LEVEL_NONE);
	}
	l->untold = untold;
}

/*
 * Seconds after which a mapping shows that was being made when the table changed; between two looks
 * while a process has what it may not use, or while a look fails; and between two looks otherwise.
 */
#define REVIEW_AGAIN 3
#define REVIEW_FOUND 10
#define REVIEW_EVERY 60

static bool reported(const struct review *r, const struct mapped *m)
{
	__u32 i;

	for (i = 0; i < r->n; i++)
		if (!memcmp(&r->of[i], m, sizeof(*m)))
			return true;
	return false;
}

static void report_mapped(struct loader *l, const struct mapped *m)
{
	struct irqgate_event ev = {
		.time = boottime_ns(),
		.type = IRQGATE_EVENT_VERDICT,
		.handle = m->handle,
		.vector = IRQGATE_VECTOR_FUNCTION,
		.verdict = m->verdict == IRQGATE_VERDICT_AUDIT ? IRQGATE_VERDICT_AUDIT
							       : IRQGATE_VERDICT_LEAK,
		.reason = m->reason,
		.level = IRQGATE_LEVEL_ACCESS,
		.gd_expected = IRQGATE_GD_NONE,
		.gd_actual = m->gd,
		.pid = m->tgid,
		.count = 1,
	};

	process_comm(m->tgid, ev.comm, sizeof(ev.comm));
	loader_report(l, &ev);
}

static void review_mapped(struct loader *l)
{
	struct review found;
	bool before;
	__u32 i;

	if (access_review(&l->pins, &found)) {
		/* Not more often: each look may take seconds, because a process makes it wait. */
		l->review_ticks = REVIEW_FOUND;
		return;
	}
	for (i = 0; i < found.n; i++) {
		before = reported(&l->mapped, &found.of[i]);
		if (!before)
			report_mapped(l, &found.of[i]);
		access_contain(&l->pins, &found.of[i], before ? CONTAIN_AGAIN : CONTAIN_FIRST);
	}
	l->mapped = found;
	if (l->review_ticks != REVIEW_AGAIN)
		l->review_ticks = found.n ? REVIEW_FOUND : REVIEW_EVERY;
}

void loader_check_mapped(struct loader *l)
{
	__u64 changes = __atomic_load_n(&l->pins.state->changes, __ATOMIC_SEQ_CST);
	int lock;

	if (l->reviewed == changes && l->review_ticks && --l->review_ticks)
		return;
	/* A process that changes the table gives the identities their place in it at the end. */
	lock = lock_changes();
	if (lock < 0)
		return;
	if (l->reviewed != changes)
		l->review_ticks = REVIEW_AGAIN;
	l->reviewed = changes;
	review_mapped(l);
	close(lock);
}

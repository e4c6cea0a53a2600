// SPDX-License-Identifier: GPL-2.0-only
/*
 * access.PATH.MODE.WHO: every way to use a device that the policy gives to one context, by a
 * process of that context, by a broker, by one of another context, and by one of its own context
 * after a revocation; in enforce mode and in audit mode. Each holds the device file, so only the
 * gate stops it. A cell reads first at the device whether the attempt changed anything: the owner
 * reads the register or the configuration space. Then it compares irqgate's counters, exactly,
 * and its events.
 *
 * All paths of a mode and an actor share a policy, a loader and the cast: the same processes.
 *
 * access.*: the same device under other policies. access.evade.*: ways around the gate.
 * access.pair.*: two functions that share a group and a bus. modules.access: VFIO comes later.
 */
#include "fixture.h"
#include "worker-access.h"

#include <irqgate/table.h>

#include <errno.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ARRIVE_MS 2000
#define SETTLE_MS 60
#define QUIET_MS 1000 /* for a report that must not come */
#define REPORT_MS 5000
#define HOOK_MS 60000

#define BROKER "t/broker"
#define EVENTFDS 4
#define TIED 1 /* this eventfd of the owner writes to the register */
#define CONFIG_BEFORE 0x40

/* igb, if the machine has one: VFIO can reset it. The scratch register of both is the same. */
static const struct device *card;

static const char *const modes[] = { "enforce", "audit" };
enum { ENFORCED, AUDITED, MODES };

enum who { OWNER, BROKERING, FOREIGN, REVOKED, WHO };
static const struct {
	const char *name, *cgroup, *reason;
} actors[] = {
	[OWNER] = { "owner", BLUE, "registered" },
	[BROKERING] = { "broker", BROKER, "broker" },
	[FOREIGN] = { "foreign", RED, "context" },
	[REVOKED] = { "revoked", BLUE, "revoked" },
};

struct path {
	const char *name;
	enum attempt what;
	unsigned int calls; /* that the gate counts in audit mode; 0: one */
	unsigned int refused; /* that it refuses in enforce mode; 0: one */
	bool holds; /* a broker may do it */
	long passes; /* the result where the gate lets it pass */
	long passes_too; /* QEMU's result of the same, 0: none other */
	bool reads; /* then its result is what the owner wrote */
	void (*prepare)(void);
	long (*fire)(void); /* NULL: `what` */
	long (*changed)(void); /* 1: the owner sees its effect; NULL: it has none */
	bool by_device; /* the owner needs the device file to see that */
	bool mapped; /* no attempt: the actor has the device mapped */
	const char *level; /* NULL: access */
};

struct cell {
	const struct path *path;
	int mode;
	enum who who;
};

/* ---- policy ---------------------------------------------------------------------- */

#define ACCESS_CONTEXTS CONTEXTS "  - { name: broker, match: { cgroup: /t/broker } }\n"
#define ACCESS_ROW                                                                                 \
	"  - { handle: \"%s\", context: %s, vectors: all, on_violation: deny, access: owner, "     \
	"brokers: [broker] }\n"

/* One device belongs to blue, with the lines of @mode before it. */
static void own(const char *mode, const struct device *d)
{
	loader_with("%s" ACCESS_CONTEXTS "devices:\n" ACCESS_ROW, mode, d->handle, "blue");
}

/* As before this feature: everybody who has the file may use it. */
static void own_any(const char *mode, const struct device *d)
{
	loader_with("%s" ACCESS_CONTEXTS "devices:\n" ROW, mode, d->handle, "blue", "all", "deny");
}

/* ---- steps ----------------------------------------------------------------------- */

static long use(struct worker *w, enum access_op op, uint32_t a, uint32_t b, uint32_t c)
{
	return ask(w, (enum worker_op)op, a, b, c);
}

static long used(struct worker *w, enum access_op op, uint32_t a, uint32_t b, uint32_t c)
{
	long ret = use(w, op, a, b, c);

	expect(ret >= 0, "step %d(%u, %u, %u): %s", op, a, b, c, rig_errname((int)ret));
	return ret;
}

static long use_text(struct worker *w, enum access_op op, const struct device *d)
{
	return ask_text(w, (enum worker_op)op, d->bdf);
}

/* @what may have the bits TRY_COMPAT and TRY_SPARE. */
static long attempt_on(struct worker *w, const struct device *d, unsigned int what, uint32_t value)
{
	return ask_all(w, (enum worker_op)A_TRY, what, value, 0, d->bdf, -1);
}

static long attempt(struct worker *w, unsigned int what, uint32_t value)
{
	return attempt_on(w, card, what, value);
}

static struct worker *owner_of(const struct device *d)
{
	struct worker *w = worker_new(BLUE);
	long n = ask_text(w, W_OPEN, d->bdf);

	expect(n >= d->vectors, "cannot open %s: %s", d->bdf, rig_errname((int)n));
	must(w, W_EVENTFDS, EVENTFDS, 0, 0);
	return w;
}

/* @to gets this file of @from by SCM_RIGHTS. Result: 1, if it came. */
static long hand_over(struct worker *from, struct worker *to, enum access_file which)
{
	make_peers(from, to);
	used(from, A_GIVE, which, 0, 0);
	return use(to, A_TAKE, which, 0, 0);
}

/* A process in @cgroup that has all that @w has: the device, its group and container. */
static struct worker *holder_of(struct worker *w, const char *cgroup)
{
	struct worker *heir = heir_of(w, cgroup, W_ALL);

	expect_is(hand_over(w, heir, FILE_GROUP), 1, "passing the group");
	expect_is(hand_over(w, heir, FILE_CONTAINER), 1, "passing the container");
	return heir;
}

static uint32_t fresh_value(void)
{
	static uint32_t serial;

	return 0x10000000 + ++serial;
}

/* @what by @w is refused, and the owner sees the value that it wrote itself. */
static void expect_refused(struct worker *w, struct worker *owner, unsigned int what,
			   const char *by)
{
	uint32_t before = fresh_value();

	used(owner, A_POKE, before, 0, 0);
	expect_is(attempt(w, what, fresh_value()), -EACCES, "attempt %u by %s", what, by);
	nap(SETTLE_MS);
	expect_is(use(owner, A_PEEK, 0, 0, 0), before, "the register after attempt %u by %s", what,
		  by);
}

/* @what by @w writes to the register. */
static void expect_written(struct worker *w, struct worker *owner, unsigned int what,
			   const char *by)
{
	uint32_t after = fresh_value();

	expect_is(attempt(w, what, after), 0, "attempt %u by %s", what, by);
	expect(wait_for(ARRIVE_MS, use(owner, A_PEEK, 0, 0, 0) == after),
	       "the owner does not see attempt %u by %s", what, by);
}

/* irqgate sends an event for the first eight counts of a row, then at powers of two. */
static bool is_due(long count)
{
	return count <= 8 || !(count & (count - 1));
}

/* Since mark() irqgate refused @w something, and reported that if a report was due. */
static void expect_denied(struct worker *w, const char *reason)
{
	struct counts_step step = counts_step(card->handle, IRQGATE_VECTOR_FUNCTION);
	long n = step.now.denied - step.row.denied;

	expect(step.row.denied, "no refusal was counted");
	while (++n <= step.now.denied && !is_due(n))
		;
	expect(n > step.now.denied || wait_for(ARRIVE_MS, event_by(w->pid, "deny", reason, "access",
								   card->handle)),
	       "no event of refusal %ld", n);
}

/* ---- cast ------------------------------------------------------------------------ */

static struct {
	bool there;
	int mode;
	enum who who;
	pid_t loader;
	struct worker *owner;
	struct worker *actor; /* inherited the device, and has a mapping from before the rule */
	struct worker *receiver; /* of the actor's context, without the device */
	uint32_t tied; /* what the owner's eventfd writes to the register */
	bool reported; /* irqgate reported that mapping */
} cast;

/* The cell that runs. */
static struct {
	const struct path *path;
	uint32_t before, after; /* of the register, or of what the path changes */
	long fired;
} now;

/* Does the gate refuse what a path does? A revocation holds in audit mode, too. */
static bool bad(const struct path *p, enum who who)
{
	return who != OWNER && !(who == BROKERING && p->holds);
}

static bool refuses(int mode, enum who who)
{
	return mode == ENFORCED || who == REVOKED;
}

/* The owner does something for which it needs its device. */
static long as_owner(long (*what)(void))
{
	long ret;

	if (cast.who == REVOKED)
		verb(0, "allow", card->handle, "all", "--to", "blue", NULL);
	ret = what();
	if (cast.who == REVOKED)
		verb(0, "revoke", card->handle, "all", NULL);
	return ret;
}

/* ---- the register ---------------------------------------------------------------- */

/* The owner's mapping is older than the revocation, so it needs no permission. */
static void prepare_register(void)
{
	now.before = fresh_value();
	now.after = fresh_value();
	used(cast.owner, A_POKE, now.before, 0, 0);
}

/* -EIO: neither the value before nor the one after. */
static long register_became(uint32_t after)
{
	long value = use(cast.owner, A_PEEK, 0, 0, 0);

	return value == after ? 1 : value == now.before ? 0 : -EIO;
}

static long register_changed(void)
{
	return register_became(now.after);
}

static long register_reset(void)
{
	return register_became(0);
}

static void prepare_reset(void)
{
	if (cast.who != REVOKED && !used(cast.owner, A_RESETS, 0, 0, 0))
		test_skip("VFIO cannot reset this device");
	prepare_register();
}

static long hot(void)
{
	return use(cast.owner, A_HOT, 0, 0, 0);
}

static void prepare_hot_reset(void)
{
	long functions = as_owner(hot);

	if (functions == -ENODEV)
		test_skip("no bus or slot here can be reset");
	expect_is(functions, 1, "functions that a hot reset would reset");
	prepare_register();
}

static void prepare_signal(void)
{
	prepare_register();
	now.after = cast.tied;
}

static long signal_tied(void)
{
	return ask(cast.actor, W_SIGNAL, TIED, BY_CALL, 0);
}

/* ---- other state ------------------------------------------------------------------ */

static void prepare_config(void)
{
	now.before = CONFIG_BEFORE;
	now.after = CONFIG_BEFORE + 1;
	if (cast.who != REVOKED)
		expect_is(attempt(cast.owner, TRY_CONFIG_WRITE, now.before), 0,
			  "a configuration write by the owner");
}

static long config_changed(void)
{
	long value = use(cast.owner, A_CONFIG, 0, 0, 0);

	return value == now.after ? 1 : value == now.before ? 0 : value < 0 ? value : -EIO;
}

static long device_sleeps(void)
{
	return use(cast.owner, A_ASLEEP, 0, 0, 0);
}

/* The number of the page. */
static void prepare_dma(void)
{
	static uint32_t page;

	now.after = page++;
}

static long dma_mapped(void)
{
	return use(cast.owner, A_DMA_TAKEN, now.after, 0, 0);
}

/* The owner's vector ends, or its interrupt arrives. */
static void prepare_vector(void)
{
	ask(cast.owner, W_TAKE, 0, 0, 0);
}

static long vector_ended(void)
{
	must(cast.owner, W_RAISE, 0, 1, 1);
	return !ask(cast.owner, W_COUNT, 0, ARRIVE_MS, 0);
}

static long receive_device(void)
{
	make_peers(cast.owner, cast.receiver);
	used(cast.owner, A_GIVE, FILE_DEVICE, 0, 0);
	return use(cast.receiver, A_TAKE, FILE_SPARE, 0, 0) ? 0 : -EACCES;
}

/* ---- the table -------------------------------------------------------------------- */

#define REGISTER(name_, what_)                                                                     \
	{                                                                                          \
		.name = name_, .what = what_, .prepare = prepare_register,                         \
		.changed = register_changed                                                        \
	}
#define READS(name_, what_, prepare_)                                                              \
	{                                                                                          \
		.name = name_, .what = what_, .reads = true, .prepare = prepare_                   \
	}
#define NEEDLESS(name_, what_, holds_, errno_)                                                     \
	{                                                                                          \
		.name = name_, .what = what_, .holds = holds_, .passes = -(errno_)                 \
	}

/* The paths that reset the device are the last, because they end the vectors. */
static const struct path paths[] = {
	{ .name = "open", .what = TRY_OPEN, .holds = true },
	{ .name = "info", .what = TRY_INFO, .holds = true, .calls = 4, .refused = 4 },
	{ .name = "receive", .fire = receive_device, .holds = true, .level = "possession" },
	NEEDLESS("container_set", TRY_JOIN, true, EINVAL),
	NEEDLESS("container_unset", TRY_LEAVE, true, EBUSY),
	NEEDLESS("set_iommu", TRY_IOMMU, true, EINVAL),
	{ .name = "dma_map",
	  .what = TRY_DMA_MAP,
	  .prepare = prepare_dma,
	  .changed = dma_mapped,
	  .by_device = true },
	NEEDLESS("dma_unmap", TRY_DMA_UNMAP, false, 0),
	READS("region_read", TRY_READ, prepare_register),
	READS("region_read_uring", TRY_READ_URING, prepare_register),
	REGISTER("region_write", TRY_WRITE),
	REGISTER("region_write_uring", TRY_WRITE_URING),
	READS("config_read", TRY_CONFIG_READ, prepare_config),
	{ .name = "config_write",
	  .what = TRY_CONFIG_WRITE,
	  .prepare = prepare_config,
	  .changed = config_changed,
	  .by_device = true },
	REGISTER("mmap", TRY_MAP),
	{ .name = "mapped_before", .mapped = true },
	{ .name = "ioeventfd",
	  .what = TRY_IOEVENTFD,
	  .calls = 2,
	  .prepare = prepare_register,
	  .changed = register_changed },
	{ .name = "ioeventfd_signal",
	  .fire = signal_tied,
	  .prepare = prepare_signal,
	  .changed = register_changed },
	{ .name = "feature", .what = TRY_FEATURE, .changed = device_sleeps, .by_device = true },
	{ .name = "irq_disable",
	  .what = TRY_DISABLE,
	  .prepare = prepare_vector,
	  .changed = vector_ended,
	  .by_device = true },
	{ .name = "reset", .what = TRY_RESET, .prepare = prepare_reset, .changed = register_reset },
	{ .name = "hot_reset",
	  .what = TRY_HOT_RESET,
	  .passes_too = -ENOTTY, /* its port does not say that the link is up again */
	  .prepare = prepare_hot_reset,
	  .changed = register_reset },
};

#define PATHS (sizeof(paths) / sizeof(paths[0]))

/* ---- running a cell --------------------------------------------------------------- */

#define CELLS (PATHS * MODES * WHO)

static struct cell cells[CELLS];
static struct test tests[CELLS];

/* The owner connects what the paths need, as long as it may. */
static void prepare_owner(void)
{
	cast.tied = fresh_value();
	used(cast.owner, A_TIE, TIED, cast.tied, 0);
	must(cast.owner, W_VFIO, 0, 1, 0);
	expect_is(attempt(cast.owner, TRY_CONFIG_WRITE, CONFIG_BEFORE), 0,
		  "a configuration write by the owner");
}

/* Sets up policy and cast of a mode and an actor. */
static void enter(int mode, enum who who)
{
	const char *header = mode == AUDITED ? AUDIT : ENFORCE;

	if (cast.there && cast.mode == mode && cast.who == who && cast.loader == loader_pid())
		return;
	workers_end();
	memset(&cast, 0, sizeof(cast));
	cast.mode = mode;
	cast.who = who;
	revocations_forget();
	own_any(header, card);
	cast.loader = loader_pid();
	cast.owner = owner_of(card);
	cast.actor = holder_of(cast.owner, actors[who].cgroup);
	cast.receiver = worker_new(actors[who].cgroup);
	used(cast.actor, A_MAP, 0, 0, 0);
	mark();
	own(header, card);
	prepare_owner();
	if (who == REVOKED)
		verb(0, "revoke", card->handle, "all", NULL);
	cast.reported = wait_for(who == OWNER ? QUIET_MS : REPORT_MS,
				 event_by(cast.actor->pid, refuses(mode, who) ? "leak" : "audit",
					  actors[who].reason, "access", card->handle));
	cast.there = true;
}

static void expect_counted(bool passes)
{
	struct counts_step step = counts_step(card->handle, IRQGATE_VECTOR_FUNCTION);
	const char *level = now.path->level ? now.path->level : "access";
	bool ok = !bad(now.path, cast.who);
	struct counts want = {};
	char text[128];
	long count;

	if (!ok && passes)
		want.audited = now.path->calls ? now.path->calls : 1;
	else if (!ok)
		want.denied = now.path->refused ? now.path->refused : 1;
	expect(step.row.denied == want.denied && step.all.denied == want.denied,
	       "denied %ld, expected %ld; %s", step.row.denied, want.denied,
	       counts_text(&step.all, text));
	expect(step.row.audited == want.audited && step.all.audited == want.audited,
	       "audited %ld, expected %ld; %s", step.row.audited, want.audited,
	       counts_text(&step.all, text));
	expect(!step.all.would_drop && !step.all.dropped, "counted %s",
	       counts_text(&step.all, text));
	count = passes ? step.now.audited : step.now.denied;
	if (!ok && is_due(count))
		expect(wait_for(ARRIVE_MS,
				event_by(now.path->fire == receive_device ? cast.receiver->pid
									  : cast.actor->pid,
					 passes ? "audit" : "deny", actors[cast.who].reason,
					 passes ? "none" : level, card->handle)),
		       "no event '%s' for count %ld", passes ? "audit" : "deny", count);
}

static long changed(void)
{
	return now.path->by_device ? as_owner(now.path->changed) : now.path->changed();
}

/* The far end: what the owner sees. */
static void expect_changed(bool changes)
{
	if (!now.path->changed)
		return;
	if (!changes)
		nap(SETTLE_MS);
	else if (!now.path->by_device)
		wait_for(ARRIVE_MS, changed() == 1);
	expect_is(changed(), changes, "what the owner sees (1: a change)");
}

static void run_cell(void)
{
	const struct cell *c = &cells[test_current - tests];
	const struct path *p = c->path;
	bool passes = !bad(p, c->who) || !refuses(c->mode, c->who);
	long ret;

	enter(c->mode, c->who);
	if (p->mapped) {
		expect_is(cast.reported, c->who != OWNER, "reports of the mapping");
		return;
	}
	now.path = p;
	if (p->prepare)
		p->prepare();
	mark();
	ret = p->fire ? p->fire() : attempt(cast.actor, p->what, now.after);
	expect_changed(passes);
	if (!passes || !p->passes_too || ret != p->passes_too)
		expect_is(ret,
			  !passes    ? -EACCES
			  : p->reads ? now.before
				     : p->passes,
			  "the attempt");
	expect_counted(passes);
}

/* ---- mappings that are older than the rule ------------------------------------------- */

/* The actor's mapping is not the owner's to have. irqgate says so, once for the process. */
static void expect_leak(struct worker *w, const char *reason)
{
	expect(wait_for(REPORT_MS, event_by(w->pid, "leak", reason, "access", card->handle)),
	       "no event of the mapping");
}

/* Under @on_mapped, red has the device mapped when the rule comes. */
static struct worker *mapped_before(const char *on_mapped)
{
	struct worker *owner, *friend, *red;

	own_any(ENFORCE, card);
	owner = owner_of(card);
	friend = holder_of(owner, BLUE);
	red = holder_of(owner, RED);
	used(friend, A_MAP, 0, 0, 0);
	used(red, A_MAP, 0, 0, 0);
	mark();
	loader_reload(ENFORCE "defaults: { on_mapped: %s }\n" ACCESS_CONTEXTS
			      "devices:\n" ACCESS_ROW,
		      on_mapped, card->handle, "blue");
	expect_leak(red, "context");
	expect(!event_by(owner->pid, "leak", "context", "access", card->handle) &&
		       !event_by(friend->pid, "leak", "context", "access", card->handle),
	       "irqgate reports a process that may have the device mapped");
	used(friend, A_POKE, fresh_value(), 0, 0);
	used(owner, A_POKE, fresh_value(), 0, 0);
	return red;
}

static void mapped_report(void)
{
	struct worker *red = mapped_before("report");

	expect_running(red);
	used(red, A_PEEK, 0, 0, 0);
	expect_is(attempt(red, TRY_MAP, 0), -EACCES, "another mapping");
}

static void mapped_stop(void)
{
	struct worker *red = mapped_before("stop");

	expect(wait_for(5000, task_state(red->pid) == 'T'), "the process still runs");
	kill(red->pid, SIGCONT);
	expect(wait_for(1000, task_state(red->pid) != 'T'), "SIGCONT does not continue it");
}

static void mapped_kill(void)
{
	struct worker *red = mapped_before("kill");

	expect(wait_for(5000, strchr("Z?", task_state(red->pid))), "the process still runs");
}

/* The row has a reaction of its own. */
static void mapped_row(void)
{
	struct worker *owner, *red;

	own_any(ENFORCE, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	used(red, A_MAP, 0, 0, 0);
	mark();
	loader_reload(ENFORCE ACCESS_CONTEXTS
		      "devices:\n"
		      "  - { handle: \"%s\", context: blue, vectors: all, on_violation: deny, "
		      "access: owner, on_mapped: stop }\n",
		      card->handle);
	expect_leak(red, "context");
	expect(wait_for(5000, task_state(red->pid) == 'T'), "the process still runs");
	expect_running(owner);
}

/* In audit mode irqgate says so, and does nothing to the process. */
static void mapped_audit(void)
{
	struct worker *owner, *red;

	own_any(AUDIT, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	used(red, A_MAP, 0, 0, 0);
	mark();
	loader_reload(AUDIT "defaults: { on_mapped: kill }\n" ACCESS_CONTEXTS
			    "devices:\n" ACCESS_ROW,
		      card->handle, "blue");
	expect(wait_for(5000, event_by(red->pid, "audit", "context", "access", card->handle)),
	       "no event of the mapping");
	nap(500);
	used(red, A_PEEK, 0, 0, 0);
	expect_running(owner);
}

/* A revocation does not end the owner's mapping, so irqgate tells that it has one. */
static void mapped_revoked(void)
{
	struct worker *owner;

	own(ENFORCE, card);
	owner = owner_of(card);
	mark();
	verb(0, "revoke", card->handle, "all", NULL);
	expect_leak(owner, "revoked");
	expect_running(owner);
	expect_is(attempt(owner, TRY_READ, 0), -EACCES, "a read after revoke");
	verb(0, "allow", card->handle, "all", "--to", "blue", NULL);
	expect_written(owner, owner, TRY_WRITE, "the owner after allow");
	expect_written(owner, owner, TRY_MAP, "the owner after allow");
}

/* ---- other policies ------------------------------------------------------------------- */

static const enum attempt writes[] = { TRY_WRITE,       TRY_WRITEV, TRY_WRITE_URING,
				       TRY_WRITE_FIXED, TRY_MAP,    TRY_IOEVENTFD };
static const enum attempt others[] = { TRY_READ,       TRY_READV,       TRY_READ_URING,
				       TRY_READ_FIXED, TRY_CONFIG_READ, TRY_CONFIG_WRITE,
				       TRY_RESET,      TRY_HOT_RESET,   TRY_FEATURE,
				       TRY_DISABLE,    TRY_MASK,        TRY_DMA_MAP,
				       TRY_DMA_UNMAP };
static const enum attempt holding[] = { TRY_OPEN, TRY_INFO, TRY_JOIN, TRY_LEAVE, TRY_IOMMU };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* @w may not use the device of @owner in any way. @holds: but it may hold it. */
static void expect_no_use(struct worker *w, struct worker *owner, bool holds, const char *by)
{
	size_t i;

	for (i = 0; i < COUNT(writes); i++)
		expect_refused(w, owner, writes[i], by);
	for (i = 0; i < COUNT(others); i++)
		expect_refused(w, owner, others[i], by);
	for (i = 0; i < COUNT(holding); i++) {
		if (!holds)
			expect_refused(w, owner, holding[i], by);
		else
			expect(attempt(w, holding[i], 0) != -EACCES, "attempt %u by %s: EACCES",
			       holding[i], by);
	}
}

/* No device is listed, so nobody owns one. */
static void unlisted(void)
{
	struct worker *blue, *red;

	loader_with(ENFORCE "defaults: { access: owner, unlisted_device: deny }\n" CONTEXTS);
	blue = worker_new(BLUE);
	mark();
	expect_is(ask_text(blue, W_OPEN, card->bdf), -EACCES, "opening under deny");
	expect_denied(blue, "unlisted");
	loader_reload(ENFORCE "defaults: { access: owner, unlisted_device: allow }\n" CONTEXTS);
	blue = owner_of(card);
	red = holder_of(blue, RED);
	expect_written(red, blue, TRY_WRITE, "red under allow");
	expect_written(red, blue, TRY_MAP, "red under allow");
	expect_is(attempt(red, TRY_OPEN, 0), 0, "opening under allow");
	/* What holds the file already is refused, too. */
	loader_reload(ENFORCE "defaults: { access: owner, unlisted_device: deny }\n" CONTEXTS);
	expect_no_use(red, blue, false, "red under deny");
	expect_no_use(blue, blue, false, "blue under deny");
}

/* The defaults hold for a row that does not say, and a row for itself. */
static void defaults(void)
{
	struct worker *owner, *red;

	loader_with(ENFORCE "defaults: { access: owner }\n" ACCESS_CONTEXTS "devices:\n" ROW,
		    card->handle, "blue", "all", "deny");
	owner = owner_of(card);
	red = holder_of(owner, RED);
	expect_refused(red, owner, TRY_WRITE, "red, by the defaults");
	expect_written(owner, owner, TRY_WRITE, "the owner");
	loader_reload(ENFORCE "defaults: { access: owner }\n" ACCESS_CONTEXTS "devices:\n"
			      "  - { handle: \"%s\", context: blue, vectors: all, "
			      "on_violation: deny, access: any }\n",
		      card->handle);
	expect_written(red, owner, TRY_WRITE, "red, by the row");
}

/* What irqgate does about an interrupt may be weaker. A use of the device is refused or not. */
static void on_violation(void)
{
	static const char *const refusing[] = { "drop", "isolate" };
	struct worker *owner, *red;
	size_t i;

	own(ENFORCE, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	for (i = 0; i < COUNT(refusing); i++) {
		loader_reload(ENFORCE ACCESS_CONTEXTS
			      "devices:\n"
			      "  - { handle: \"%s\", context: blue, vectors: all, "
			      "on_violation: %s, access: owner }\n",
			      card->handle, refusing[i]);
		expect_refused(red, owner, TRY_WRITE, refusing[i]);
		expect_refused(red, owner, TRY_MAP, refusing[i]);
	}
	loader_reload(ENFORCE ACCESS_CONTEXTS
		      "devices:\n"
		      "  - { handle: \"%s\", context: blue, vectors: all, on_violation: audit, "
		      "access: owner }\n",
		      card->handle);
	mark();
	expect_written(red, owner, TRY_WRITE, "red under on_violation: audit");
	expect_counts(card->handle, IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){ .audited = 1 });
}

/* A broker opens the device and gives it to the owner. */
static void broker_passes(void)
{
	struct worker *broker, *owner;

	own(ENFORCE, card);
	broker = worker_new(BROKER);
	owner = worker_new(BLUE);
	expect_is(use_text(broker, A_GROUP, card), 0, "opening the group");
	used(broker, A_JOIN, 0, 0, 0);
	used(broker, A_IOMMU, 0, 0, 0);
	expect_is(use_text(broker, A_DEVICE, card), 0, "opening the device");
	expect_is(hand_over(broker, owner, FILE_CONTAINER), 1, "passing the container");
	expect_is(hand_over(broker, owner, FILE_DEVICE), 1, "passing the device");
	must(owner, W_ENABLE, 0, 0, 0);
	used(owner, A_MAP, 0, 0, 0);
	expect_written(owner, owner, TRY_WRITE, "the owner");
	expect_is(attempt(owner, TRY_DMA_MAP, 1), 0, "the owner maps memory");
	mark();
	expect_no_use(broker, owner, true, "the broker");
	expect_denied(broker, "broker");
	/* It may not give the device to somebody else. */
	expect_is(hand_over(broker, worker_new(RED), FILE_DEVICE), 0, "passing the device to red");
}

/* A broker of a device that everybody may use gets its file like the owner. */
static void broker_any(void)
{
	struct worker *owner, *broker, *red;

	loader_with(ENFORCE ACCESS_CONTEXTS
		    "devices:\n"
		    "  - { handle: \"%s\", context: blue, vectors: all, on_violation: deny, "
		    "access: any, brokers: [broker] }\n",
		    card->handle);
	owner = owner_of(card);
	broker = worker_new(BROKER);
	red = worker_new(RED);
	expect_is(hand_over(owner, broker, FILE_DEVICE), 1, "passing the device to the broker");
	expect_is(hand_over(owner, red, FILE_DEVICE), 0, "passing the device to red");
	expect_written(broker, owner, TRY_WRITE, "the broker");
}

/* A policy without the new words: who holds the device may do all with it. */
static void any_unchanged(void)
{
	struct worker *owner, *red;
	size_t i;
	long ret;

	own_any(ENFORCE, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	mark();
	for (i = 0; i < COUNT(writes); i++)
		expect_written(red, owner, writes[i], "red");
	for (i = 0; i < COUNT(holding); i++) {
		ret = attempt(red, holding[i], 0);
		expect(ret != -EACCES, "attempt %u by red: EACCES", holding[i]);
	}
	for (i = 0; i < COUNT(others); i++) {
		ret = attempt(red, others[i], fresh_value() & 0xfff);
		expect(ret != -EACCES, "attempt %u by red: EACCES", others[i]);
	}
	expect_counts(card->handle, IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){});
	expect(!hook_is("gate_mmap", "live"), "gate_mmap is attached, and no device needs it");
}

/* The rule comes and goes while processes hold the device. */
static void reload(void)
{
	struct worker *owner, *red;
	int i;

	own_any(ENFORCE, card);
	expect(!hook_is("gate_mmap", "live"), "gate_mmap is attached before the rule");
	owner = owner_of(card);
	red = holder_of(owner, RED);
	expect_written(red, owner, TRY_WRITE, "red before the rule");
	for (i = 0; i < 2; i++) {
		own(ENFORCE, card);
		expect(hook_is("gate_mmap", "live"), "gate_mmap is not attached");
		expect_refused(red, owner, TRY_WRITE, "red under the rule");
		expect_refused(red, owner, TRY_MAP, "red under the rule");
		expect_refused(red, owner, TRY_OPEN, "red under the rule");
		expect_written(owner, owner, TRY_MAP, "the owner under the rule");
		own_any(ENFORCE, card);
		expect(!hook_is("gate_mmap", "live"), "gate_mmap is still attached");
		expect_written(red, owner, TRY_WRITE, "red after the rule");
		expect_written(red, owner, TRY_MAP, "red after the rule");
		expect_is(attempt(red, TRY_OPEN, 0), 0, "opening by red after the rule");
	}
	/* The device becomes another's. */
	loader_reload(ENFORCE ACCESS_CONTEXTS "devices:\n" ACCESS_ROW, card->handle, "red");
	expect_written(red, owner, TRY_WRITE, "the new owner");
	expect_is(attempt(owner, TRY_WRITE, 0), -EACCES, "a write by the old owner");
}

/* A loader that stops or dies leaves the gate in force, and the next one goes on. */
static void loader_gone(void)
{
	struct worker *owner, *red;

	own(ENFORCE, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	loader_kill();
	expect_refused(red, owner, TRY_WRITE, "red without a loader");
	expect_refused(red, owner, TRY_MAP, "red without a loader");
	expect_written(owner, owner, TRY_WRITE, "the owner without a loader");
	own(ENFORCE, card);
	expect_refused(red, owner, TRY_WRITE, "red with the next loader");
	expect_refused(red, owner, TRY_MAP, "red with the next loader");
	unload();
	expect_written(red, owner, TRY_WRITE, "red without irqgate");
}

/* VFIO comes after the rule, and red has the device mapped before irqgate hooks VFIO. */
static void late(void)
{
	struct worker *owner, *red;

	modules_gone();
	own(ENFORCE, card);
	expect(!hook_is("gate_mmap", "live"), "gate_mmap is attached without VFIO");
	kill(loader_pid(), SIGSTOP);
	modprobe("-a", "vfio-pci", "kvm-amd");
	owner = owner_of(card);
	red = holder_of(owner, RED);
	used(red, A_MAP, 0, 0, 0);
	expect_written(red, owner, TRY_WRITE, "red before irqgate hooks VFIO");
	mark_events();
	kill(loader_pid(), SIGCONT);
	expect(wait_for(HOOK_MS, hook_is("gate_mmap", "live")), "gate_mmap is not attached");
	expect_leak(red, "context");
	expect_no_use(red, owner, false, "red after irqgate hooked VFIO");
	expect_written(owner, owner, TRY_WRITE, "the owner");
}

/* Another build takes over while red signals an eventfd that the owner tied to a register. */
static void upgrade(void)
{
	uint32_t before = fresh_value();
	struct worker *owner, *red;

	own(ENFORCE, card);
	owner = owner_of(card);
	red = holder_of(owner, RED);
	used(owner, A_TIE, TIED, fresh_value(), 0);
	used(owner, A_POKE, before, 0, 0);
	tried(red, E_LOOP, LOOP_WRITE, TIED, 0);
	loader_stop();
	irqgate_build("next");
	own(ENFORCE, card);
	expect_is(evade(red, E_LOOP_END, 0, 0, 0) > 0, 1, "a foreign signal got through");
	expect_is(use(owner, A_PEEK, 0, 0, 0), before, "the register");
	expect(hook_is("gate_mmap", "live"), "gate_mmap is not attached");
	expect_no_use(red, owner, false, "red under the new build");
	expect_is(ask(red, W_SIGNAL, TIED, BY_CALL, 0), -EACCES, "a signal by red");
	expect_written(owner, owner, TRY_MAP, "the owner");
	unload();
}

/* Another device in the same container is red's. Neither may change what both can reach. */
static void shared_container(void)
{
	const struct device *second = card == &nic ? &edu : &nic;
	struct worker *owner, *red;
	long ret;

	loader_with(ENFORCE ACCESS_CONTEXTS "devices:\n" ACCESS_ROW ACCESS_ROW, card->handle,
		    "blue", second->handle, "red");
	owner = owner_of(card);
	red = worker_new(RED);
	expect_is(use_text(red, A_GROUP, second), 0, "opening red's group");
	expect_is(hand_over(owner, red, FILE_CONTAINER), 1, "passing blue's container");
	expect_is(use(red, A_TRY, TRY_DMA_MAP, 1, 0), -EACCES, "red maps in blue's container");
	ret = use(red, A_JOIN, 0, 0, 0);
	if (ret)
		expect_is(ret, -EACCES, "red's group joins blue's container");
	expect_is(use(red, A_TRY, TRY_DMA_MAP, 2, 0), -EACCES, "red maps after it joined");
	expect_is(use(red, A_TRY, TRY_DMA_UNMAP, 2, 0), -EACCES, "red unmaps after it joined");
	expect_written(owner, owner, TRY_WRITE, "the owner");
}

/* ---- evade.* ------------------------------------------------------------------------------ */

static struct {
	struct worker *owner, *red;
} pair;

/* Blue's device under the rule, and red, which inherited all files of it. */
static void begin(void)
{
	own(ENFORCE, card);
	pair.owner = owner_of(card);
	pair.red = holder_of(pair.owner, RED);
	used(pair.owner, A_TIE, TIED, fresh_value(), 0);
	mark();
}

/* Every way, by a process that got the group and the container by SCM_RIGHTS. */
static void evade_files(void)
{
	struct worker *red;

	begin();
	expect_no_use(pair.red, pair.owner, false, "red");
	/* One that has nothing else of the device. */
	red = worker_new(RED);
	expect_is(hand_over(pair.owner, red, FILE_GROUP), 1, "passing the group");
	expect_is(hand_over(pair.owner, red, FILE_CONTAINER), 1, "passing the container");
	expect_is(use_text(red, A_DEVICE, card), -EACCES, "opening the device");
	expect_is(hand_over(pair.owner, red, FILE_DEVICE), 0, "the device by SCM_RIGHTS");
}

/* Red is quicker and opens the group before the owner does. */
static void evade_first(void)
{
	struct worker *red, *owner;

	own(ENFORCE, card);
	red = worker_new(RED);
	mark();
	expect_is(use_text(red, A_GROUP, card), 0, "opening the group");
	expect_is(use(red, A_JOIN, 0, 0, 0), -EACCES, "VFIO_GROUP_SET_CONTAINER");
	expect(use(red, A_IOMMU, 0, 0, 0) < 0, "VFIO_SET_IOMMU of an empty container");
	expect_is(use_text(red, A_DEVICE, card), -EACCES, "VFIO_GROUP_GET_DEVICE_FD");
	expect_denied(red, "context");
	worker_end(red, true);
	owner = owner_of(card);
	expect_written(owner, owner, TRY_WRITE, "the owner");
}

/* Whose is a child of the owner? The owner's, until it executes a program in another cgroup. */
static void evade_fork(void)
{
	struct worker *red;

	begin();
	/* Red's own children are red's, in whatever cgroup they are. */
	must(pair.red, W_FORK, 0, 0, 0);
	expect_refused(pair.red, pair.owner, TRY_WRITE, "a child of red");
	expect_is(ask_text(pair.red, W_CGROUP, BLUE), 0, "moving to blue's cgroup");
	expect_refused(pair.red, pair.owner, TRY_WRITE, "a child of red in blue's cgroup");
	expect_refused(pair.red, pair.owner, TRY_MAP, "a child of red in blue's cgroup");
	red = heir_of(pair.owner, BLUE, W_ALL);
	expect_written(red, pair.owner, TRY_WRITE, "an heir in blue's cgroup");
	/* The files stay over exec, and the context changes. */
	expect_is(ask_all(red, (enum worker_op)E_EXEC, W_ALL, 0, 0, RED, -1), 0, "exec");
	expect_refused(red, pair.owner, TRY_WRITE, "an heir that executed in red's cgroup");
	expect_refused(red, pair.owner, TRY_READ, "an heir that executed in red's cgroup");
	expect_refused(red, pair.owner, TRY_MAP, "an heir that executed in red's cgroup");
}

/* A fixed file of red's io_uring comes without a file descriptor. */
static void evade_io_uring(void)
{
	uint32_t ring;
	long ret;

	begin();
	expect_refused(pair.red, pair.owner, TRY_WRITE_FIXED, "red");
	expect_refused(pair.red, pair.owner, TRY_READ_FIXED, "red");
	ring = (uint32_t)tried(pair.red, E_RING, 0, 0, 0);
	ret = evade(pair.owner, E_RING_SEND, W_ALL, (uint32_t)pair.red->pid, ring);
	if (ret == -EACCES)
		return; /* this kernel asks the LSMs */
	expect_is(ret, 0, "IORING_MSG_SEND_FD");
	expect_is(evade(pair.red, E_RING_WRITE, 0, 0, 0), -EACCES, "a write to the fixed file");
	expect_is(evade(pair.red, E_RING_READ, 0, 0, 0), -EACCES, "a read of the fixed file");
	ret = evade(pair.red, E_RING_INSTALL, 2, 0, 0);
	expect(ret == -EACCES || ret == -EINVAL, "IORING_OP_FIXED_FD_INSTALL: %s",
	       rig_errname((int)ret));
}

static void evade_pidfd(void)
{
	struct worker *red, *broker, *friend;
	uint32_t pid, fd;

	begin();
	red = worker_new(RED);
	broker = worker_new(BROKER);
	friend = worker_new(BLUE);
	pid = (uint32_t)pair.owner->pid;
	fd = (uint32_t)used(pair.owner, A_NUMBER, FILE_DEVICE, 0, 0);
	expect_is(use(red, A_STEAL, FILE_DEVICE, pid, fd), -EACCES, "pidfd_getfd by red");
	expect_is(use(broker, A_STEAL, FILE_DEVICE, pid, fd), 0, "pidfd_getfd by the broker");
	expect_refused(broker, pair.owner, TRY_WRITE, "the broker");
	expect_is(use(friend, A_STEAL, FILE_DEVICE, pid, fd), 0, "pidfd_getfd by a friend");
	expect_written(friend, pair.owner, TRY_WRITE, "a friend");
	/* The group is no device, and what it gives is. */
	fd = (uint32_t)used(pair.owner, A_NUMBER, FILE_GROUP, 0, 0);
	use(red, A_STEAL, FILE_GROUP, pid, fd);
	expect(use_text(red, A_DEVICE, card) < 0, "opening the device by a stolen group");
}

static void evade_vectors(void)
{
	begin();
	expect_refused(pair.red, pair.owner, TRY_READV, "red");
	expect_refused(pair.red, pair.owner, TRY_WRITEV, "red");
	expect_written(pair.owner, pair.owner, TRY_WRITEV, "the owner");
}

/* The name of the device changes between check and use. What red gets is of no use. */
static void evade_name(void)
{
	uint32_t rounds = (uint32_t)from_environment("RACE_ROUNDS", 1000);
	uint32_t before = fresh_value();

	begin();
	used(pair.owner, A_POKE, before, 0, 0);
	expect_is(ask_all(pair.red, (enum worker_op)A_FLIP, rounds, 0, 0, card->bdf, -1), 0,
		  "useful devices of %u rounds", rounds);
	expect_is(use(pair.owner, A_PEEK, 0, 0, 0), before, "the register");
}

static void evade_compat(void)
{
	static const enum attempt ways[] = {
		TRY_OPEN,    TRY_INFO, TRY_RESET, TRY_HOT_RESET, TRY_FEATURE, TRY_IOEVENTFD,
		TRY_DISABLE, TRY_MASK, TRY_JOIN,  TRY_LEAVE,     TRY_DMA_MAP, TRY_DMA_UNMAP
	};
	size_t i;

	begin();
	if (attempt(pair.owner, TRY_OPEN | TRY_COMPAT, 0) == -ENOSYS)
		test_skip("no 32-bit system calls");
	expect_is(attempt(pair.owner, TRY_OPEN | TRY_COMPAT, 0), 0, "opening by the owner");
	expect_is(attempt(pair.owner, TRY_INFO | TRY_COMPAT, 0), 0, "asking by the owner");
	expect_is(attempt(pair.owner, TRY_DMA_MAP | TRY_COMPAT, 1), 0, "mapping by the owner");
	for (i = 0; i < COUNT(ways); i++)
		expect_refused(pair.red, pair.owner, ways[i] | TRY_COMPAT, "red");
}

/* The owner tied an eventfd to a register. Red holds it, and lets others signal it. */
static void evade_eventfd(void)
{
	static const enum means ways[] = { BY_CALL, BY_VECTOR, BY_URING, BY_URING_FILE,
					   BY_URING_BUFFER };
	uint32_t before = fresh_value(), tied = fresh_value();
	struct worker *red, *broker;
	size_t i;
	long bound;

	modprobe("-a", "vhost_vsock", NULL);
	loader_with(ENFORCE ACCESS_CONTEXTS "devices:\n" ACCESS_ROW ACCESS_ROW, card->handle,
		    "blue", edu.handle, "red");
	pair.owner = owner_of(card);
	red = heir_of(pair.owner, RED, W_ALL);
	broker = heir_of(pair.owner, BROKER, W_ALL);
	used(pair.owner, A_TIE, TIED, tied, 0);
	must(red, W_GUEST, 0, 0, 0);
	used(pair.owner, A_POKE, before, 0, 0);
	mark();
	expect_is(ask(red, W_SIGNAL, TIED, BY_CALL, 0), -EACCES, "a signal by red");
	expect_denied(red, "context");
	for (i = 0; i < COUNT(ways); i++) {
		expect_is(ask(red, W_SIGNAL, TIED, ways[i], 0), -EACCES, "signal %d by red",
			  ways[i]);
		expect_is(ask(broker, W_SIGNAL, TIED, ways[i], 0), -EACCES,
			  "signal %d by the broker", ways[i]);
	}
	expect_is(ask(red, W_IOEVENTFD, TIED, 0, 0), -EACCES, "KVM_IOEVENTFD");
	expect_is(ask(red, W_RESAMPLE, TIED, 0, 0), -EACCES, "KVM_IRQFD, resampling");
	expect_is(ask(red, W_GIVE, TIED, TAKER_VHOST_CALL, 0), -EACCES, "VHOST_SET_VRING_CALL");
	expect_is(ask(red, W_GIVE, TIED, TAKER_VHOST_ERR, 0), -EACCES, "VHOST_SET_VRING_ERR");
	nap(SETTLE_MS);
	expect_is(use(pair.owner, A_PEEK, 0, 0, 0), before, "the register");
	expect_is(hand_over(pair.owner, red, FILE_DEVICE), 0, "the device by SCM_RIGHTS");
	make_peers(pair.owner, red);
	must(pair.owner, W_SEND, TIED, 0, 0);
	expect_is(ask(red, W_RECEIVE, 2, 0, 0), 0, "the eventfd by SCM_RIGHTS");
	/* Red's own device would signal it. */
	expect(ask_text(red, W_OPEN, edu.bdf) > 0, "cannot open red's device");
	bound = evade(red, E_SHARE, 0, 1, TIED);
	must(red, W_RAISE, 0, 1, 1);
	nap(SETTLE_MS);
	expect_is(use(pair.owner, A_PEEK, 0, 0, 0), before,
		  "the register, after an interrupt of red's device");
	expect_is(bound, -EACCES, "binding a vector to it");
	must(pair.owner, W_SIGNAL, TIED, BY_CALL, 0);
	expect(wait_for(ARRIVE_MS, use(pair.owner, A_PEEK, 0, 0, 0) == tied),
	       "the owner's signal does not write");
}

/*
 * No hook sees the eventfd of a completion, or can stop its signal. So what red makes the kernel
 * write must at least count as leaked: for the device, or for none if it has no counters yet.
 */
static void evade_completion(void)
{
	static const enum taker takers[] = { TAKER_AIO, TAKER_URING };
	uint32_t tied = fresh_value(), before;
	struct worker *red;
	long written, leaked;
	size_t i;

	own(ENFORCE, card);
	pair.owner = owner_of(card);
	red = heir_of(pair.owner, RED, W_ALL);
	used(pair.owner, A_TIE, TIED, tied, 0);
	for (i = 0; i < COUNT(takers); i++) {
		before = fresh_value();
		used(pair.owner, A_POKE, before, 0, 0);
		mark();
		if (ask(red, W_GIVE, TIED, takers[i], 0) == -EACCES)
			continue;
		must(red, W_HAVE_SIGNALLED, TIED, takers[i], 0);
		written = use(pair.owner, A_PEEK, 0, 0, 0) == tied;
		leaked = counted_all(card->handle).leaked + counted_all("-").leaked;
		expect_is(leaked, written, "leaks by taker %d", takers[i]);
	}
}

/* ---- two functions in one group, on one bus: `run` boots a machine that has them --------------
 */

static struct device first, second;
static struct worker *at_first, *at_second; /* blue's, each with one function */

static void find_pair(void)
{
	const struct device *const all[] = { &first, &second };
	unsigned int i;

	if (rig_pci_find(RIG_E1000E, 1, first.bdf) || rig_pci_find(RIG_E1000E, 2, second.bdf))
		test_skip("this machine has no two functions in a group");
	snprintf(first.handle, sizeof(first.handle), "pci:%s", first.bdf);
	snprintf(second.handle, sizeof(second.handle), "pci:%s", second.bdf);
	first.vectors = second.vectors = nic.vectors;
	for (i = 0; i < COUNT(all); i++)
		expect_is(rig_pci_bind_vfio(all[i]->bdf), 0, "giving %s to vfio-pci", all[i]->bdf);
}

/* The context of each function; NULL: it has no row. */
static void own_pair(const char *of_first, const char *of_second)
{
	char rows[2][256] = {};

	if (of_first)
		snprintf(rows[0], sizeof(rows[0]), ACCESS_ROW, first.handle, of_first);
	if (of_second)
		snprintf(rows[1], sizeof(rows[1]), ACCESS_ROW, second.handle, of_second);
	loader_with(ENFORCE ACCESS_CONTEXTS "devices:\n%s%s", rows[0], rows[1]);
}

static void open_pair(void)
{
	at_first = worker_new(BLUE);
	at_second = worker_new(BLUE);
	expect(ask_text(at_first, W_OPEN, first.bdf) > 0, "cannot open %s", first.bdf);
	expect_is(hand_over(at_first, at_second, FILE_GROUP), 1, "passing the group");
	expect_is(use_text(at_second, A_DEVICE, &second), 0, "opening %s", second.bdf);
	must(at_second, W_ENABLE, 0, 0, 0);
	used(at_second, A_MAP, 0, 0, 0);
}

/* A group is opened by who owns, or is a broker of, every function in it that has an owner. */
static void pair_open(void)
{
	struct worker *blue, *red, *broker;

	find_pair();
	own_pair("blue", "red");
	blue = worker_new(BLUE);
	red = worker_new(RED);
	broker = worker_new(BROKER);
	expect_is(ask_text(blue, W_OPEN, first.bdf), -EACCES, "opening by blue");
	expect_is(ask_text(red, W_OPEN, second.bdf), -EACCES, "opening by red");
	expect_is(use_text(broker, A_GROUP, &first), 0, "opening the group by the broker");
	used(broker, A_JOIN, 0, 0, 0);
	worker_end(broker, false);
	own_pair("blue", NULL);
	expect_is(ask_text(red, W_OPEN, second.bdf), -EACCES,
		  "opening the function that red may have");
	open_pair();
	expect_written(at_first, at_first, TRY_WRITE, "blue");
	expect_written(at_second, at_second, TRY_WRITE, "blue, on the other function");
}

/* A reset of the bus, and a mapping in the container, reach the other function, too. */
static void pair_reach(void)
{
	static const enum attempt far[] = { TRY_HOT_RESET, TRY_DMA_MAP, TRY_DMA_UNMAP,
					    TRY_OPEN,      TRY_JOIN,    TRY_LEAVE };
	uint32_t before = fresh_value();
	size_t i;

	find_pair();
	own_pair("blue", "blue");
	open_pair();
	own_pair("blue", "red");
	used(at_second, A_POKE, before, 0, 0);
	for (i = 0; i < COUNT(far); i++)
		expect_is(attempt_on(at_first, &first, far[i], 0), -EACCES,
			  "attempt %u by the owner of one function", far[i]);
	expect_is(use(at_second, A_PEEK, 0, 0, 0), before, "the register of red's function");
	expect_written(at_first, at_first, TRY_WRITE, "blue, on its function");
	expect_is(attempt_on(at_second, &second, TRY_WRITE, 1), -EACCES, "blue, on red's function");
	own_pair("blue", "blue");
	expect(attempt_on(at_first, &first, TRY_HOT_RESET, 0) != -EACCES,
	       "hot reset by the owner of both: EACCES");
	expect_is(use(at_second, A_PEEK, 0, 0, 0), 0, "the register of the other function");
}

static const struct test singles[] = {
	{ "access.mapped_report", mapped_report },
	{ "access.mapped_stop", mapped_stop },
	{ "access.mapped_kill", mapped_kill },
	{ "access.mapped_row", mapped_row },
	{ "access.mapped_audit", mapped_audit },
	{ "access.mapped_revoked", mapped_revoked },
	{ "access.unlisted", unlisted },
	{ "access.defaults", defaults },
	{ "access.on_violation", on_violation },
	{ "access.broker_passes", broker_passes },
	{ "access.broker_any", broker_any },
	{ "access.any_unchanged", any_unchanged },
	{ "access.reload", reload },
	{ "access.loader_gone", loader_gone },
	{ "modules.access", late },
	{ "access.upgrade", upgrade },
	{ "access.shared_container", shared_container },
	{ "access.evade.files", evade_files },
	{ "access.evade.first", evade_first },
	{ "access.evade.fork", evade_fork },
	{ "access.evade.io_uring", evade_io_uring },
	{ "access.evade.pidfd", evade_pidfd },
	{ "access.evade.vectors", evade_vectors },
	{ "access.evade.name", evade_name },
	{ "access.evade.compat", evade_compat },
	{ "access.evade.eventfd", evade_eventfd },
	{ "access.evade.completion", evade_completion },
	{ "access.pair.open", pair_open },
	{ "access.pair.reach", pair_reach },
};

static void find_card(void)
{
	card = igb.vectors ? &igb : &nic;
}

struct test_set access_tests(void)
{
	find_card();
	return TEST_SET(singles, .loader_stays = true);
}

struct test_set access_matrix_tests(void)
{
	static char names[CELLS][64];
	size_t n = 0, i;
	int mode;
	enum who who;

	find_card();
	for (mode = 0; mode < MODES; mode++) {
		for (who = 0; who < WHO; who++) {
			for (i = 0; i < PATHS; i++) {
				cells[n] = (struct cell){ &paths[i], mode, who };
				snprintf(names[n], sizeof(names[n]), "access.%s.%s.%s",
					 paths[i].name, modes[mode], actors[who].name);
				tests[n] = (struct test){ names[n], run_cell };
				n++;
			}
		}
	}
	return (struct test_set){ .tests = tests, .count = n, .shared = true };
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bind, inject, revoke, reload, quarantine, hold, and the death of the loader, in every
 * interleaving. docs/model.md says which function each step stands for. One device with
 * two vectors and one VMM: vector 0 is authorized always and bound, vector 1 as the table says.
 *
 * BREAK_... leaves out what a guarantee rests on; tests/model/run shows that it fails then.
 */
#ifndef BINDS
#define BINDS 2
#endif
#ifndef RELOADS
#define RELOADS 1
#endif
#ifndef REVOKES
#define REVOKES 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef SKIPS
#define SKIPS 0
#endif

#define NONE 0
#define GUEST 1 /* the eventfd the VMM chose */
#define SINK 2 /* quarantined */

/* The kernel's side: what VFIO has connected. */
byte target[2];
bit anew; /* changes with each bind */
bool igate; /* VFIO's mutex: one change of vectors at a time */
bool stopped; /* the VMM, by SIGSTOP: from its next return to user space on */
bool in_call; /* and whether it has not returned yet */
bool skipped; /* a hook that was to see a bind: it counts that */

/* The maps. */
bool filled[2], row[2]; /* by slot: the table is complete; it authorizes vector 1 */
bit gen;
byte epoch;
bool known[2], allow[2]; /* bindings; their verdicts */
byte stamp[2]; /* epoch of the verdict */
bool held;
byte since;
bool alive; /* state.loader_tgid and its beat */

/* User space. */
byte locked; /* flock on /run/irqgate/lock: 0 free, else by whom */
bool event; /* one that was not lost */
bool dead; /* kill -9 */
bool drop; /* on_violation: drop, else deny */
byte binds = BINDS, reloads = RELOADS, revokes = REVOKES, deaths = DEATHS, skips = SKIPS;

/* RCU: programs that run, from before they read the table to after they wrote a verdict. */
bool runs_bind, runs_msi;
bool waits_bind, waits_msi; /* a grace period does for those that ran when it began */

/* Only the checks read these. */
bool cutoff; /* revoke returned 0, and vector 1 was not authorized since */
bool later; /* vector 1 was bound after revoke changed the table: wrong, but guarantee 1's */
bool in_force; /* authorized, as far as cached verdicts go: until the epoch moves */
bool owed; /* the gate let a bind through for a quarantine, before the VMM goes on */
bool gate_saw, msi_saw; /* authorized at some time since the gate was asked, the MSI raised */

#define AUTHORIZED(v) ((v) == 0 || row[gen])
#define WRONG (known[1] && target[1] == GUEST && !row[gen])
#define LOADER 1
#define OPERATOR 2

inline authorized_now()
{
	if
	:: row[gen] -> gate_saw = true; msi_saw = true; in_force = true; cutoff = false; owed = false
	:: else
	fi
}

/* decide_vector(): the rows of the slot in force. */
#define DECIDED(v, g) (filled[g] && ((v) == 0 || row[g]))

/* decide_binding(): what it read may be old when it writes. */
inline judge(v, e, result)
{
#ifdef BREAK_STAMP
	result = DECIDED(v, gen);
	d_step { allow[v] = result; stamp[v] = epoch }
#else
	d_step { e = epoch; result = DECIDED(v, gen) };
	d_step { allow[v] = result; stamp[v] = e }
#endif
}

/* settle(): a grace period, so that no verdict of the old table is written any more. */
inline settle()
{
#ifndef BREAK_SETTLE
	d_step { waits_bind = runs_bind; waits_msi = runs_msi };
	!waits_bind;
	!waits_msi;
#endif
	in_force = row[gen]
}

/* table_publish(): what is not in force is filled, then put in force. */
inline publish(new)
{
#ifdef BREAK_PUBLISH
	d_step { filled[1 - gen] = false; gen = 1 - gen; row[gen] = new };
	d_step { filled[gen] = true; authorized_now() };
#else
	filled[1 - gen] = false;
	d_step { filled[1 - gen] = true; row[1 - gen] = new };
#ifdef BREAK_EPOCH
	epoch++;
	d_step { gen = 1 - gen; authorized_now() };
#else
	d_step { gen = 1 - gen; authorized_now() };
#endif
#endif
#ifndef BREAK_EPOCH
	epoch++;
#endif
	settle()
}

/* quarantine() and release(): one ioctl, of which sync_vector() learns in it. */
inline retrigger(v, to)
{
	atomic {
		!igate -> target[v] = to;
		epoch++
	}
}

/* bindings_enforce() */
inline enforce(v, e, result)
{
	v = 0;
	do
	:: atomic { v < 2 && known[v] -> skip }; judge(v, e, result); v++
	:: atomic { v < 2 && !known[v] -> v++ }
	:: atomic { v == 2 -> v = 0; break }
	od;
	do
	:: atomic { v < 2 && known[v] && target[v] == GUEST && !allow[v] -> skip }; retrigger(v, SINK)
	:: atomic { v < 2 && known[v] && target[v] == SINK && allow[v] -> skip }; retrigger(v, GUEST)
	:: atomic { v < 2 && !(known[v] && (target[v] == GUEST && !allow[v] || target[v] == SINK && allow[v])) -> v++ }
	:: atomic { v == 2 -> break }
	od;
	/* what is not needed any more would only make more states */
	atomic { v = 0; e = 0; result = false }
}

/* bindings_settle() */
inline settle_held(v, e, result, h, s)
{
	d_step { h = held; s = since };
	/* held_wait() */
#ifndef BREAK_WAIT
	h = h && !in_call;
#endif
	/* search_skipped() */
	if
	:: skipped ->
		skipped = false;
		if
		:: atomic { target[1] != NONE && !known[1] ->
			known[1] = true; allow[1] = false; stamp[1] = epoch; epoch++ }
		:: else
		fi
	:: else
	fi;
	enforce(v, e, result);
	/* held_let_go() */
	if
	:: h && held && since == s ->
#ifdef BREAK_LET_GO
		held = false;
		stopped = false
#else
		stopped = false;
		if
		:: d_step { held && since == s -> held = false }
		:: else /* stopped again: put back */
		fi
#endif
	:: else
	fi;
	d_step { h = false; s = 0 }
}

proctype loader()
{
	byte v, e, s, done;
	bool result, h, new;
again:
	{
		alive = true;
#ifdef BREAK_ADOPT
		atomic { locked == 0 -> locked = LOADER };
		d_step { row[gen] = true; gate_saw = true; msi_saw = true; in_force = true; epoch++ };
		locked = 0;
#endif
		done = epoch - 1;
		do
		:: event || held || skipped || done != epoch ->
			atomic { locked == 0 -> locked = LOADER };
			d_step { event = false; done = epoch };
			settle_held(v, e, result, h, s);
			locked = 0
		:: reloads > 0 ->
			atomic { locked == 0 -> locked = LOADER };
			reloads--;
			if
			:: new = true
			:: new = false
			fi;
			publish(new);
			new = false;
			enforce(v, e, result);
			locked = 0
		od
	} unless { dead };
	/* The kernel closes what it had; systemd starts it again. */
	atomic {
		dead = false;
		if
		:: locked == LOADER -> locked = 0
		:: else
		fi
	};
	d_step { v = 0; e = 0; s = 0; done = 0; result = false; h = false; new = false };
	goto again
}

/* At any step, between any two. */
proctype killer()
{
	do
	:: atomic { deaths > 0 && alive && !dead -> deaths--; dead = true; alive = false; owed = false }
	:: deaths == 0 -> break
	od
}

/* irqgate revoke */
proctype operator()
{
	byte v, e;
	bool result;

	do
	:: revokes > 0 ->
		revokes--;
		atomic { locked == 0 -> locked = OPERATOR };
#ifndef BREAK_REVOKE
		if
		:: known[1] && target[1] == GUEST -> retrigger(1, SINK)
		:: else
		fi;
#endif
		row[gen] = false;
		epoch++;
		settle();
		later = !known[1];
#ifndef BREAK_REVOKE
		enforce(v, e, result);
#endif
		atomic {
			locked = 0;
			cutoff = true
		}
	:: revokes == 0 -> break
	od
}

/* A hostile one: it may show the gate another vector than VFIO then reads. */
proctype vmm()
{
	byte v, shown, e;
	bool result, permit;

	do
	:: atomic { binds > 0 && !stopped ->
		assert(!(owed && target[1] == GUEST && !row[gen])); /* 1 */
		binds--;
		in_call = true;
		owed = false
	   };
		if
		:: v = 1; shown = 1
		:: v = 1; shown = 0
		fi;
		/* gate_vfio_ioctl() */
		d_step { gate_saw = row[gen]; result = DECIDED(shown, gen) };
		atomic {
			permit = result || (drop && alive);
#ifdef BREAK_PINS
			permit = permit || !alive;
#endif
			assert(!permit || shown == 0 || gate_saw || (drop && alive)); /* 1, 6 */
#ifndef BREAK_HOLD
			if
			:: permit && !result -> held = true; since++; stopped = true
			:: else
			fi;
#endif
			owed = permit && !result
		};
		if
		:: !permit
		:: permit ->
			/* vfio_msi_set_vector_signal() */
			atomic { !igate -> igate = true };
			d_step { known[v] = false; target[v] = GUEST; anew = 1 - anew; later = true };
			if
			:: skips > 0 -> atomic { skips--; skipped = true; igate = false }; goto returns
			:: true
			fi;
			/* sync_vector(), judge_bound() */
			d_step {
				if
				:: !known[v] -> allow[v] = true; stamp[v] = epoch /* verdict: none */
				:: else /* a search was here before */
				fi;
				runs_bind = true;
				known[v] = true;
				later = true;
				epoch++
			};
#ifdef BREAK_POSTCHECK
			allow[v] = true; stamp[v] = epoch;
#else
			judge(v, e, result);
			if
			:: !result && alive ->
				d_step { held = true; since++ };
				stopped = true;
				if
				:: event = true
				:: skip /* the ring buffer is full */
				fi
			:: else
			fi;
#endif
			d_step { runs_bind = false; waits_bind = false; igate = false }
		fi;
returns:
		atomic { in_call = false; v = 0; shown = 0; e = 0; result = false; permit = false; gate_saw = false }
	:: target[1] != NONE && !stopped && !igate ->
		d_step { known[1] = false; target[1] = NONE; binds = binds }
	:: binds == 0 && target[1] == NONE && !stopped -> break
	od
}

/* vfio_msihandler(): what asks the inline gate, or the hook that counts. */
proctype device()
{
	byte v;
	bit g, bound;
	bool verdict, cached;

	do
	:: atomic {
		if
		:: target[0] != NONE ->
			v = 0;
			assert(target[0] == GUEST) /* 4: never at a sink */
		:: target[1] != NONE ->
			v = 1;
			assert(!(cutoff && !later && target[1] == GUEST)) /* 3 */
		fi;
		runs_msi = true;
		msi_saw = in_force;
		cached = known[v] && stamp[v] == epoch;
		g = gen;
		bound = anew
	   };
	   atomic {
		if
		:: v == 1 && bound != anew -> verdict = false /* free_irq() waits: it was before */
		:: else ->
		if
		:: cached -> verdict = allow[v]
		:: else -> verdict = DECIDED(v, g)
		fi
		fi;
		assert(verdict || v == 1); /* 4: an inline gate drops what is not allowed */
		assert(!verdict || v == 0 || msi_saw || target[1] != GUEST); /* 1: else a leak, reported */
		d_step { v = 0; g = 0; bound = 0; verdict = false; cached = false; msi_saw = false; runs_msi = false; waits_msi = false }
	   }
	od
}

init {
	atomic {
		filled[0] = true;
		target[0] = GUEST;
		known[0] = true;
		allow[0] = true;
		if
		:: row[0] = true; in_force = true
		:: row[0] = false
		fi;
		if
		:: drop = true
		:: drop = false
		fi;
		run loader();
		run killer();
		run operator();
		run vmm();
		run device()
	}
}

/* 1: what got past the gate is contained, as long as a loader lives. */
ltl contained { [] ((WRONG && alive) -> <> (!WRONG || !alive)) }
/* 6: whom the gate stopped is continued, also when the loader died over it. */
ltl continued { [] (stopped -> <> !stopped) }

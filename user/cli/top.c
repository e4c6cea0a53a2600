// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each update takes a snapshot and compares it with the one before. It makes lines of
 * text, which draw() puts on a terminal and print() writes in a batch.
 */
#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "cli/top.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "table/snapshot.h"
#include "table/table.h"

#define MIN_WIDTH 80
#define MAX_WIDTH 256
#define HEAD_LINES 5

enum mood { CALM, WARN, ALARM }; /* how a line looks */

struct row {
	const struct snapshot_row *now;
	double passed, stopped, leaked; /* a second, since the last update */
};

struct view {
	struct pins *pins;
	const struct top_options *options;
	struct snapshot now, before;
	__u64 time, time_before; /* CLOCK_MONOTONIC ns, 0: no snapshot yet */
	struct row *rows;
	size_t nrows, first; /* first: uppermost one on the screen */
	double passed, stopped, leaked; /* a second, of all vectors */
	struct irqgate_counters total;
	unsigned int bound, quarantined;
	int width; /* columns of a line */
};

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static __u64 stopped(const struct irqgate_counters *c)
{
	return c->dropped + c->denied;
}

/* Counters only grow, but an unload sets them to 0. */
static double rate(const struct view *v, __u64 now, __u64 before)
{
	if (!v->time_before || now < before)
		return 0;
	return (double)(now - before) * 1e9 / (double)(v->time - v->time_before);
}

static bool of_interest(const struct view *v, const struct snapshot_row *row)
{
	if (v->options->all || row->count.leaked || stopped(&row->count))
		return true;
	return row->bound && (row->binding.state != IRQGATE_BINDING_HOST ||
			      row->binding.verdict > IRQGATE_VERDICT_ALLOW);
}

static int descending(double a, double b)
{
	return (a < b) - (a > b);
}

/* First vectors that leak now, then those that leaked, that are being stopped, that are busy. */
static int row_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return descending(x->leaked, y->leaked) ?:
	       descending(x->now->count.leaked, y->now->count.leaked) ?:
	       descending(x->stopped, y->stopped) ?:
	       descending(x->passed, y->passed) ?:
	       descending(stopped(&x->now->count), stopped(&y->now->count)) ?:
	       (x->now > y->now) - (x->now < y->now);
}

static void count_row(struct view *v, const struct snapshot_row *now,
		      const struct snapshot_row *before)
{
	static const struct irqgate_counters none;
	const struct irqgate_counters *c = before ? &before->count : &none;
	struct row row = {
		.now = now,
		.passed = rate(v, now->count.passed + now->count.would_drop,
			       c->passed + c->would_drop),
		.stopped = rate(v, stopped(&now->count), stopped(c)),
		.leaked = rate(v, now->count.leaked, c->leaked),
	};

	v->passed += row.passed;
	v->stopped += row.stopped;
	v->leaked += row.leaked;
	counters_add(&v->total, &now->count);
	v->bound += now->bound && now->binding.state != IRQGATE_BINDING_HOST;
	v->quarantined += now->bound && now->binding.state == IRQGATE_BINDING_QUARANTINED;
	if (of_interest(v, now))
		v->rows[v->nrows++] = row;
}

/* Make the rows from both snapshots. */
static int compare(struct view *v)
{
	size_t i, k = 0;

	free(v->rows);
	v->rows = calloc(v->now.n + 1, sizeof(*v->rows));
	if (!v->rows)
		return fail(-ENOMEM, "top: out of memory");
	v->nrows = 0;
	v->passed = v->stopped = v->leaked = 0;
	v->bound = v->quarantined = 0;
	memset(&v->total, 0, sizeof(v->total));
	/* Both snapshots have the same order. */
	for (i = 0; i < v->now.n; i++) {
		const struct snapshot_row *now = &v->now.row[i], *old = NULL;

		while (k < v->before.n && snapshot_order(&v->before.row[k], now) < 0)
			k++;
		if (k < v->before.n && !snapshot_order(&v->before.row[k], now))
			old = &v->before.row[k];
		count_row(v, now, old);
	}
	qsort(v->rows, v->nrows, sizeof(*v->rows), row_order);
	return 0;
}

static int update(struct view *v)
{
	int err;

	snapshot_free(&v->before);
	v->before = v->now;
	v->time_before = v->time;
	err = snapshot_take(v->pins, &v->now);
	if (err)
		return fail(err, "top: cannot read the counters: %s", strerror(-err));
	v->time = now_ns();
	return compare(v);
}

/* ---- lines ---------------------------------------------------------------- */

/* Fit @n into @width columns: all digits if there is room, else thousands, millions, ... */
static const char *number(double n, int width, char buf[32])
{
	static const char units[] = " kMGTP";
	unsigned int unit = 0;

	snprintf(buf, 32, n > 0 && n < 9.95 ? "%.1f" : "%.0f", n);
	while ((int)strlen(buf) > width && units[unit + 1]) {
		n /= 1000;
		snprintf(buf, 32, n < 9.95 ? "%.1f%c" : "%.0f%c", n, units[++unit]);
	}
	return buf;
}

static const char *context(const struct view *v, __u32 gd, char *buf, size_t len)
{
	char name[IRQGATE_NAME_LEN];

	return text_safe(table_context_name(v->pins, gd, name), buf, len);
}

static enum mood head_line(const struct view *v, int line, char *buf, size_t len)
{
	const struct irqgate_state *st = v->pins->state;
	char a[32], b[32], c[32], loader[32], date[32];
	__u32 tgid = loader_runs(st);
	int names = (v->width - 58) / 2;
	time_t now = time(NULL);

	switch (line) {
	case 0:
		strftime(date, sizeof(date), "%H:%M:%S", localtime(&now));
		snprintf(loader, sizeof(loader), "loader %u", tgid);
		snprintf(buf, len, "irqgate %s  table %llu, %s, %s", date,
			 (unsigned long long)st->generation,
			 name_of(&names_mode, st->defaults[st->generation & 1].mode),
			 tgid ? loader : "NO LOADER: only pinned programs are in force");
		return tgid ? CALM : WARN;
	case 1:
		snprintf(buf, len,
			 "vectors %zu, bound %u, quarantined %u; lost events %llu, "
			 "unknown MSIs %llu",
			 v->now.n, v->bound, v->quarantined, (unsigned long long)st->lost_events,
			 (unsigned long long)st->unknown_msis);
		return CALM;
	case 2:
		snprintf(buf, len, "passed %s/s  stopped %s/s  leaked %s/s; leaked so far %llu",
			 number(v->passed, 9, a), number(v->stopped, 9, b), number(v->leaked, 9, c),
			 (unsigned long long)v->total.leaked);
		return v->total.leaked ? ALARM : CALM;
	case 4:
		snprintf(buf, len, "%-17s %6s %-*s %-*s %-7s %6s %6s %6s", "DEVICE", "VECTOR",
			 names, "OWNER", names, "GOES TO", "VERDICT", "PASS/s", "STOP/s", "LEAKED");
		return CALM;
	default:
		buf[0] = '\0';
		return CALM;
	}
}

static enum mood row_line(const struct view *v, const struct row *r, char *buf, size_t len)
{
	const struct irqgate_binding *b = r->now->bound ? &r->now->binding : NULL;
	char handle[HANDLE_STRLEN], vector[12], owner[IRQGATE_NAME_LEN], to[IRQGATE_NAME_LEN];
	char pass[32], stop[32], leak[32];
	int names = (v->width - 58) / 2;

	snprintf(vector, sizeof(vector), "%u", r->now->vector);
	snprintf(buf, len, "%-17.17s %6s %-*.*s %-*.*s %-7s %6s %6s %6s",
		 handle_format(r->now->handle, handle),
		 r->now->vector == IRQGATE_VECTOR_FUNCTION ? "func" : vector, names, names,
		 context(v, r->now->owner, owner, sizeof(owner)), names, names,
		 context(v, b ? b->gd : IRQGATE_GD_NONE, to, sizeof(to)),
		 b ? name_of(&names_verdict, b->verdict) : "-", number(r->passed, 6, pass),
		 number(r->stopped, 6, stop), number(r->now->count.leaked, 6, leak));
	if (r->now->count.leaked)
		return ALARM;
	return r->stopped > 0 || (b && b->verdict > IRQGATE_VERDICT_ALLOW) ? WARN : CALM;
}

/* ---- output ---------------------------------------------------------------- */

static void print(const struct view *v)
{
	char line[MAX_WIDTH + 1];
	size_t i;

	for (i = 0; i < HEAD_LINES + v->nrows; i++) {
		if (i < HEAD_LINES)
			head_line(v, i, line, sizeof(line));
		else
			row_line(v, &v->rows[i - HEAD_LINES], line, sizeof(line));
		puts(line);
	}
	fflush(stdout);
}

static int attributes(enum mood mood)
{
	if (mood == CALM)
		return A_NORMAL;
	return A_BOLD | (has_colors() ? COLOR_PAIR(mood) : mood == ALARM ? A_STANDOUT : 0);
}

static void draw(struct view *v)
{
	int page = LINES > HEAD_LINES + 1 ? LINES - HEAD_LINES - 1 : 0, y;
	char line[MAX_WIDTH + 1];

	if (v->first + page > v->nrows)
		v->first = v->nrows > (size_t)page ? v->nrows - page : 0;
	v->width = COLS < MIN_WIDTH ? MIN_WIDTH : COLS > MAX_WIDTH ? MAX_WIDTH : COLS;
	erase();
	for (y = 0; y < LINES - 1; y++) {
		size_t at = v->first + y - HEAD_LINES;
		enum mood mood;

		if (y < HEAD_LINES)
			mood = head_line(v, y, line, sizeof(line));
		else if (at < v->nrows)
			mood = row_line(v, &v->rows[at], line, sizeof(line));
		else
			break;
		attrset(attributes(mood) | (y == HEAD_LINES - 1 ? A_REVERSE : 0));
		mvaddnstr(y, 0, line, COLS);
	}
	attrset(A_DIM);
	snprintf(line, sizeof(line), "q quit  a %s host drivers  arrows, page keys: %zu-%zu of %zu",
		 v->options->all ? "hide" : "show", v->nrows ? v->first + 1 : 0,
		 v->first + page < v->nrows ? v->first + page : v->nrows, v->nrows);
	mvaddnstr(LINES - 1, 0, line, COLS - 1);
	refresh();
}

/* Returns false to quit. */
static bool key(struct view *v, struct top_options *options, int c)
{
	size_t page = LINES > HEAD_LINES + 2 ? LINES - HEAD_LINES - 2 : 1;

	switch (c) {
	case 'q':
	case 'Q':
		return false;
	case 'a':
		options->all = !options->all;
		return !compare(v);
	case KEY_DOWN:
		v->first++;
		break;
	case KEY_UP:
		v->first -= v->first > 0;
		break;
	case KEY_NPAGE:
		v->first += page;
		break;
	case KEY_PPAGE:
		v->first -= v->first < page ? v->first : page;
		break;
	case KEY_HOME:
		v->first = 0;
		break;
	case KEY_END:
		v->first = v->nrows;
		break;
	}
	return true;
}

/* Wait until the next update is due. Returns false to quit. */
static bool wait_batch(const struct view *v)
{
	struct timespec ts = {
		.tv_sec = (time_t)v->options->delay,
		.tv_nsec = (long)((v->options->delay - (double)(time_t)v->options->delay) * 1e9),
	};

	nanosleep(&ts, NULL);
	return !ended;
}

static bool wait_screen(struct view *v, struct top_options *options)
{
	__u64 due = v->time + (__u64)(options->delay * 1e9), now;

	while (!ended && (now = now_ns()) < due) {
		int c;

		timeout((int)((due - now) / 1000000) + 1);
		c = getch();
		if (c == ERR)
			continue;
		if (!key(v, options, c))
			return false;
		draw(v);
	}
	return !ended;
}

static int start_screen(SCREEN **screen)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fail(-ENOTTY, "top: this is not a terminal: use -b for plain text");
	*screen = newterm(NULL, stdout, stdin);
	if (!*screen)
		return fail(-ENOTTY,
			    "top: unknown terminal type '%s': set TERM, or use -b for plain text",
			    term ? term : "");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(WARN, COLOR_YELLOW, -1);
		init_pair(ALARM, COLOR_RED, -1);
	}
	return 0;
}

int top(struct pins *pins, const struct top_options *given)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct top_options options = *given;
	struct view v = { .pins = pins, .options = &options, .width = MIN_WIDTH };
	unsigned long updates = 0;
	SCREEN *screen = NULL;
	char path[PIN_LEN];
	int err = 0;

	/* No SA_RESTART, so that a signal ends the wait for a key. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (!options.batch)
		err = start_screen(&screen);
	while (!err) {
		err = update(&v);
		if (err)
			break;
		if (options.batch)
			print(&v);
		else
			draw(&v);
		if (++updates == options.count ||
		    !(options.batch ? wait_batch(&v) : wait_screen(&v, &options)))
			break;
		if (access(pin_path(path, "state"), F_OK))
			err = -ENOENT;
	}
	if (screen) {
		endwin();
		delscreen(screen);
	}
	if (err == -ENOENT)
		fail(err, "top: irqgate was unloaded");
	snapshot_free(&v.now);
	snapshot_free(&v.before);
	free(v.rows);
	return err;
}

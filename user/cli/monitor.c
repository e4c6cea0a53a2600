// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor is a process of its own. If a terminal or the journal is slow, only the
 * monitor loses events, not the loader, and the monitor says how many.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "cli/monitor.h"
#include "lib/util.h"
#include "loader/events.h"
#include "table/snapshot.h"

/* systemd-id128 new: finds irqgate's entries in any journal. */
#define MESSAGE_ID "5ecd99014e3e4962bd748f5edf272ec3"
#define FIELD_LEN 256
#define MAX_FIELDS 32

struct monitor {
	const struct monitor_options *opts;
	struct pins pins;
};

static int priority(__u8 verdict)
{
	switch (verdict) {
	case IRQGATE_VERDICT_LEAK:
		return LOG_ERR;
	case IRQGATE_VERDICT_AUDIT:
		return LOG_NOTICE;
	default:
		return LOG_WARNING;
	}
}

/* Send the fields of the JSON form, named as the journal wants: IRQGATE_HANDLE=... */
static void to_journal(const struct monitor *m, const struct irqgate_event *ev,
		       struct json_object *o)
{
	char field[MAX_FIELDS][FIELD_LEN], text[EVENT_TEXT_LEN];
	char message[EVENT_TEXT_LEN + sizeof("MESSAGE=")], level[16];
	struct iovec iov[MAX_FIELDS + 4];
	unsigned int n = 0, i;
	int err;

	snprintf(message, sizeof(message), "MESSAGE=%s", event_text(&m->pins, ev, text));
	snprintf(level, sizeof(level), "PRIORITY=%d", priority(ev->verdict));
	json_object_object_foreach(o, key, value) {
		if (!value || n == MAX_FIELDS)
			continue;
		snprintf(field[n], FIELD_LEN, "IRQGATE_%s=%s", key, json_object_get_string(value));
		for (i = 0; field[n][i] != '='; i++)
			field[n][i] = (char)toupper((unsigned char)field[n][i]);
		iov[n] = (struct iovec){ field[n], strlen(field[n]) };
		n++;
	}
	iov[n++] = (struct iovec){ message, strlen(message) };
	iov[n++] = (struct iovec){ level, strlen(level) };
	iov[n++] = (struct iovec){ "SYSLOG_IDENTIFIER=irqgate", 25 };
	iov[n++] = (struct iovec){ "MESSAGE_ID=" MESSAGE_ID, strlen("MESSAGE_ID=" MESSAGE_ID) };
	err = sd_journal_sendv(iov, (int)n);
	if (err < 0)
		msg("monitor: cannot write to the journal: %s", strerror(-err));
}

/* @summary: a count until now, not a single event */
static void show_event(const struct monitor *m, const struct irqgate_event *ev, bool summary)
{
	char time[WALL_TIME_LEN], text[EVENT_TEXT_LEN];
	struct json_object *o;

	if (!m->opts->json && !m->opts->journal) {
		printf("%s %s%s\n", wall_time(ev->time, time), event_text(&m->pins, ev, text),
		       summary ? " so far" : "");
		return;
	}
	o = event_json(&m->pins, ev);
	if (summary)
		json_object_object_add(o, "summary", json_object_new_boolean(true));
	if (m->opts->json)
		json_line(stdout, o);
	if (m->opts->journal)
		to_journal(m, ev, o);
	json_object_put(o);
}

static int on_event(void *arg, void *data, size_t len)
{
	const struct irqgate_event *ev = data;

	if (len < sizeof(*ev))
		return 0;
	if (ev->type == IRQGATE_EVENT_VERDICT)
		show_event(arg, ev, false);
	if (ev->type == IRQGATE_EVENT_LOST)
		msg("monitor: %llu events not shown, because it did not keep up", ev->count);
	return 0;
}

/* ---- the past ------------------------------------------------------------------- */

/*
 * A point in time: "boot", an age as 90s, 10m, 2h or 1d, or ISO 8601 in UTC. As
 * CLOCK_BOOTTIME ns, at least 0.
 */
static int parse_since(const char *text, __u64 *since)
{
	struct timespec boot, wall;
	struct tm tm = {};
	double ago;
	long long at;
	char unit, *end;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	if (!strcmp(text, "boot")) {
		*since = 0;
		return 0;
	}
	ago = strtod(text, &end);
	unit = *end;
	if (end != text && unit && !end[1] && strchr("smhd", unit) && ago >= 0) {
		ago *= unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 86400;
		*since = ago > boot.tv_sec ? 0 : (__u64)((boot.tv_sec - ago) * 1e9);
		return 0;
	}
	end = strptime(text, "%Y-%m-%d", &tm);
	if (end && (*end == 'T' || *end == ' ')) {
		end = strptime(end + 1, "%H:%M", &tm);
		if (end && *end == ':')
			end = strptime(end, ":%S", &tm);
		if (end && *end == 'Z')
			end++;
	}
	if (!end || *end)
		return fail(-EINVAL,
			    "--since %s: expected boot, an age as 90s, 10m, 2h or 1d, or "
			    "a time in UTC as 2026-11-22T12:00:00Z",
			    text);
	at = (long long)timegm(&tm) - (wall.tv_sec - boot.tv_sec);
	*since = at > 0 ? (__u64)at * 1000000000ULL : 0;
	return 0;
}

/* The reason with the highest count; `irqgate metrics` has the count of each. */
static __u8 main_reason(const struct irqgate_counters *c)
{
	__u8 i, most = 0;

	for (i = 1; i < IRQGATE_MAX_REASONS; i++)
		if (c->reason[i] > c->reason[most])
			most = i;
	return most;
}

/* No event is kept, but each vector has its counts and the time of its last report. */
static int show_past(const struct monitor *m, __u64 since)
{
	struct snapshot snap;
	int err = snapshot_take(&m->pins, &snap);
	size_t i, j;

	for (i = 0; !err && i < snap.n; i++) {
		const struct irqgate_counters *c = &snap.row[i].count;
		const struct {
			__u8 verdict;
			__u64 count;
		} kinds[] = {
			{ IRQGATE_VERDICT_DROP, c->dropped },
			{ IRQGATE_VERDICT_DENY, c->denied },
			{ IRQGATE_VERDICT_AUDIT, c->would_drop + c->audited },
			{ IRQGATE_VERDICT_LEAK, c->leaked },
			{ IRQGATE_VERDICT_ALLOW, c->replayed },
		};

		if (!c->reported || c->reported < since)
			continue;
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			const struct irqgate_event ev = {
				.time = c->reported,
				.handle = snap.row[i].handle,
				.vector = snap.row[i].vector,
				.count = kinds[j].count,
				.verdict = kinds[j].verdict,
				.reason = kinds[j].verdict == IRQGATE_VERDICT_ALLOW
						  ? IRQGATE_REASON_REPLAYED
						  : main_reason(c),
				.gd_expected = IRQGATE_GD_NONE,
				.gd_actual = IRQGATE_GD_NONE,
			};

			if (kinds[j].count)
				show_event(m, &ev, true);
		}
	}
	snapshot_free(&snap);
	return err;
}

/* Read from the loader if one runs, else from the ring buffer. */
static int show_new(struct monitor *m, int fd)
{
	struct irqgate_event events[MONITOR_BATCH];
	struct ring_buffer *ring;
	ssize_t n, i;

	fflush(stdout);
	if (fd >= 0) {
		while ((n = monitor_read(fd, events, 0)) > 0) {
			for (i = 0; i < n; i++)
				on_event(m, &events[i], sizeof(events[i]));
			fflush(stdout);
		}
		close(fd);
		msg("monitor: the loader ended");
		return 0;
	}
	ring = ring_buffer__new(m->pins.events, on_event, m, NULL);
	if (!ring)
		return fail(-errno, "monitor: cannot read the ring buffer: %s", strerror(errno));
	while (ring_buffer__poll(ring, -1) >= 0)
		fflush(stdout);
	ring_buffer__free(ring);
	return 0;
}

int monitor_verb(const struct monitor_options *opts)
{
	struct monitor m = { .opts = opts };
	__u64 since = 0;
	int fd, err = 0;

	if (opts->since && parse_since(opts->since, &since))
		return EXIT_USAGE;
	if (pins_open(&m.pins))
		return EXIT_RUNTIME;
	/* Connect before show_past(), so that no event in between is lost. */
	fd = monitor_connect();
	if (opts->since)
		err = show_past(&m, since);
	if (!err)
		err = show_new(&m, fd);
	pins_close(&m.pins);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prometheus text format 0.0.4. Each request reads the pinned maps again, so it costs
 * neither the loader nor a hook anything.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/metrics.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/hooks.h"
#include "table/pins.h"
#include "table/snapshot.h"
#include "table/table.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP irqgate_%s %s\n# TYPE irqgate_%s %s\n", name, help, name, type);
}

static void single(FILE *f, const char *name, const char *type, __u64 value, const char *help)
{
	family(f, name, type, help);
	fprintf(f, "irqgate_%s %llu\n", name, value);
}

/* Labels of all samples of a vector. None of them needs escaping. */
struct labels {
	char handle[HANDLE_STRLEN], context[IRQGATE_NAME_LEN], vector[16];
};

static void labels_of(const struct rows *rows, const struct snapshot_row *row, struct labels *l)
{
	handle_format(row->handle, l->handle);
	rows_context(rows, row->owner, l->context);
	snprintf(l->vector, sizeof(l->vector),
		 row->vector == IRQGATE_VECTOR_FUNCTION ? "function" : "%u", row->vector);
}

static void sample(FILE *f, const char *name, const struct labels *l, const char *label,
		   const char *value, __u64 count)
{
	fprintf(f, "irqgate_%s{handle=\"%s\",vector=\"%s\",context=\"%s\",%s=\"%s\"} %llu\n", name,
		l->handle, l->vector, l->context, label, value, count);
}

static void put_counters(FILE *f, const struct snapshot *snap, const struct rows *rows)
{
	struct labels l;
	unsigned int r;
	size_t i;

	family(f, "interrupts_total", "counter",
	       "Interrupts of a vector by verdict: allow passed, drop was stopped, audit and leak "
	       "passed.");
	for (i = 0; i < snap->n; i++) {
		const struct irqgate_counters *c = &snap->row[i].count;

		labels_of(rows, &snap->row[i], &l);
		sample(f, "interrupts_total", &l, "verdict", "allow", c->passed);
		sample(f, "interrupts_total", &l, "verdict", "drop", c->dropped);
		sample(f, "interrupts_total", &l, "verdict", "audit", c->would_drop);
		sample(f, "interrupts_total", &l, "verdict", "leak", c->leaked);
	}
	family(f, "replayed_total", "counter",
	       "Interrupts given back, one for all that were dropped, when the vector was allowed "
	       "again.");
	for (i = 0; i < snap->n; i++) {
		labels_of(rows, &snap->row[i], &l);
		sample(f, "replayed_total", &l, "verdict", "allow", snap->row[i].count.replayed);
	}
	family(f, "attempts_total", "counter",
	       "Binds, injections and receptions by verdict: deny was refused, audit went on.");
	for (i = 0; i < snap->n; i++) {
		labels_of(rows, &snap->row[i], &l);
		sample(f, "attempts_total", &l, "verdict", "deny", snap->row[i].count.denied);
		sample(f, "attempts_total", &l, "verdict", "audit", snap->row[i].count.audited);
	}
	family(f, "violations_total", "counter",
	       "Interrupts and attempts that the table does not allow, by reason.");
	for (i = 0; i < snap->n; i++) {
		labels_of(rows, &snap->row[i], &l);
		for (r = 0; r < IRQGATE_MAX_REASONS; r++)
			if (snap->row[i].count.reason[r])
				sample(f, "violations_total", &l, "reason",
				       name_of(&names_reason, r), snap->row[i].count.reason[r]);
	}
}

static void put_bindings(FILE *f, const struct pins *pins)
{
	__u64 count[IRQGATE_BINDING_QUARANTINED + 1][IRQGATE_VERDICT_LEAK + 1] = {};
	struct binding_walk w = {};
	unsigned int state, verdict;

	while (binding_next(pins, &w) > 0)
		if (w.b.state <= IRQGATE_BINDING_QUARANTINED && w.b.verdict <= IRQGATE_VERDICT_LEAK)
			count[w.b.state][w.b.verdict]++;
	family(f, "bindings", "gauge", "Live bindings by state and verdict.");
	for (state = IRQGATE_BINDING_HOST; state <= IRQGATE_BINDING_QUARANTINED; state++)
		for (verdict = 0; verdict <= IRQGATE_VERDICT_DENY; verdict++)
			fprintf(f, "irqgate_bindings{state=\"%s\",verdict=\"%s\"} %llu\n",
				name_of(&names_binding, state), name_of(&names_verdict, verdict),
				count[state][verdict]);
}

static __u64 elements(int map)
{
	char key[64], *prev = NULL;
	__u64 n = 0;

	for (; map >= 0 && map_next(map, prev, key) > 0; prev = key)
		n++;
	return n;
}

static void put_state(FILE *f, const struct pins *pins, const struct rows *rows)
{
	const struct irqgate_state *st = pins->state;
	__u64 age = now_ns() - st->loader_beat;
	enum irqgate_room room;
	int i;

	single(f, "enforcing", "gauge", rows->defaults.mode == IRQGATE_MODE_ENFORCE,
	       "1 in enforce mode, 0 in audit mode.");
	single(f, "loader_up", "gauge", !!loader_runs(st),
	       "1 while a loader runs: without one a drop is a deny.");
	family(f, "loader_beat_age_seconds", "gauge",
	       "Seconds since the loader's last sign of life.");
	fprintf(f, "irqgate_loader_beat_age_seconds %.3f\n", st->loader_beat ? age / 1e9 : 0.0);
	single(f, "table_generation", "gauge", st->generation, "Grows with every new table.");
	single(f, "table_epoch", "gauge", st->epoch,
	       "Moves with everything a cached verdict depends on.");
	family(f, "table_rows", "gauge", "Rows of the table in force.");
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++)
		fprintf(f, "irqgate_table_rows{map=\"%s\"} %zu\n", table_map_names[i],
			rows->map[i].n);
	single(f, "vms", "gauge", elements(pins->vms), "Virtual machines that irqgate knows.");
	single(f, "irqfds", "gauge", elements(pins->irqfds), "Eventfds that VMs listen to.");
	single(f, "held_processes", "gauge", elements(pins->held),
	       "Processes stopped until their vectors are quarantined.");
	single(f, "isolated_devices", "gauge", elements(pins->isolated),
	       "Functions taken off the bus.");
	single(f, "events_lost_total", "counter", st->lost_events,
	       "Events for which the ring buffer had no room.");
	single(f, "bindings_lost_total", "counter", st->lost_bindings,
	       "Bindings for which a map had no room.");
	single(f, "unknown_msis_total", "counter", st->unknown_msis,
	       "MSIs through VFIO without a known binding.");
	single(f, "uncontained", "gauge", st->uncontained,
	       "Bindings that the table forbids and irqgate could not cut.");
	single(f, "alarm", "gauge", !!st->alarm, "1 while the hooks do not fire.");
	family(f, "hooks_absent", "gauge",
	       "1 for kernel code that could not be hooked: enforce mode refuses its binds.");
	for (i = 0; i < (int)names_module.count; i++)
		fprintf(f, "irqgate_hooks_absent{module=\"%s\"} %d\n", name_of(&names_module, i),
			!!(st->unhooked & 1u << i));
	family(f, "map_filled_ratio", "gauge",
	       "Filled part of a map that users can fill; 0.8 and more is an alarm.");
	for (room = 0; room < IRQGATE_ROOMS; room++)
		fprintf(f, "irqgate_map_filled_ratio{map=\"%s\"} %.2f\n", room_names[room],
			pins_filled(pins, room) / 100.0);
	single(f, "untracked", "gauge", st->overflow - st->recovered,
	       "Objects without a row, because a map was full.");
	single(f, "sentinel_total", "counter", st->sentinel,
	       "Times that the injection gate was seen to fire; stands still if the hooks do not "
	       "fire.");
}

static void put_hooks(FILE *f)
{
	struct hook_status *st = calloc(nhooks, sizeof(*st));
	unsigned int i;

	if (!st)
		return;
	for (i = 0; i < nhooks; i++)
		hook_status(&hooks[i], &st[i]);
	family(f, "hook_attached", "gauge", "1 for a hook that is attached and not known silent.");
	for (i = 0; i < nhooks; i++)
		fprintf(f,
			"irqgate_hook_attached{hook=\"%s\",function=\"%s\",variant=\"%s\","
			"state=\"%s\"} %d\n",
			hooks[i].name, hooks[i].function ? hooks[i].function : "", st[i].variant,
			hook_states[st[i].state],
			st[i].state == HOOK_LIVE || st[i].state == HOOK_UNVERIFIED);
	family(f, "hook_missed_total", "counter", "Runs of a hook skipped by recursion.");
	for (i = 0; i < nhooks; i++)
		fprintf(f, "irqgate_hook_missed_total{hook=\"%s\"} %llu\n", hooks[i].name,
			st[i].missed);
	free(st);
}

/* All of it, for free(3); NULL: no memory. */
static char *collect(size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	struct snapshot snap;
	struct rows rows;
	struct pins pins;

	if (!f)
		return NULL;
	if (pins_open(&pins)) {
		single(f, "loaded", "gauge", 0, "1 while irqgate's programs are attached.");
	} else {
		single(f, "loaded", "gauge", 1, "1 while irqgate's programs are attached.");
		if (!table_read(&pins, &rows)) {
			put_state(f, &pins, &rows);
			if (!snapshot_take(&pins, &snap))
				put_counters(f, &snap, &rows);
			snapshot_free(&snap);
		}
		rows_free(&rows);
		put_bindings(f, &pins);
		put_hooks(f);
		pins_close(&pins);
	}
	return fclose(f) ? NULL : text;
}

/* ---- output ------------------------------------------------------------------------ */

static int write_once(const char *path)
{
	FILE *f = replace_open(path, 0644); /* a collector never reads half of it */
	size_t len;
	char *text;

	if (!f)
		return -EIO;
	text = collect(&len);
	if (text)
		fwrite(text, 1, len, f);
	free(text);
	return replace_close(f, path, text ? 0 : -ENOMEM);
}

/*
 * Only --listen loads libmicrohttpd. The library pulls in a TLS library and a dozen more:
 * linked, they would be two thirds of the run time of any command, and code that the loader
 * does not need.
 */
#define LIBMICROHTTPD "libmicrohttpd.so.12" /* the soname of 0.9.34 to 1.0 */

static struct {
	__typeof__(MHD_start_daemon) *start_daemon;
	__typeof__(MHD_stop_daemon) *stop_daemon;
	__typeof__(MHD_create_response_from_buffer) *create_response;
	__typeof__(MHD_add_response_header) *add_header;
	__typeof__(MHD_queue_response) *queue_response;
	__typeof__(MHD_destroy_response) *destroy_response;
} http;

static int load_http(void)
{
	static const struct {
		const char *name;
		void *function;
	} functions[] = {
		{ "MHD_start_daemon", &http.start_daemon },
		{ "MHD_stop_daemon", &http.stop_daemon },
		{ "MHD_create_response_from_buffer", &http.create_response },
		{ "MHD_add_response_header", &http.add_header },
		{ "MHD_queue_response", &http.queue_response },
		{ "MHD_destroy_response", &http.destroy_response },
	};
	void *lib = dlopen(LIBMICROHTTPD, RTLD_NOW), *found;
	unsigned int i;

	if (!lib)
		return fail(-ENOENT, "--listen: %s; install libmicrohttpd, or use --textfile",
			    dlerror());
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		found = dlsym(lib, functions[i].name);
		if (!found)
			return fail(-ENOENT, "--listen: %s", dlerror());
		memcpy(functions[i].function, &found, sizeof(found));
	}
	return 0;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	static int seen; /* its address marks a request whose headers came */
	static const char usage[] = "irqgate: see /metrics\n";
	struct MHD_Response *r;
	enum MHD_Result ret;
	unsigned int status = MHD_HTTP_OK;
	size_t len;
	char *text;

	(void)arg, (void)version, (void)upload, (void)upload_len;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD)) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else if (strcmp(url, "/metrics")) {
		status = strcmp(url, "/") ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK;
	} else {
		text = collect(&len);
		if (!text)
			return MHD_NO;
		r = http.create_response(len, text, MHD_RESPMEM_MUST_FREE);
		goto send;
	}
	r = http.create_response(strlen(usage), (void *)usage, MHD_RESPMEM_PERSISTENT);
send:
	if (!r)
		return MHD_NO;
	http.add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	ret = http.queue_response(connection, status, r);
	http.destroy_response(r);
	return ret;
}

/* "9100", "127.0.0.1:9100" or "[::1]:9100": other machines must not read the counters. */
static int parse_listen(const char *text, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *v6 = (void *)to;
	struct sockaddr_in *v4 = (void *)to;
	const char *colon = strrchr(text, ':');
	char host[64] = "127.0.0.1", *end;
	unsigned long port;

	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	port = strtoul(colon ? colon + 1 : text, &end, 10);
	memset(to, 0, sizeof(*to));
	if (end != (colon ? colon + 1 : text) && !*end && port && port < 65536) {
		if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 &&
		    ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
			v4->sin_family = AF_INET;
			v4->sin_port = htons((uint16_t)port);
			return 0;
		}
		if (!strcmp(host, "[::1]")) {
			v6->sin6_family = AF_INET6;
			v6->sin6_addr = in6addr_loopback;
			v6->sin6_port = htons((uint16_t)port);
			return 0;
		}
	}
	return fail(-EINVAL, "--listen %s: expected a port, or 127.0.0.1:PORT or [::1]:PORT", text);
}

static int serve(const char *listen)
{
	struct sockaddr_storage to;
	struct MHD_Daemon *daemon;
	sigset_t set;
	int sig, flags = MHD_USE_INTERNAL_POLLING_THREAD;

	if (parse_listen(listen, &to))
		return EXIT_USAGE;
	if (load_http())
		return EXIT_RUNTIME;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (to.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	daemon = http.start_daemon(flags, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &to,
				   MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT,
				   10u, MHD_OPTION_END);
	if (!daemon) {
		fail(0, "--listen %s: cannot listen: %s", listen, strerror(errno));
		return EXIT_RUNTIME;
	}
	msg("metrics: http://%s%s/metrics", strchr(listen, ':') ? "" : "127.0.0.1:", listen);
	sigwait(&set, &sig);
	http.stop_daemon(daemon);
	return EXIT_DONE;
}

int metrics_verb(const struct metrics_options *opts)
{
	unsigned long every = 0;
	char *end;

	if (opts->listen && (opts->textfile || opts->every)) {
		fail(0, "--listen and --textfile: expected one of them");
		return EXIT_USAGE;
	}
	if (opts->listen)
		return serve(opts->listen);
	if (opts->every) {
		every = strtoul(opts->every, &end, 10);
		if (!opts->textfile || *end || !every || every > 86400) {
			fail(0, "--every %s: expected seconds, from 1 to 86400, and --textfile",
			     opts->every);
			return EXIT_USAGE;
		}
	}
	for (;;) {
		if (write_once(opts->textfile))
			return EXIT_RUNTIME;
		if (!every)
			return EXIT_DONE;
		sleep((unsigned int)every);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * `irqgate learn`: record (learn_record.c), then make contexts (learn_contexts.c), devices
 * (learn_devices.c) and the rest of a policy (learn_policy.c). The counts in its comments
 * are exact, because they are differences of two snapshots.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"
#include "cli/learner.h"
#include "lib/util.h"
#include "loader/apply.h"
#include "table/table.h"

void *learner_more(struct learner *l, void *array, size_t n, size_t size)
{
	char *grown = array_more(array, n, size);

	if (!grown) {
		l->no_memory = true;
		return NULL;
	}
	memset(grown + n * size, 0, size);
	return grown;
}

char *note_text(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return s;
}

static int write_output(const struct learner *l, const char *path)
{
	FILE *f = replace_open(path, 0600);

	return f ? replace_close(f, path, learn_write(l, f)) : -EIO;
}

static int learn(struct learner *l, const struct learn_options *opts, unsigned long seconds)
{
	int err;

	l->in_force = policy_in_force();
	err = table_read(&l->pins, &l->rows) ?: policy_empty(&l->out) ?:
	      snapshot_take(&l->pins, &l->before);
	if (err)
		return err;
	if (l->rows.defaults.unlisted_source == IRQGATE_ACTION_ALLOW)
		msg("learn: cannot learn sources: the table in force allows unlisted ones; use "
		    "'unlisted_source: audit'");
	learn_record(l, opts->seconds ? l->start + seconds * 1000000000ULL : 0);
	err = snapshot_take(&l->pins, &l->after);
	if (err)
		return err;
	learn_policy(l);
	return l->no_memory ? fail(-ENOMEM, "learn: not enough memory")
			    : write_output(l, opts->output);
}

static void free_notes(char **notes, unsigned int n)
{
	unsigned int i;

	for (i = 0; notes && i < n; i++)
		free(notes[i]);
	free(notes);
}

static void learner_free(struct learner *l)
{
	if (l->out) {
		free_notes(l->context_note, l->out->ncontexts);
		free_notes(l->device_note, l->out->ndevices);
		free_notes(l->source_note, l->out->nsources);
	}
	policy_free(l->out);
	policy_free(l->in_force);
	rows_free(&l->rows);
	snapshot_free(&l->before);
	snapshot_free(&l->after);
	free(l->owner);
	free(l->seen);
	free(l->signaller);
	free(l->held);
	pins_close(&l->pins);
}

int learn_verb(const struct learn_options *opts)
{
	struct learner l = { .start = boottime_ns() };
	struct sigaction act = { .sa_handler = learn_stop };
	unsigned long seconds = 0;
	char *end;
	int err;

	if (opts->seconds) {
		seconds = strtoul(opts->seconds, &end, 10);
		if (*end || end == opts->seconds || seconds > 365 * 86400UL) {
			fail(0, "--for %s: expected a number of seconds", opts->seconds);
			return EXIT_USAGE;
		}
	}
	if (pins_open(&l.pins))
		return EXIT_RUNTIME;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	err = learn(&l, opts, seconds);
	learner_free(&l);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

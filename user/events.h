/* SPDX-License-Identifier: GPL-2.0-only */
/* Events as text and as JSON, and the socket that hands them to monitors. */
#ifndef IRQGATE_USER_EVENTS_H
#define IRQGATE_USER_EVENTS_H

#include <stdbool.h>
#include <stdio.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>
#include "pins.h"
#include "util.h"

#define MONITOR_SOCKET RUN_DIR "/monitor"

/* wall_time - a CLOCK_BOOTTIME of irqgate's as ISO 8601; returns @buf. */
#define WALL_TIME_LEN 40
const char *wall_time(__u64 boot_ns, char buf[WALL_TIME_LEN]);

/*
 * event_print - one line for a verdict event
 * @json: an object {time, verdict, reason, level, handle, vector, gd_expected,
 *	  gd_actual, context, pid, comm, gsi, irq, count}; times are ISO 8601, a
 *	  GD that is none is null
 */
void event_print(FILE *out, const struct pins *pins, const struct irqgate_event *ev, bool json);

struct json_object;

/*
 * event_json - that object, for json_object_put()
 * event_text - the line without its time; returns @buf
 * json_line - print an object on one line, which a later fflush(3) writes
 */
#define EVENT_TEXT_LEN 384
struct json_object *event_json(const struct pins *pins, const struct irqgate_event *ev);
const char *event_text(const struct pins *pins, const struct irqgate_event *ev,
		       char buf[EVENT_TEXT_LEN]);
void json_line(FILE *out, struct json_object *o);

/* monitor_listen - socket for monitors; a descriptor or a negative errno. Says so. */
int monitor_listen(void);

/* monitor_accept - take a waiting monitor. */
void monitor_accept(int listener);

/*
 * monitor_send - to all monitors, with the next monitor_flush() at the latest
 * monitor_flush - waits for nobody: what a monitor does not take is lost to it, and counted
 */
void monitor_send(const struct irqgate_event *ev);
void monitor_flush(void);

/*
 * monitor_connect - to the running loader
 * Return: a descriptor for monitor_read(), or a negative errno, -ENOENT and
 * -ECONNREFUSED when no loader runs.
 */
int monitor_connect(void);

/*
 * monitor_read - the next events, in order; IRQGATE_EVENT_LOST stands for some that are not
 * @flags: of recv(2)
 * Return: how many, 0: the loader ended, or a negative errno.
 */
#define MONITOR_BATCH 256
ssize_t monitor_read(int fd, struct irqgate_event events[MONITOR_BATCH], int flags);

#endif

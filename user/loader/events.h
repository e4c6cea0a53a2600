/* SPDX-License-Identifier: GPL-2.0-only */
/* Events as text and as JSON, and the socket through which monitors get them. */
#ifndef IRQGATE_USER_EVENTS_H
#define IRQGATE_USER_EVENTS_H

#include <stdbool.h>
#include <stdio.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>
#include "lib/util.h"
#include "table/pins.h"

#define MONITOR_SOCKET RUN_DIR "/monitor"

/* wall_time - convert a CLOCK_BOOTTIME in ns to ISO 8601; returns @buf. */
#define WALL_TIME_LEN 40
const char *wall_time(__u64 boot_ns, char buf[WALL_TIME_LEN]);

/*
 * event_print - print one line for a verdict event
 * @json: an object {time, verdict, reason, level, handle, vector, gd_expected,
 *	  gd_actual, context, pid, comm, gsi, irq, count, lived_us}; times are ISO 8601,
 *	  and null stands for no GD
 */
void event_print(FILE *out, const struct pins *pins, const struct irqgate_event *ev, bool json);

struct json_object;

/*
 * event_json - make that object, for json_object_put()
 * event_text - make the line without its time; returns @buf
 * json_line - print an object on one line, which a later fflush(3) writes
 */
#define EVENT_TEXT_LEN 384
struct json_object *event_json(const struct pins *pins, const struct irqgate_event *ev);
const char *event_text(const struct pins *pins, const struct irqgate_event *ev,
		       char buf[EVENT_TEXT_LEN]);
void json_line(FILE *out, struct json_object *o);

/* monitor_listen - make the socket for monitors; an fd or a negative errno. Prints why. */
int monitor_listen(void);

/* monitor_accept - accept a waiting monitor. */
void monitor_accept(int listener);

/*
 * monitor_send - send to all monitors, with the next monitor_flush() at the latest
 * monitor_flush - send without waiting: a monitor loses the events that it does not take, and
 *		   learns their number
 */
void monitor_send(const struct irqgate_event *ev);
void monitor_flush(void);

/*
 * monitor_connect - connect to the running loader
 * Return: an fd for monitor_read(), or a negative errno; -ENOENT and -ECONNREFUSED: no
 * loader runs.
 */
int monitor_connect(void);

/*
 * monitor_read - read the next events, in order; IRQGATE_EVENT_LOST stands for lost ones
 * @flags: of recv(2)
 * Return: number of events, 0: the loader ended, or a negative errno.
 */
#define MONITOR_BATCH 256
ssize_t monitor_read(int fd, struct irqgate_event events[MONITOR_BATCH], int flags);

#endif

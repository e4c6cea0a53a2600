// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/events.h"
#include "table/snapshot.h"
#include "table/table.h"

#define MAX_MONITORS 16

static struct {
	int fd;
	__u64 lost; /* events, since the monitor last took some */
} monitors[MAX_MONITORS];
static int nmonitors;

/* Events not sent yet. The first place is for the event that says how many a monitor lost. */
static struct irqgate_event batch[MONITOR_BATCH];
static unsigned int nbatch = 1;

/* Events carry CLOCK_BOOTTIME; people want the time of day. */
const char *wall_time(__u64 boot_ns, char buf[WALL_TIME_LEN])
{
	struct timespec boot, wall;
	char date[24];
	struct tm tm;
	__s64 ns;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	ns = (wall.tv_sec - boot.tv_sec) * 1000000000LL + wall.tv_nsec - boot.tv_nsec + boot_ns;
	wall.tv_sec = ns / 1000000000;
	gmtime_r(&wall.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, WALL_TIME_LEN, "%s.%06lldZ", date, ns % 1000000000 / 1000);
	return buf;
}

static struct json_object *json_gd(__u32 gd)
{
	return gd == IRQGATE_GD_NONE ? NULL : json_object_new_int64(gd);
}

struct json_object *event_json(const struct pins *pins, const struct irqgate_event *ev)
{
	struct json_object *o = json_object_new_object();
	char time[WALL_TIME_LEN], handle[HANDLE_STRLEN], context[IRQGATE_NAME_LEN];
	char comm[IRQGATE_COMM_LEN];
	long gsi;

	/* A process can choose any name for itself. */
	text_safe(ev->comm, comm, sizeof(comm));
	json_object_object_add(o, "time", json_object_new_string(wall_time(ev->time, time)));
	json_object_object_add(o, "verdict",
			       json_object_new_string(name_of(&names_verdict, ev->verdict)));
	json_object_object_add(o, "reason",
			       json_object_new_string(name_of(&names_reason, ev->reason)));
	json_object_object_add(o, "level",
			       json_object_new_string(name_of(&names_level, ev->level)));
	json_object_object_add(o, "handle",
			       json_object_new_string(handle_format(ev->handle, handle)));
	json_object_object_add(o, "vector", json_object_new_int64(ev->vector));
	json_object_object_add(o, "gd_expected", json_gd(ev->gd_expected));
	json_object_object_add(o, "gd_actual", json_gd(ev->gd_actual));
	json_object_object_add(
		o, "context",
		json_object_new_string(table_context_name(pins, ev->gd_actual, context)));
	json_object_object_add(o, "pid", json_object_new_int64(ev->pid));
	json_object_object_add(o, "comm", json_object_new_string(comm));
	gsi = ev->gsi ? (long)ev->gsi - 1 : listeners_gsi(pins, ev->eventfd, ev->vm);
	json_object_object_add(o, "gsi", gsi < 0 ? NULL : json_object_new_int64(gsi));
	json_object_object_add(o, "irq", json_object_new_int64(ev->irq));
	json_object_object_add(o, "count", json_object_new_int64(ev->count));
	json_object_object_add(o, "lived_us",
			       ev->lived ? json_object_new_int64(ev->lived / 1000) : NULL);
	return o;
}

void json_line(FILE *out, struct json_object *o)
{
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
}

const char *event_text(const struct pins *pins, const struct irqgate_event *ev,
		       char buf[EVENT_TEXT_LEN])
{
	char handle[HANDLE_STRLEN], vector[16];
	char expected[IRQGATE_NAME_LEN], actual[IRQGATE_NAME_LEN];
	char comm[IRQGATE_COMM_LEN];
	int n;

	snprintf(vector, sizeof(vector), "%u", ev->vector);
	n = snprintf(buf, EVENT_TEXT_LEN,
		     "%-5s %s vector %s: reason %s, level %s, expected %s, actual %s",
		     name_of(&names_verdict, ev->verdict), handle_format(ev->handle, handle),
		     ev->vector == IRQGATE_VECTOR_FUNCTION ? "function" : vector,
		     name_of(&names_reason, ev->reason), name_of(&names_level, ev->level),
		     table_context_name(pins, ev->gd_expected, expected),
		     table_context_name(pins, ev->gd_actual, actual));
	if (ev->pid)
		n += snprintf(buf + n, EVENT_TEXT_LEN - n, ", by %s[%u]",
			      text_safe(ev->comm, comm, sizeof(comm)), ev->pid);
	n += snprintf(buf + n, EVENT_TEXT_LEN - n, ", count %llu", ev->count);
	if (ev->lived)
		snprintf(buf + n, EVENT_TEXT_LEN - n, ", lived %llu us", ev->lived / 1000);
	return buf;
}

void event_print(FILE *out, const struct pins *pins, const struct irqgate_event *ev, bool json)
{
	char time[WALL_TIME_LEN], text[EVENT_TEXT_LEN];
	struct json_object *o;

	if (json) {
		o = event_json(pins, ev);
		json_line(out, o);
		json_object_put(o);
	} else {
		fprintf(out, "%s %s\n", wall_time(ev->time, time), event_text(pins, ev, text));
	}
	fflush(out);
}

static void socket_address(struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	strcpy(addr->sun_path, MONITOR_SOCKET);
}

int monitor_listen(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	mode_t mask;
	int err;

	if (fd < 0)
		return fail(-errno, "cannot make a socket: %s", strerror(errno));
	err = run_dir();
	if (err) {
		close(fd);
		return err;
	}
	socket_address(&addr);
	unlink(MONITOR_SOCKET);
	mask = umask(0077); /* from the first moment, only root may connect */
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, MAX_MONITORS) ? -errno
											   : 0;
	umask(mask);
	if (err) {
		close(fd);
		return fail(err, MONITOR_SOCKET ": %s", strerror(-err));
	}
	return fd;
}

void monitor_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (nmonitors == MAX_MONITORS) {
		close(fd);
		return;
	}
	monitors[nmonitors].fd = fd;
	monitors[nmonitors++].lost = 0;
}

/* Return: 0; 1: the monitor takes no events now; or a negative errno: it has ended. */
static int send_batch(int i)
{
	const struct irqgate_event *from = batch + !monitors[i].lost;
	size_t len = (nbatch - !monitors[i].lost) * sizeof(*from);

	batch[0] = (struct irqgate_event){
		.time = batch[1].time,
		.type = IRQGATE_EVENT_LOST,
		.count = monitors[i].lost,
	};
	if (send(monitors[i].fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 1 : -errno;
}

void monitor_flush(void)
{
	int i, err;

	for (i = 0; i < nmonitors && nbatch > 1; i++) {
		err = send_batch(i);
		if (!err) {
			monitors[i].lost = 0;
		} else if (err > 0) {
			monitors[i].lost += nbatch - 1;
		} else {
			close(monitors[i].fd);
			monitors[i--] = monitors[--nmonitors];
		}
	}
	nbatch = 1;
}

void monitor_send(const struct irqgate_event *ev)
{
	if (!nmonitors)
		return;
	batch[nbatch++] = *ev;
	if (nbatch == MONITOR_BATCH)
		monitor_flush();
}

ssize_t monitor_read(int fd, struct irqgate_event events[MONITOR_BATCH], int flags)
{
	ssize_t n = recv(fd, events, MONITOR_BATCH * sizeof(*events), flags);

	return n < 0 ? -errno : n / (ssize_t)sizeof(*events);
}

int monitor_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	int err;

	if (fd < 0)
		return -errno;
	socket_address(&addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

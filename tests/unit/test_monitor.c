// SPDX-License-Identifier: GPL-2.0-only
/* What a monitor gets, in order, and that it is told of what it does not get. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/util.h" /* before cmocka.h, whose fail() is a macro */
#include <cmocka.h>
#include "loader/events.h"
#include "table/snapshot.h"
#include "table/table.h"

/* Of maps, too. */
long listeners_gsi(const struct pins *pins, __u64 eventfd, __u64 vm)
{
	(void)pins;
	(void)eventfd;
	(void)vm;
	return -1;
}

const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	(void)pins;
	(void)gd;
	return strcpy(buf, "c");
}

static int listener;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len;

static int monitor(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
	monitor_accept(listener);
	return fd;
}

static void send_some(__u64 first, __u64 n)
{
	__u64 i;

	for (i = first; i < first + n; i++)
		monitor_send(&(struct irqgate_event){ .type = IRQGATE_EVENT_VERDICT, .count = i });
	monitor_flush();
}

/* Reads what is there. Counts what follows the last seen one, and what is told to be lost. */
static void read_some(int fd, __u64 *seen, __u64 *lost)
{
	struct irqgate_event events[MONITOR_BATCH];
	ssize_t n, i;

	while ((n = monitor_read(fd, events, MSG_DONTWAIT)) > 0) {
		for (i = 0; i < n; i++) {
			if (events[i].type == IRQGATE_EVENT_LOST) {
				assert_int_equal(i, 0);
				*lost += events[i].count;
				*seen += events[i].count;
			} else {
				assert_int_equal(events[i].count, *seen);
				++*seen;
			}
		}
	}
	assert_true(n == -EAGAIN);
}

static void all_arrive(void **state)
{
	__u64 seen = 0, lost = 0;
	int fd = monitor();

	(void)state;
	send_some(0, 3);
	read_some(fd, &seen, &lost);
	assert_int_equal(seen, 3);
	send_some(3, 3 * MONITOR_BATCH);
	read_some(fd, &seen, &lost);
	assert_int_equal(seen, 3 + 3 * MONITOR_BATCH);
	assert_int_equal(lost, 0);
	close(fd);
	send_some(0, 1); /* finds that it has gone */
}

static void losses_are_told(void **state)
{
	__u64 seen = 0, lost = 0, seen_other = 0, lost_other = 0, sent = 0;
	int slow = monitor(), other = monitor();

	(void)state;
	while (sent < 100000) {
		send_some(sent, 100);
		sent += 100;
		read_some(other, &seen_other, &lost_other);
	}
	assert_int_equal(seen_other, sent);
	assert_int_equal(lost_other, 0);
	read_some(slow, &seen, &lost);
	assert_true(seen > 0 && seen < sent);
	assert_int_equal(lost, 0); /* told with the next it can take */
	send_some(sent, 1);
	read_some(slow, &seen, &lost);
	assert_int_equal(seen, sent + 1);
	assert_true(lost > 0);
	send_some(sent + 1, 1);
	read_some(slow, &seen, &lost);
	assert_int_equal(seen, sent + 2);
	close(slow);
	close(other);
	send_some(0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrive),
		cmocka_unit_test(losses_are_told),
	};

	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* An abstract address of the kernel's choice. */
	address_len = sizeof(address);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address.sun_family)) ||
	    listen(listener, 2) || getsockname(listener, (struct sockaddr *)&address, &address_len))
		return 1;
	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}

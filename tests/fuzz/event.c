// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer over what the ring buffer holds, as text and as JSON. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "loader/events.h"
#include "table/snapshot.h"
#include "table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

long listeners_gsi(const struct pins *pins, __u64 eventfd, __u64 vm)
{
	(void)pins;
	(void)eventfd;
	(void)vm;
	return -1;
}

/* The longest a context's name gets; the real one, in user/table/table.c, asks a map. */
const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	(void)pins;
	memset(buf, 'x', IRQGATE_NAME_LEN - 1);
	buf[gd % IRQGATE_NAME_LEN] = '\0';
	buf[IRQGATE_NAME_LEN - 1] = '\0';
	return buf;
}

static void check_line(const struct irqgate_event *ev, bool json)
{
	struct json_object *o;
	char *line = NULL;
	size_t len;
	FILE *f = open_memstream(&line, &len);

	if (!f)
		return;
	event_print(f, NULL, ev, json);
	fclose(f);
	if (!len || line[len - 1] != '\n')
		abort();
	line[len - 1] = '\0';
	if (!text_is_safe(line) || strlen(line) != len - 1)
		abort();
	if (json) {
		o = json_tokener_parse(line);
		if (!json_object_is_type(o, json_type_object))
			abort();
		json_object_put(o);
	} else if (!strstr(line, ", count ")) {
		abort(); /* cut off */
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct irqgate_event *ev = malloc(sizeof(*ev)); /* for AddressSanitizer */

	if (!ev)
		return 0;
	memset(ev, 0, sizeof(*ev));
	memcpy(ev, data, size < sizeof(*ev) ? size : sizeof(*ev));
	check_line(ev, false);
	check_line(ev, true);
	free(ev);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer over the words of a command line: a handle, a list of vectors, a path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <irqgate/handle.h>
#include "lib/handle.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void handle(const char *text)
{
	char buf[HANDLE_STRLEN];
	__u64 value, again;

	if (handle_parse(text, &value))
		return;
	/* What is printed says the same. */
	if (handle_parse(handle_format(value, buf), &again) || again != value || !text_is_safe(buf))
		abort();
}

static void vectors(const char *text)
{
	char buf[VECTORS_STRLEN];
	struct vector_set set, again;
	const char *why = NULL;
	unsigned int i, n = 0;

	if (vectors_parse(text, &set, &why)) {
		if (!why || !text_is_safe(why))
			abort();
		return;
	}
	if (vectors_parse(vectors_format(&set, buf), &again, NULL) ||
	    memcmp(&set, &again, sizeof(set)))
		abort();
	for (i = 0; i < IRQGATE_MAX_VECTORS; i++)
		n += vectors_has(&set, i);
	if (!n || n != vectors_count(&set) || vectors_has(&set, IRQGATE_MAX_VECTORS) ||
	    vectors_noi(&set) < n)
		abort();
}

/* Any number has a name. */
static void number(const char *text, size_t len)
{
	char buf[HANDLE_STRLEN];
	__u64 value = 0;

	memcpy(&value, text, len < sizeof(value) ? len : sizeof(value));
	if (!text_is_safe(handle_format(value, buf)) || !*buf)
		abort();
}

static void path(const char *text, size_t len)
{
	char *buf = malloc(len + 1);
	__u64 value;

	if (!buf)
		return;
	text_name(text, buf, len + 1);
	if (!text_is_safe(buf) || strlen(buf) > len)
		abort();
	/* Learned names are also those of sources. */
	if (*buf && strlen(buf) <= HANDLE_SOFT_NAME_MAX && handle_soft_register(buf, &value) == -22)
		abort();
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* exact, for AddressSanitizer */

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	handle(text);
	vectors(text);
	number(text, size);
	path(text, strlen(text));
	free(text);
	return 0;
}

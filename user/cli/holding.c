// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/holding.h"
#include "lib/util.h"
#include "loader/bounded.h"
#include "table/pins.h"
#include "table/rows.h"

#define SEARCH_MS 2000
#define FOUND_MAX 16384 /* records: a process can have several descriptors of a device */

/* What the child found. Memory that both processes share, because it is no small answer. */
struct found {
	size_t n;
	bool more;
	struct holding of[FOUND_MAX];
};

static int note(const struct irqgate_file *file, void *arg)
{
	struct found *found = arg;

	if (file->kind != IRQGATE_FILE_VFIO_DEVICE)
		return 0;
	found->more = found->n == FOUND_MAX;
	if (found->more)
		return 1;
	found->of[found->n++] = (struct holding){
		.handle = file->handle,
		.start = file->start,
		.tgid = file->tgid,
		.mapped = file->fd < 0,
	};
	return 0;
}

/* Descriptors first: no process can make that walk wait. */
static int search(void *arg)
{
	struct found *found = *(struct found **)arg;
	int ret = pins_iterate("iter_vfio", note, found);

	ret = ret ?: pins_iterate("iter_maps", note, found);
	return ret < 0 ? ret : 0;
}

static int compare(const void *a, const void *b)
{
	const struct holding *x = a, *y = b;

	return order_of(x->handle, y->handle) ?: order_of(x->tgid, y->tgid);
}

/* Makes one holding of all that was found of a process and a device. */
static void join(struct holdings *h)
{
	size_t i, n = 0;

	if (h->n)
		qsort(h->of, h->n, sizeof(*h->of), compare);
	for (i = 0; i < h->n; i++) {
		if (n && !compare(&h->of[n - 1], &h->of[i]))
			h->of[n - 1].mapped |= h->of[i].mapped;
		else
			h->of[n++] = h->of[i];
	}
	h->n = n;
}

int holdings_find(struct holdings *out)
{
	/* The child of bounded_call() may outlive one search, so it keeps this memory. */
	static struct found *found;
	int err;

	memset(out, 0, sizeof(*out));
	if (!found) {
		found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (found == MAP_FAILED) {
			found = NULL;
			return -ENOMEM;
		}
	}
	found->n = 0;
	found->more = false;
	err = bounded_call(search, &found, sizeof(found), SEARCH_MS);
	out->n = found->n;
	out->more = found->more || err;
	out->of = calloc(out->n + 1, sizeof(*out->of));
	if (!out->of) {
		out->n = 0;
		return -ENOMEM;
	}
	memcpy(out->of, found->of, out->n * sizeof(*out->of));
	join(out);
	return err;
}

void holdings_free(struct holdings *holdings)
{
	free(holdings->of);
	memset(holdings, 0, sizeof(*holdings));
}

const struct holding *holdings_of(const struct holdings *h, __u64 handle, size_t *n)
{
	size_t i, end;

	for (i = 0; i < h->n && h->of[i].handle != handle; i++)
		;
	for (end = i; end < h->n && h->of[end].handle == handle; end++)
		;
	*n = end - i;
	return *n ? &h->of[i] : NULL;
}

bool holding_ident(const struct holding *holding, struct irqgate_ident *ident)
{
	int idents = bpf_obj_get(PIN_DIR "/idents");
	int pidfd = (int)syscall(SYS_pidfd_open, holding->tgid, 0);
	bool known = idents >= 0 && pidfd >= 0 && !bpf_map_lookup_elem(idents, &pidfd, ident) &&
		     ident->start == holding->start;

	if (!known)
		memset(ident, 0, sizeof(*ident));
	if (pidfd >= 0)
		close(pidfd);
	if (idents >= 0)
		close(idents);
	return known;
}

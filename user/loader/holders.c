// SPDX-License-Identifier: GPL-2.0-only
#include "loader/bounded.h"
#include "loader/holders.h"

/* How long a search may take, ms. */
#define SEARCH_MS 2000

#define NUMBERS_OF_THREAD 4

struct search {
	struct holders found;
	bool mapped;
};

static int note(const struct irqgate_file *file, void *arg)
{
	struct holders *h = arg;
	__u32 i, same = 0;

	if (file->kind != IRQGATE_FILE_VFIO_DEVICE || file->object != h->device)
		return 0;
	for (i = 0; i < h->n; i++)
		same += h->of[i].tid == file->tid;
	if (same == NUMBERS_OF_THREAD)
		return 0;
	h->more = h->n == HOLDERS_MAX;
	if (h->more)
		return 1;
	h->of[h->n++] = (struct holder){
		.start = file->start,
		.tgid = file->tgid,
		.tid = file->tid,
		.fd = file->fd,
	};
	return 0;
}

/* Runs in a child, because the walk of a process' mappings may have to wait for the process. */
static int search(void *arg)
{
	struct search *s = arg;
	int ret = s->mapped ? pins_iterate("iter_maps", note, &s->found) : 0;

	ret = ret ?: pins_iterate("iter_vfio", note, &s->found);
	return ret < 0 ? ret : 0;
}

int holders_find(struct holders *holders, __u64 device, bool mapped, int *budget)
{
	struct search s = { .found.device = device, .mapped = mapped };
	int err = bounded_spend(search, &s, sizeof(s), SEARCH_MS, budget);

	_Static_assert(sizeof(s) <= BOUNDED_ARG_MAX, "an argument");
	*holders = s.found;
	return err;
}

void holders_drop(struct holders *holders, __u32 i, bool process)
{
	__u32 tgid = holders->of[i].tgid, k, n = 0;

	for (k = 0; k < holders->n; k++)
		if (process ? holders->of[k].tgid != tgid : k != i)
			holders->of[n++] = holders->of[k];
	holders->n = n;
}

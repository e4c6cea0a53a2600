/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQGATE_USER_ARRAY_H
#define IRQGATE_USER_ARRAY_H

#include <linux/types.h>
#include <stdlib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * array_more - make room for one more element behind the @n of an array
 *
 * The array doubles when it is full, at 0, 1, 3, 7, ... elements. So its owner keeps no size, but
 * may make it in no other way, except with one element. Return: the array, which may have moved;
 * NULL: no memory, and the array stays as it is.
 */
static inline void *array_more(void *array, size_t n, size_t size)
{
	return n & (n + 1) ? array : reallocarray(array, 2 * n + 1, size);
}

/* ARRAY_MORE - the same, for the variable @array. Return: the element behind the last, or NULL. */
#define ARRAY_MORE(array, n)                                                                       \
	({                                                                                         \
		void *more_ = array_more(array, n, sizeof(*(array)));                              \
		if (more_)                                                                         \
			(array) = more_;                                                           \
		more_ ? &(array)[n] : NULL;                                                        \
	})

/* order_of - compare two numbers, as a comparison for qsort(3) returns it */
static inline int order_of(__u64 a, __u64 b)
{
	return (a > b) - (a < b);
}

/* order_of_vectors - compare two vectors: by their handles, then by their numbers */
static inline int order_of_vectors(__u64 handle_a, __u32 a, __u64 handle_b, __u32 b)
{
	return order_of(handle_a, handle_b) ?: order_of(a, b);
}

#endif

# SPDX-License-Identifier: GPL-2.0-only
# Members move, and one becomes wider. The layout itself is where it always is.
/^_Static_assert/d
s/^\(#define IRQGATE_LAYOUT\) .*/\1 4000000000u/
s/^struct irqgate_\(binding\|eventfd\|irqfd\|vm\|counters\|ident\) {$/&\n\t__u64 added;/
s/^\t__u64 layout;.*/&\n\t__u64 added;/
s/^\t__u32 line;.*/\t__u64 line;/

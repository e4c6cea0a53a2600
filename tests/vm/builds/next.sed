# SPDX-License-Identifier: GPL-2.0-only
# Members move, and one becomes wider.
/^_Static_assert/d
s/^struct irqgate_\(binding\|eventfd\|irqfd\|vm\|counters\|ident\|state\) {$/&\n\t__u64 added;/
s/^\t__u32 uid;$/\t__u64 uid;/

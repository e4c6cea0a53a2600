/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM irqgate_hook

#if !defined(IRQGATE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IRQGATE_TRACE_H

#include <linux/tracepoint.h>
#include <linux/version.h>
#include <irqgate/hook.h>

/* Since 6.16 DECLARE_TRACE appends the suffix itself. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define IRQGATE_TP(name) name##_tp
#else
#define IRQGATE_TP(name) name
#endif

/* DECLARE_TRACE_WRITABLE exists in only one of the passes over this header. */
#undef IRQGATE_TRACE
#ifdef DECLARE_TRACE_WRITABLE
#define IRQGATE_TRACE(name)                                                                        \
	DECLARE_TRACE_WRITABLE(name, TP_PROTO(struct irqgate_hook_call *call), TP_ARGS(call),      \
			       sizeof(struct irqgate_hook_call))
#else
#define IRQGATE_TRACE(name)                                                                        \
	DECLARE_TRACE(name, TP_PROTO(struct irqgate_hook_call *call), TP_ARGS(call))
#endif

IRQGATE_TRACE(IRQGATE_TP(irqgate_msi));
IRQGATE_TRACE(IRQGATE_TP(irqgate_signal));

#endif /* IRQGATE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE irqgate_trace
#include <trace/define_trace.h>

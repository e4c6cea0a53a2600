// SPDX-License-Identifier: GPL-2.0-only
#include "lib/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>

#define NAMES(table)                                                                               \
	{                                                                                          \
		.text = table, .count = sizeof(table) / sizeof(table[0])                           \
	}

static const char *const verdict_text[] = {
	[IRQGATE_VERDICT_NONE] = "none",   [IRQGATE_VERDICT_ALLOW] = "allow",
	[IRQGATE_VERDICT_AUDIT] = "audit", [IRQGATE_VERDICT_DROP] = "drop",
	[IRQGATE_VERDICT_DENY] = "deny",   [IRQGATE_VERDICT_LEAK] = "leak",
	[IRQGATE_VERDICT_ALARM] = "alarm",
};
const struct names names_verdict = NAMES(verdict_text);

static const char *const reason_text[] = {
	[IRQGATE_REASON_NONE] = "none",
	[IRQGATE_REASON_REGISTERED] = "registered",
	[IRQGATE_REASON_UNLISTED] = "unlisted",
	[IRQGATE_REASON_VECTOR] = "vector",
	[IRQGATE_REASON_CONTEXT] = "context",
	[IRQGATE_REASON_REVOKED] = "revoked",
	[IRQGATE_REASON_STRICT] = "strict",
	[IRQGATE_REASON_OWN_VMM] = "own-vmm",
	[IRQGATE_REASON_SHARED] = "shared",
	[IRQGATE_REASON_COMPAT] = "compat",
	[IRQGATE_REASON_NO_LOADER] = "no-loader",
	[IRQGATE_REASON_FULL] = "full",
	[IRQGATE_REASON_UNRESOLVED] = "unresolved",
	[IRQGATE_REASON_UNHOOKED] = "unhooked",
	[IRQGATE_REASON_SWAPPED] = "swapped",
	[IRQGATE_REASON_BROKER] = "broker",
	[IRQGATE_REASON_GATE_ON] = "gate-on",
	[IRQGATE_REASON_GATE_OFF] = "gate-off",
	[IRQGATE_REASON_FW_REGISTERED] = "fw-registered",
	[IRQGATE_REASON_FW_DEREGISTERED] = "fw-deregistered",
	[IRQGATE_REASON_FW_FAILED] = "fw-failed",
	[IRQGATE_REASON_FW_HANDLE] = "fw-handle",
	[IRQGATE_REASON_FW_VECTORS] = "fw-vectors",
	[IRQGATE_REASON_FW_OWNER] = "fw-owner",
	[IRQGATE_REASON_FW_UNLISTED] = "fw-unlisted",
	[IRQGATE_REASON_FW_MISSING] = "fw-missing",
	[IRQGATE_REASON_FW_FORWARD] = "fw-forward",
	[IRQGATE_REASON_FILLING] = "filling",
	[IRQGATE_REASON_OVERFLOW] = "overflow",
	[IRQGATE_REASON_EMPTIED] = "emptied",
	[IRQGATE_REASON_REPLAYED] = "replayed",
	[IRQGATE_REASON_SILENT] = "silent",
	[IRQGATE_REASON_RECOVERED] = "recovered",
	[IRQGATE_REASON_HOOKED] = "hooked",
};
const struct names names_reason = NAMES(reason_text);

static const char *const level_text[] = {
	[IRQGATE_LEVEL_NONE] = "none",
	[IRQGATE_LEVEL_BIND] = "bind",
	[IRQGATE_LEVEL_POSSESSION] = "possession",
	[IRQGATE_LEVEL_INJECTION] = "injection",
	[IRQGATE_LEVEL_QUARANTINE] = "quarantine",
	[IRQGATE_LEVEL_INLINE] = "inline",
	[IRQGATE_LEVEL_ISOLATE] = "isolate",
	[IRQGATE_LEVEL_ACCESS] = "access",
};
const struct names names_level = NAMES(level_text);

static const char *const action_text[] = {
	[IRQGATE_ACTION_ALLOW] = "allow",     [IRQGATE_ACTION_AUDIT] = "audit",
	[IRQGATE_ACTION_DROP] = "drop",       [IRQGATE_ACTION_DENY] = "deny",
	[IRQGATE_ACTION_ISOLATE] = "isolate",
};
const struct names names_action = NAMES(action_text);

static const char *const last_resort_text[] = {
	[IRQGATE_LAST_RESORT_REPORT] = "report",
	[IRQGATE_LAST_RESORT_ISOLATE] = "isolate",
	[IRQGATE_LAST_RESORT_KILL] = "kill",
};
const struct names names_last_resort = NAMES(last_resort_text);

static const char *const access_text[] = {
	[IRQGATE_ACCESS_ANY] = "any",
	[IRQGATE_ACCESS_OWNER] = "owner",
};
const struct names names_access = NAMES(access_text);

static const char *const on_mapped_text[] = {
	[IRQGATE_ON_MAPPED_REPORT] = "report",
	[IRQGATE_ON_MAPPED_STOP] = "stop",
	[IRQGATE_ON_MAPPED_KILL] = "kill",
};
const struct names names_on_mapped = NAMES(on_mapped_text);

static const char *const mode_text[] = {
	[IRQGATE_MODE_AUDIT] = "audit",
	[IRQGATE_MODE_ENFORCE] = "enforce",
};
const struct names names_mode = NAMES(mode_text);

static const char *const binding_text[] = {
	[IRQGATE_BINDING_HOST] = "host",
	[IRQGATE_BINDING_BOUND] = "bound",
	[IRQGATE_BINDING_QUARANTINED] = "quarantined",
};
const struct names names_binding = NAMES(binding_text);

/* Index: number of the bit in enum irqgate_module. */
static const char *const module_text[] = { "kernel", "vfio", "kvm" };
const struct names names_module = NAMES(module_text);

static const char *lookup(const struct names *names, unsigned int value)
{
	return value < names->count ? names->text[value] : NULL;
}

const char *name_of(const struct names *names, unsigned int value)
{
	const char *text = lookup(names, value);

	return text ? text : "?";
}

int name_value(const struct names *names, const char *text)
{
	unsigned int i;

	for (i = 0; i < names->count; i++)
		if (names->text[i] && !strcmp(names->text[i], text))
			return (int)i;
	return -EINVAL;
}

const char *names_list(const struct names *names, unsigned int allowed, char *buf, size_t len)
{
	static const char *const separators[] = { "", " or ", ", " }; /* by words left */
	unsigned int i, left = 0;
	size_t used = 0;

	for (i = 0; i < names->count; i++)
		left += names->text[i] && allowed >> i & 1;
	*buf = '\0';
	for (i = 0; i < names->count && used < len; i++) {
		if (!names->text[i] || !(allowed >> i & 1))
			continue;
		left--;
		used += (size_t)snprintf(buf + used, len - used, "%s%s", names->text[i],
					 separators[left > 1 ? 2 : left]);
	}
	return buf;
}

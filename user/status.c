// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>

#include "hooks.h"
#include "names.h"
#include "status.h"

static struct json_object *silent_hooks(void)
{
	struct json_object *names = json_object_new_array();
	struct hook_status st;
	unsigned int i;

	for (i = 0; i < nhooks; i++) {
		hook_status(&hooks[i], &st);
		if (st.state == HOOK_SILENT)
			json_object_array_add(names, json_object_new_string(hooks[i].name));
	}
	return names;
}

static void add_number(struct json_object *o, const char *key, __u64 value, bool known)
{
	json_object_object_add(o, key, known ? json_object_new_int64(value) : NULL);
}

int status(struct pins *pins, bool json)
{
	const struct irqgate_state *st = pins->state;
	struct json_object *o = json_object_new_object(), *silent = silent_hooks();
	bool loader = st->loader_tgid && !kill(st->loader_tgid, 0);
	int err = 0;

	if (!loader)
		err = -ESRCH;
	else if (st->alarm || json_object_array_length(silent))
		err = -EIO;
	json_object_object_add(o, "healthy", json_object_new_boolean(!err));
	json_object_object_add(o, "mode",
			       json_object_new_string(name_of(
				       &names_mode, st->defaults[st->generation & 1].mode)));
	add_number(o, "generation", st->generation, true);
	add_number(o, "loader", st->loader_tgid, loader);
	add_number(o, "alarm", st->alarm, st->alarm);
	json_object_object_add(o, "silent", silent);
	add_number(o, "lost_events", st->lost_events, true);
	add_number(o, "lost_bindings", st->lost_bindings, true);
	add_number(o, "unknown_msis", st->unknown_msis, true);
	add_number(o, "missed_runs", hooks_missed(), true);
	if (json) {
		printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	} else {
		json_object_object_foreach(o, key, value)
			printf("%-14s %s\n", key, value ? json_object_get_string(value) : "none");
	}
	json_object_put(o);
	return err;
}

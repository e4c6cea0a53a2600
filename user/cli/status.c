// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "cli/status.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/hooks.h"

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

/* The filled part of each map that users can fill, in percent. */
static struct json_object *filled(const struct pins *pins)
{
	struct json_object *rooms = json_object_new_object();
	enum irqgate_room room;

	for (room = 0; room < IRQGATE_ROOMS; room++)
		json_object_object_add(rooms, room_names[room],
				       json_object_new_int((int)pins_filled(pins, room)));
	return rooms;
}

/* Kernel code that is there and could not be hooked. */
static struct json_object *unhooked(__u32 modules)
{
	struct json_object *names = json_object_new_array();
	unsigned int i;

	for (i = 0; i < names_module.count; i++)
		if (modules & 1u << i)
			json_object_array_add(names,
					      json_object_new_string(name_of(&names_module, i)));
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
	__u32 loader = loader_runs(st);
	bool hangs = loader && now_ns() - st->loader_beat > IRQGATE_LOADER_HANGS_NS;
	int err = 0;

	if (!loader)
		err = -ESRCH;
	else if (hangs || st->alarm || st->uncontained || st->mapped || st->unhooked ||
		 json_object_array_length(silent) || pins_filling(pins) ||
		 st->overflow != st->recovered)
		err = -EIO;
	json_object_object_add(o, "healthy", json_object_new_boolean(!err));
	json_object_object_add(o, "mode",
			       json_object_new_string(name_of(
				       &names_mode, st->defaults[st->generation & 1].mode)));
	add_number(o, "generation", st->generation, true);
	add_number(o, "loader", loader, loader);
	json_object_object_add(o, "loader_hangs", json_object_new_boolean(hangs));
	add_number(o, "alarm", st->alarm, st->alarm);
	json_object_object_add(o, "silent", silent);
	json_object_object_add(o, "unhooked", unhooked(st->unhooked));
	json_object_object_add(o, "filled", filled(pins));
	add_number(o, "overflow", st->overflow - st->recovered, true);
	add_number(o, "uncontained", st->uncontained, true);
	add_number(o, "mapped", st->mapped, true);
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

// SPDX-License-Identifier: GPL-2.0-only
/* Matches: which processes a context or a source has. */
#include "policy/parser.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <irqgate/hash.h>
#include "lib/cgroup.h"
#include "lib/util.h"

#define MAX_PID 4194304 /* PID_MAX_LIMIT of 64-bit kernels */

enum { MATCH_CGROUP, MATCH_MACHINE, MATCH_PID, MATCH_EXE, MATCH_UID, MATCH_KEYS };
static const struct key match_keys[] = {
	[MATCH_CGROUP] = { .name = "cgroup", .kind = KIND_TEXT },
	[MATCH_MACHINE] = { .name = "machine", .kind = KIND_TEXT },
	[MATCH_PID] = { .name = "pid", .kind = KIND_NUMBER, .min = 1, .max = MAX_PID },
	[MATCH_EXE] = { .name = "exe", .kind = KIND_TEXT },
	[MATCH_UID] = { .name = "uid", .kind = KIND_USER, .max = MAX_UID },
};
SECTION(match_section, "a match", match_keys);

static bool path_printable(const char *path)
{
	while (*path && !text_control(path))
		path++;
	return !*path;
}

static bool check_path(struct parser *p, const char *key, const struct value *value)
{
	const char *what = strcmp(key, "exe") ? "a path below the cgroup root that starts with '/'"
					      : "an absolute path";
	unsigned int line = node_line(value->node);
	char word[WORD_LEN];

	if (value->text[0] != '/')
		parser_error(p, line, "'%s' is %s, expected %s", key, quoted(value->text, word),
			     what);
	else if (strlen(value->text) >= PATH_MAX)
		parser_error(p, line, "'%s' is %zu bytes long, expected at most %d", key,
			     strlen(value->text), PATH_MAX - 1);
	else if (!path_printable(value->text))
		parser_error(p, line,
			     "'%s' is %s, expected no control characters or line separators", key,
			     quoted(value->text, word));
	else
		return true;
	return false;
}

/* Is it a controller of cgroup v1, or another hierarchy that hosts mount beside them? */
static bool is_v1(const char *name)
{
	static const char *const names[] = { "blkio",   "cpu",      "cpuacct",    "cpuset",
					     "devices", "freezer",  "hugetlb",    "memory",
					     "net_cls", "net_prio", "perf_event", "pids",
					     "rdma",    "systemd",  "unified" };
	size_t len = strcspn(name, ",/"), i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && !strncmp(name, names[i], len))
			return true;
	return false;
}

/* Removes blanks around the text, "//", "/./" and a "/" or "/." at the end, in place. */
static char *tidy_path(const struct value *value)
{
	char *text = (char *)value->text; /* belongs to the document, so it is writable */
	char *from, *to;

	text += strspn(text, " \t");
	for (from = to = text; *from; from++) {
		if (*from == '/' &&
		    (from[1] == '/' || (from[1] == '.' && (!from[2] || from[2] == '/')))) {
			from += from[1] == '.';
			if (from[1])
				continue;
			*to++ = '/';
			break;
		}
		*to++ = *from;
	}
	while (to > text && (strchr(" \t", to[-1]) || (to > text + 1 && to[-1] == '/')))
		to--;
	*to = '\0';
	/* An alias may read the node again. */
	value->node->data.scalar.length = strlen(node_text(value->node));
	return text;
}

/*
 * The path of a cgroup v2 from a line of /proc/PID/cgroup, a path below the mount point, or a
 * plain path. Return: a part of @given, or NULL after an error.
 */
static const char *cgroup_of(struct parser *p, unsigned int line, const char *given)
{
	const size_t root = strlen(CGROUP_ROOT), digits = strspn(given, "0123456789");
	const char *path = given;
	char word[WORD_LEN];

	/* strchr() finds the end of the text, too. */
	if (!strncmp(path, "0::", 3) && strchr("/", path[3])) {
		path += 3;
	} else if (digits && path[digits] == ':' && strstr(path, ":/")) {
		parser_error(p, line,
			     "'cgroup' is %s, which is of cgroup v1, expected a path of cgroup v2: "
			     "the line of /proc/PID/cgroup that begins with 0::",
			     quoted(given, word));
		return NULL;
	}
	while (!strncmp(path, CGROUP_ROOT, root) && strchr("/", path[root])) {
		path += root;
		if (!is_v1(path + strspn(path, "/")))
			continue;
		parser_error(p, line,
			     "'cgroup' is %s, which is of cgroup v1 or a hybrid of both, expected "
			     "a path of cgroup v2: the line of /proc/PID/cgroup that begins with "
			     "0::",
			     quoted(given, word));
		return NULL;
	}
	if (strstr(path, "/../") ||
	    (strlen(path) >= 3 && !strcmp(path + strlen(path) - 3, "/.."))) {
		parser_error(p, line,
			     "'cgroup' is %s, as seen from another cgroup, expected the path from "
			     "the root: read /proc/PID/cgroup outside of containers",
			     quoted(path, word));
		return NULL;
	}
	return *path ? path : "/";
}

/* Accepts a cgroup in the forms that an operator pastes, and remarks how it took them. */
static bool read_cgroup(struct parser *p, struct value *value)
{
	char word[WORD_LEN];
	const char *given, *path;
	unsigned int line;

	if (!value->line)
		return true;
	line = node_line(value->node);
	given = tidy_path(value);
	path = cgroup_of(p, line, given);
	if (path && strcmp(path, given))
		policy_remark(p->policy, p->at, line, false, "cgroup %s is taken as %s",
			      quoted(given, word), path);
	value->text = path;
	return path;
}

/*
 * A uid that depends on the name, so that the matches of two users differ. A policy from
 * elsewhere is only checked, so the uid itself does not matter.
 */
static long long user_elsewhere(const char *name)
{
	return (long long)(irqgate_hash_text(name, WORD_LEN) & 0x3fffffff) + 0x40000000;
}

/* Replaces the name of a user by its uid. */
static bool read_user(struct parser *p, struct value *value)
{
	const struct passwd *user;
	char word[WORD_LEN];
	unsigned int line;
	char *name, *end;

	if (!value->text)
		return true;
	line = node_line(value->node);
	name = tidy_path(value);
	if (*name >= '0' && *name <= '9') {
		value->number = strtoll(name, &end, strncasecmp(name, "0x", 2) ? 10 : 16);
		if (!*end && value->number >= 0 && value->number <= MAX_UID)
			return true;
	}
	user = getpwnam(name);
	if (user) {
		value->number = user->pw_uid;
		policy_remark(p->policy, p->at, line, false, "user %s is uid %u",
			      quoted(name, word), user->pw_uid);
		return true;
	}
	if (p->place == POLICY_ELSEWHERE) {
		value->number = user_elsewhere(name);
		policy_remark(p->policy, p->at, line, true,
			      "user %s does not exist on this machine, but must exist where the "
			      "policy is used",
			      quoted(name, word));
		return true;
	}
	parser_error(p, line,
		     getgrnam(name) ? "'uid' is %s, which is a group, expected a user's name or a "
				      "number from 0 to %lld: a match names the user of a process"
				    : "'uid' is %s, which is no user of this machine, expected a "
				      "user's name or a number from 0 to %lld",
		     quoted(name, word), MAX_UID);
	return false;
}

static char *machine_cgroup(struct parser *p, const struct value *value)
{
	const char *c = value->text;
	char word[WORD_LEN], *path;

	if (!*c || strlen(c) > MAX_MACHINE || *c == '.' || strchr(c, '/') || !path_printable(c)) {
		parser_error(p, node_line(value->node),
			     "'machine' is %s, expected a name as machinectl(1) lists it, of up to "
			     "%d bytes",
			     quoted(c, word), MAX_MACHINE);
		return NULL;
	}
	if (strpbrk(c, "*?[\\") || !strncmp(c, "machine-", strlen("machine-")) ||
	    strstr(c, ".scope"))
		policy_remark(
			p->policy, p->at, node_line(value->node), true,
			"no machine is called %s: write the name as machinectl(1) lists it, or "
			"'cgroup' with the path of the scope",
			quoted(c, word));
	path = policy_machine_cgroup("/machine.slice", c);
	p->no_memory |= !path;
	return path;
}

static char *checked_path(struct parser *p, const char *key, const struct value *value)
{
	char *path;

	if (!check_path(p, key, value))
		return NULL;
	path = strdup(value->text);
	p->no_memory |= !path;
	return path;
}

bool parse_match(struct parser *p, yaml_node_t *node, struct policy_match *match)
{
	static const unsigned int kinds[] = {
		[MATCH_CGROUP] = IRQGATE_MATCH_CGROUP, [MATCH_MACHINE] = IRQGATE_MATCH_CGROUP,
		[MATCH_PID] = IRQGATE_MATCH_PID,       [MATCH_EXE] = IRQGATE_MATCH_EXE,
		[MATCH_UID] = IRQGATE_MATCH_UID,
	};
	struct value values[MAX_KEYS];
	struct value *cgroup = &values[MATCH_CGROUP], *machine = &values[MATCH_MACHINE];
	struct value *exe = &values[MATCH_EXE], *uid = &values[MATCH_UID];
	unsigned int i;

	memset(match, 0, sizeof(*match));
	if (!parse_mapping(p, &match_section, node, values) || !read_cgroup(p, cgroup) ||
	    !read_user(p, uid))
		return false;
	for (i = 0; i < MATCH_KEYS; i++)
		match->kinds |= values[i].line ? kinds[i] : 0;
	if (!match->kinds) {
		parser_error(p, node_line(node),
			     "match without a key, expected cgroup, machine, pid, exe or uid, or "
			     "several of them");
		return false;
	}
	if (cgroup->line && machine->line) {
		parser_error(p, node_line(node),
			     "both 'cgroup' and 'machine' in a match, expected one");
		return false;
	}
	match->pid = (__u32)values[MATCH_PID].number;
	match->uid = (__u32)uid->number;
	if (cgroup->line)
		match->cgroup = checked_path(p, "cgroup", cgroup);
	if (machine->line)
		match->cgroup = machine_cgroup(p, machine);
	if (exe->line)
		match->exe = checked_path(p, "exe", exe);
	return !match->cgroup == !(cgroup->line || machine->line) && !match->exe == !exe->line;
}

bool check_other_match(struct parser *p, const yaml_node_t *node, const struct policy_match *match,
		       const struct policy_match *other, const char *what)
{
	if (policy_match_equal(match, other))
		parser_error(p, node_line(node), "same match as %s, expected another", what);
	else if (policy_match_unclear(match, other))
		parser_error(p, node_line(node),
			     "a process may match this and %s, expected one of the two to have all "
			     "keys of the other",
			     what);
	else
		return true;
	return false;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hook of libvirt's qemu driver, called as NAME OPERATION SUB-OPERATION EXTRA with the
 * domain's XML on its input: https://libvirt.org/hooks.html
 *
 * Before QEMU starts, the PCI functions the domain gets become a file of the policy
 * directory, registered for a context that is the domain's machine; when the domain
 * has stopped the file goes. A function the operator's policy names is left to it.
 *
 * A hook that fails keeps the domain from starting; nothing may call libvirt here.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <irqgate/table.h>
#include "util.h"

#define POLICY "/etc/irqgate/policy.yaml"
#define POLICY_DIR "/etc/irqgate/policy.d"
#define PINS "/sys/fs/bpf/irqgate"
#define MACHINE_LEN 65
#define UUID_LEN 37

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* For tests: directories other than the system's, and another irqgate. */
static const char *setting(const char *variable, const char *usual)
{
	const char *value = getenv(variable);

	return value ? value : usual;
}

/* Runs irqgate; its output becomes @out, as far as there is room. Returns its exit status. */
static int irqgate(char *const argv[], char *out, size_t len)
{
	posix_spawn_file_actions_t actions;
	int fd[2], status, err;
	char rest[4096];
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], STDOUT_FILENO);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	while (!err && have + 1 < len && (n = read(fd[0], out + have, len - have - 1)) > 0)
		have += (size_t)n;
	out[have] = '\0';
	while (!err && read(fd[0], rest, sizeof(rest)) > 0)
		; /* or it dies of what nobody reads */
	close(fd[0]);
	if (err)
		return fail(-err, "libvirt hook: cannot run %s: %s", argv[0], strerror(err));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* Puts what is in the policy files now in force, where irqgate is loaded at all. */
static int apply(void)
{
	char *argv[] = { (char *)setting("IRQGATE", "irqgate"), "apply",
			 (char *)setting("IRQGATE_POLICY", POLICY), NULL };
	char out[1];

	if (access(setting("IRQGATE_PINS", PINS), F_OK))
		return 0; /* it reads the files when it starts */
	return irqgate(argv, out, sizeof(out))
		       ? fail(-EIO, "libvirt hook: the policy was not applied")
		       : 0;
}

/* ---- the domain -------------------------------------------------------------- */

struct domain {
	xmlXPathContext *xpath;
	char uuid[UUID_LEN];
	char machine[MACHINE_LEN];
	char context[IRQGATE_NAME_LEN];
};

/* A string XPath yields, for xmlFree(). */
static char *text_of(struct domain *d, const char *expression)
{
	xmlXPathObject *o = xmlXPathEvalExpression((const xmlChar *)expression, d->xpath);
	char *text = o ? (char *)xmlXPathCastToString(o) : NULL;

	xmlXPathFreeObject(o);
	return text;
}

/*
 * The name machined knows a domain by: virDomainGenerateMachineName in libvirt's
 * src/conf/domain_conf.c or src/hypervisor/domain_driver.c.
 */
static void machine_name(const char *id, const char *name, char machine[MACHINE_LEN])
{
	size_t n = (size_t)snprintf(machine, MACHINE_LEN, "qemu-%s-", id);
	bool skip = true;

	for (; *name && n < MACHINE_LEN - 1; name++) {
		bool mark = *name == '.' || *name == '-';

		if (mark ? skip : !strchr(LETTERS DIGITS, *name))
			continue;
		skip = mark;
		machine[n++] = *name;
	}
	while (n && strchr("-.", machine[n - 1]))
		n--;
	machine[n] = '\0';
}

/* A name for the context: the domain's, as far as a policy allows its characters. */
static void context_name(const char *name, char context[IRQGATE_NAME_LEN])
{
	char *c;

	snprintf(context, IRQGATE_NAME_LEN, "vm-%s", name);
	for (c = context; *c; c++)
		if (!strchr(LETTERS DIGITS "_.-", *c))
			*c = '_';
}

static int read_domain(struct domain *d)
{
	xmlDoc *doc = xmlReadFd(STDIN_FILENO, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
	char *uuid, *id, *name;
	int err = -EINVAL;

	d->xpath = doc ? xmlXPathNewContext(doc) : NULL;
	if (!d->xpath)
		return fail(-EINVAL, "libvirt hook: there is no domain XML on the input");
	uuid = text_of(d, "string(/domain/uuid)");
	id = text_of(d, "string(/domain/@id)");
	name = text_of(d, "string(/domain/name)");
	if (!uuid || strlen(uuid) != UUID_LEN - 1 ||
	    strspn(uuid, DIGITS "abcdefABCDEF-") != UUID_LEN - 1)
		msg("libvirt hook: the domain XML has no UUID");
	else if (!id || !name || strspn(id, DIGITS) != strlen(id) || strlen(id) > 10)
		msg("libvirt hook: the domain XML has no name or a bad id");
	else {
		strcpy(d->uuid, uuid);
		machine_name(id, name, d->machine);
		context_name(name, d->context);
		err = 0;
	}
	xmlFree(uuid);
	xmlFree(id);
	xmlFree(name);
	return err;
}

/* ---- its file ------------------------------------------------------------------ */

static void file_name(const struct domain *d, const char *suffix, char *path, size_t len)
{
	snprintf(path, len, "%s/libvirt-%s.%s", setting("IRQGATE_POLICY_DIR", POLICY_DIR), d->uuid,
		 suffix);
}

/* What irqgate registers now; NULL where it is not loaded. */
static struct json_object *registered(void)
{
	char *argv[] = { (char *)setting("IRQGATE", "irqgate"), "show", "devices", "-j", NULL };
	static char out[1 << 20];

	if (access(setting("IRQGATE_PINS", PINS), F_OK) || irqgate(argv, out, sizeof(out)))
		return NULL;
	return json_tokener_parse(out);
}

/* Does the operator's policy name it? What hooks registered is for vm-NAME. */
static bool claimed(struct json_object *rows, const char *handle)
{
	size_t n = rows ? json_object_array_length(rows) : 0, i;

	for (i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		const char *of = json_object_get_string(json_object_object_get(row, "handle"));
		const char *context =
			json_object_get_string(json_object_object_get(row, "context"));

		if (of && !strcmp(of, handle))
			return !context || strncmp(context, "vm-", 3);
	}
	return false;
}

static unsigned long attribute(xmlNode *node, const char *name)
{
	char *text = (char *)xmlGetProp(node, (const xmlChar *)name);
	unsigned long value = text ? strtoul(text, NULL, 0) : 0;

	xmlFree(text);
	return value;
}

/* <hostdev>, and <interface> of a host device. Returns how many it wrote. */
static int write_devices(FILE *f, struct domain *d)
{
	static const char all[] =
		"/domain/devices/hostdev[@mode='subsystem' and @type='pci']/source/address"
		" | /domain/devices/interface[@type='hostdev']/source/address[@type='pci']";
	xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)all, d->xpath);
	int n = found && found->nodesetval ? found->nodesetval->nodeNr : 0, i, written = 0;
	struct json_object *rows = n ? registered() : NULL;

	for (i = 0; i < n; i++) {
		xmlNode *node = found->nodesetval->nodeTab[i];
		char handle[64];

		snprintf(handle, sizeof(handle), "pci:%04lx:%02lx:%02lx.%lx",
			 attribute(node, "domain"), attribute(node, "bus"), attribute(node, "slot"),
			 attribute(node, "function"));
		if (claimed(rows, handle))
			continue;
		if (!written++)
			fprintf(f, "devices:\n");
		fprintf(f,
			"  - { handle: \"%s\", context: %s, vectors: all, on_violation: deny }\n",
			handle, d->context);
	}
	json_object_put(rows);
	xmlXPathFreeObject(found);
	return written;
}

static int forget(struct domain *d)
{
	char path[512];

	file_name(d, "yaml", path, sizeof(path));
	if (unlink(path))
		return errno == ENOENT
			       ? 0
			       : fail(-errno, "%s: cannot remove: %s", path, strerror(errno));
	return apply();
}

static int enter(struct domain *d)
{
	char path[512], new[512];
	int err, devices;
	FILE *f;

	mkdir(setting("IRQGATE_POLICY_DIR", POLICY_DIR), 0755);
	file_name(d, "yaml", path, sizeof(path));
	file_name(d, "new", new, sizeof(new)); /* no policy until it is complete */
	umask(0022);
	f = fopen(new, "we");
	if (!f)
		return fail(-errno, "%s: cannot write: %s", new, strerror(errno));
	fprintf(f,
		"# Written by the libvirt hook of irqgate while the domain runs.\n"
		"version: 1\ncontexts:\n  - { name: %s, match: { machine: \"%s\" } }\n",
		d->context, d->machine);
	devices = write_devices(f, d);
	err = ferror(f);
	if (fclose(f) || err || (devices && rename(new, path)))
		return fail(-EIO, "%s: cannot write: %s", path, strerror(errno));
	if (!devices) {
		unlink(new);
		return forget(d); /* it may have had some before */
	}
	err = apply();
	if (err)
		unlink(path); /* the domain does not start, and others must not suffer */
	return err;
}

int main(int argc, char **argv)
{
	struct domain d;

	if (argc < 4) {
		fprintf(stderr,
			"usage: hook NAME OPERATION SUB-OPERATION, domain XML on the input\n");
		return EXIT_USAGE;
	}
	/* Without a policy irqgate is not in use. */
	if (access(setting("IRQGATE_POLICY", POLICY), F_OK))
		return EXIT_DONE;
	/* Not earlier: until then the host's driver may have the function. */
	if ((!strcmp(argv[2], "start") || !strcmp(argv[2], "reconnect")) &&
	    !strcmp(argv[3], "begin"))
		return read_domain(&d) || enter(&d) ? EXIT_RUNTIME : EXIT_DONE;
	if (!strcmp(argv[2], "stopped") && !strcmp(argv[3], "end"))
		return read_domain(&d) || forget(&d) ? EXIT_RUNTIME : EXIT_DONE;
	return EXIT_DONE;
}

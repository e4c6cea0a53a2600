# SPDX-License-Identifier: GPL-2.0-only
"""The libvirt hook, called as libvirt calls it.

tests/libvirt/NAME.xml is a domain as libvirt hands it over, NAME.want the policy the hook
must write for it (nothing: no file), NAME.policy what the operator has. Comments of
NAME.want: `log: TEXT` the hook says, `comment: TEXT` is in its file, `status: N` it ends
with, `machined: no` there is no systemd-machined.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile
from xml.sax.saxutils import quoteattr

import yaml

CORPUS = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../libvirt"))

# Records how it is called; applies nothing.
FAKE_IRQGATE = """#!/bin/sh
echo "$@" >> "$0.log"
i=0; while [ $((i += 1)) -lt 9999 ]; do echo changes; done
exit "$(cat "$0.status")"
"""

DOMAIN = """<domain type='kvm' id='{id}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><uuid>c7a5fdbd-edaf-9455-926a-{uuid:012x}</uuid><devices>{devices}</devices>
  <qemu:commandline>{arguments}</qemu:commandline></domain>"""
HOSTDEV = ("<hostdev mode='subsystem' type='pci' managed='yes'><source>"
           "<address bus='0x3b' slot='0' function='{}'/></source></hostdev>")


def need(condition, why):
    if not condition:
        raise AssertionError(why)


# What QEMU 7.2 makes of its arguments; None: it, or the hook, cannot tell the function.
ARGUMENTS = (
    (("-device", "vfio-pci,host=3b:00.1"), ["1"]),
    (("--device", "vfio-pci,host=3b:00.1"), ["1"]),
    (("-device", "vfio-pci,host=3B:0.1,"), ["1"]),
    (("-device", "vfio-pci,host= 0000:3b:00.1"), ["1"]),
    (("-device", "id=host,driver=vfio-pci,host=3b:00.1"), ["1"]),
    (("-device", "e1000,driver=vfio-pci,host=3b:00.1"), ["1"]),
    (("-device", "vfio-pci,id=a,,host=3b:00.2,host=3b:00.1"), ["1"]),
    (("-device", "vfio-pci,rombar,,host=3b:00.1"), ["1"]),
    (("-device", "vfio-pci,host=3b:00.1,host=3b:00.2"), ["1", "2"]),
    (("-device", "vfio-pci-nohotplug,ghost=1,host=3b:00.1"), ["1"]),
    (("-device", "vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:3b:00.1/"), ["1"]),
    (("-device", "vfio-pci,sysfsdev=/sys/a,,host=3b:00.2/0000:3b:00.1"), ["1"]),
    (("-device", '{"host":"3b:00.1", "driver":"vfio-pci"} '), ["1"]),
    (("-device", '{"driver":"vfio-pci","id":"host","h\\u006fst":"3b:00.1"}'), ["1"]),
    (("-device", "{'driver':'vfio-pci','host':'3b:00.1'}"), ["1"]),
    (("-device", "vfio-pci,host=3b:00.1", "-set", "device.a.sysfsdev=/x/0000:3b:00.2"), ["1", "2"]),
    (("-global", "vfio-pci.host=3b:00.1", "-device", "virtio-gpu"), ["1"]),
    (("-global", "vfio-pci.x-no-mmap=on", "-device", "vfio-pci,host=3b:00.1"), ["1"]),
    (("-global", "driver=vfio-pci,property=x-no-mmap,value=on"), []),
    (("-hda", "nvme://0000:3b:00.1/1"), ["1"]),
    (("-drive", "if=none,file.driver=nvme,file.device=3b:00.1,file.namespace=1"), ["1"]),
    (("-drive", 'file=json:{"driver":"nvme",,"device":"0000:3b:00.1"}'), ["1"]),
    (("-blockdev", "nvme,node-name=a,device=0000:3b:00.1"), ["1"]),
    (("-blockdev", "driver=virtio-blk-vfio-pci,path=/sys/bus/pci/devices/0000:3b:00.1"), ["1"]),
    (("-device", "vfio-ap,sysfsdev=/sys/devices/vfio_ap/matrix/a"), []),
    (("-netdev", "user,id=vfio-pci,hostfwd=tcp::2222-:22,host=10.0.2.2"), []),
    (("-object", "{not JSON"), []),
    (("-device", "vfio-pci"), None),
    (("-device", "vfio-pci,id=hostdev0"), None),
    (("-device", "vfio-pci,host"), None),
    (("-device", "vfio-pci,host="), None),
    (("-device", "vfio-pci, host=3b:00.1"), None),
    (("-device", "vfio-pci,HOST=3b:00.1"), None),
    (("-device", "vfio-pci,host=3b:00"), None),
    (("-device", "vfio-pci,host=3b:00.8"), None),
    (("-device", "vfio-pci,host=soft:a"), None),
    (("-device", "vfio-pci,host=3b:00.1,host=a"), None),
    (("-device", "vfio-pci,host=3b:00.1,fd=5"), None),
    (("-device", "vfio-pci,sysfsdev=/sys/class/net/eth0/device"), None),
    (("-device", "vfio-pci,sysfsdev={root}/0000:3b:00.1"), None),
    (("-device", '{"driver":"vfio-pci","host":'), None),
    (("-device", '{"driver":"vfio-pci","host":5}'), None),
    (("-device", "e1000,id=a", "-set", "device.a.driver=vfio-pci"), None),
    (("-device", "vfio-pci,host=3b:00.1", "-set", "device.a.host="), None),
    (("-global", "driver=vfio-pci,property=host,value=3b:00.1"), None),
    (("-drive", "file=nvme://a/1"), None),
    (("-readconfig", "/nonexistent"), None),
    (("-readconfig", "{root}/passed"), None),
    (("-readconfig", "{root}/emulated"), []),
)


def domain(uuid=1, name="blue", functions=(1,), number=7, arguments=()):
    return DOMAIN.format(id=number, name=name, uuid=uuid,
                         devices="".join(HOSTDEV.format(f) for f in functions),
                         arguments="".join(f"<qemu:arg value={quoteattr(a)}/><qemu:env name='a'/>"
                                           for a in arguments))


@contextlib.contextmanager
def process():
    """What may stand for a QEMU that runs."""
    with subprocess.Popen(["sleep", "60"]) as qemu:
        try:
            yield qemu
        finally:
            qemu.kill()


def passed(function):
    return ("-device", f"vfio-pci,host=3b:00.{function}")


class Host:
    """A host of its own for the hook, in a directory."""

    def __init__(self, build, root, policy="version: 1\n"):
        self.hook, self.root = f"{build}/libvirt-hook", root
        self.irqgate, self.policy = f"{root}/irqgate", f"{root}/policy.yaml"
        self.domains, self.run_dir = f"{root}/domains.d", f"{root}/qemu"
        self.environment = dict(os.environ, IRQGATE=self.irqgate, IRQGATE_POLICY=self.policy,
                                IRQGATE_POLICY_DIR=self.domains, IRQGATE_PINS=root,
                                IRQGATE_LIBVIRT_RUN=self.run_dir, IRQGATE_MACHINED="yes")
        os.mkdir(self.run_dir)
        self.write(self.irqgate, FAKE_IRQGATE, 0o755)
        self.applies(0)
        if policy:
            self.write(self.policy, policy)

    def write(self, path, text, mode=0o600):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def applies(self, status):
        self.write(self.irqgate + ".status", f"{status}\n")

    def calls(self):
        try:
            with open(self.irqgate + ".log", encoding="utf-8") as file:
                lines = file.read().splitlines()
            os.unlink(self.irqgate + ".log")
            return lines
        except FileNotFoundError:
            return []

    def call(self, xml, operation="start", sub="begin", user=None):
        done = subprocess.run([self.hook, "blue", operation, sub, "-"], input=xml.encode(),
                              env=self.environment, capture_output=True, check=False, timeout=60,
                              user=user)
        need(not done.stdout, f"stdout, which libvirt takes for XML: {done.stdout[:80]!r}")
        return done.returncode, done.stderr.decode(errors="replace")

    def starts(self, xml, operation="start", **kw):
        status, err = self.call(xml, operation, **kw)
        need(status == 0, f"{operation}: status {status}: {err}")
        return err

    def file(self, uuid=1):
        return f"{self.domains}/libvirt-c7a5fdbd-edaf-9455-926a-{uuid:012x}.yaml"

    def files(self):
        return sorted(os.listdir(self.domains)) if os.path.isdir(self.domains) else []

    def text(self, uuid=1):
        with open(self.file(uuid), encoding="utf-8") as file:
            return file.read()

    def handles(self, uuid=1):
        if not os.path.exists(self.file(uuid)):
            return []
        return [d["handle"][-1] for d in yaml.safe_load(self.text(uuid))["devices"]]


def check_merged(host, command):
    """irqgate takes the operator's file and the domains' as one policy."""
    if os.geteuid() != 0:
        return
    parts = f"{host.root}/policy.d"
    os.mkdir(parts, 0o700)
    for name in host.files():
        os.link(f"{host.domains}/{name}", f"{parts}/{name}")
    done = subprocess.run(command + ["check", host.policy], capture_output=True, check=False)
    need(done.returncode == 0, f"the policy is refused: {done.stderr[:300]!r}")


def of_corpus(base, build, command):
    with open(base + ".want", encoding="utf-8") as file:
        text = file.read()
    notes = re.findall(r"^# (\w+): (.*)$", text, re.M)
    want = yaml.safe_load(text) or {}
    with open(base + ".xml", encoding="utf-8") as file:
        xml = file.read()
    mistakes = False
    with tempfile.TemporaryDirectory() as root:
        host = Host(build, root)
        if os.path.exists(base + ".policy"):
            with open(base + ".policy", encoding="utf-8") as file:
                host.write(host.policy, file.read())
            mistakes = subprocess.run(command + ["check", host.policy], capture_output=True,
                                      check=False).returncode != 0
        host.environment["IRQGATE_MACHINED"] = dict(notes).get("machined", "yes")
        status, err = host.call(xml)
        need(status == int(dict(notes).get("status", 0)), f"status {status}: {err}")
        for kind, words in notes:
            need(kind != "log" or words in err, f"does not say {words!r}: {err!r}")
        files = host.files()
        need(len(files) == bool(want), f"files: {files}")
        if not want:
            return
        with open(f"{host.domains}/{files[0]}", encoding="utf-8") as file:
            written = file.read()
        for kind, words in notes:
            need(kind != "comment" or words in written, f"not in the file: {words!r}: {written!r}")
        got = yaml.safe_load(written)
        need(got == want, f"wrote {got}, expected {want}")
        need(host.calls() == [f"apply {host.policy}"], "does not apply it once")
        if not mistakes:
            check_merged(host, command)
        need(host.call(xml, "stopped", "end")[0] == 0 and not host.files(), "stays registered")


# ---- what takes more than one call

def acts_when_told(host):
    """Nothing without a policy, nothing on other operations."""
    os.unlink(host.policy)
    need(host.call(domain()) == (0, "") and not host.files(), "it acts without a policy")
    host.write(host.policy, "version: 1\n")
    for other in (("prepare", "begin"), ("started", "begin"), ("migrate", "begin"),
                  ("restore", "begin"), ("release", "end")):
        need(host.call(domain(), *other) == (0, "") and not host.calls(), f"it acts on {other}")
    for bad in ("", "<domain", "<domain id='1'><name>a</name><uuid>../../etc/x</uuid></domain>"):
        need(host.call(bad)[0] == 1, f"it takes {bad!r}")
        need(host.call(bad, "reconnect")[0] == 0, f"a running domain is killed for {bad!r}")


def refused(host):
    """What irqgate refuses keeps the domain from starting and leaves nothing, but never kills."""
    host.applies(2)
    status, err = host.call(domain())
    need(status == 1 and "was not applied" in err and not host.files(), f"{status} {err}")
    host.applies(0)
    host.starts(domain())
    host.applies(2)
    host.starts(domain(), "reconnect")
    need(host.handles() == ["1"], "what a running domain has is gone")
    host.environment["IRQGATE"] = "/nonexistent"
    need(host.call(domain(2, functions=(2,)))[0] == 1, "it starts though irqgate cannot be run")
    host.environment["IRQGATE_PINS"] = "/nonexistent"
    host.starts(domain(2, functions=(2,)))
    need(host.handles(2) == ["2"], "it is not there for the next start of irqgate")


def hot_unplug(host):
    """A function another domain gave up, or died with, is this one's."""
    host.starts(domain(1, functions=(1, 2)))
    host.starts(domain(2, "green", functions=(3,), number=8))
    err = host.starts(domain(3, "red", functions=(2, 4), number=9))
    need("is out of date: removed the rows that are now this domain's" in err, err)
    need([host.handles(i) for i in (1, 2, 3)] == [["1"], ["3"], ["2", "4"]], "wrong rows")
    err = host.starts(domain(4, "gray", functions=(3,), number=10))
    need("is out of date: removed" in err and not os.path.exists(host.file(2)), err)
    need(host.call(domain(2, "green", functions=()), "stopped", "end")[0] == 0, "it stops twice")


def arguments_of_qemu(host):
    """Each form by which QEMU takes a function; one that cannot be read is no start."""
    os.symlink(host.root, f"{host.root}/0000:3b:00.1")
    host.write(f"{host.root}/passed", '[device "a"]\n  driver = "vfio-pci"\n  host = "3b:00.1"\n')
    host.write(f"{host.root}/emulated", '[device "a"]\n  driver = "nvme"\n  serial = "host"\n')
    for words, want in ARGUMENTS:
        words = [word.replace("{root}", host.root) for word in words]
        status, err = host.call(domain(functions=(), arguments=words))
        need(status == (want is None), f"{words}: status {status}: {err}")
        need(host.handles() == (want or []), f"{words}: {host.handles()}")
        lines = [line for line in err.splitlines() if "cannot tell which PCI function" in line]
        need(len(lines) == (want is None), f"{words}: {err}")
        need(all("domain blue" in line and "<hostdev>" in line for line in lines), f"{err}")
        need(host.call(domain(functions=(), arguments=words), "stopped", "end")[0] == 0, words)
    host.starts(domain())
    host.starts(domain(arguments=("-device", "vfio-pci")), "reconnect")
    need(host.handles() == ["1"], "a running domain loses what it has")
    need(host.call(domain(arguments=("-device", "vfio-pci")), "stopped", "end")[0] == 0, "no stop")
    need(not host.files(), "it stays registered")


def argument_of_a_running_domain(host):
    """Neither may take it from the other while that runs: libvirt does not know of it."""
    with process() as qemu:
        for name in ("blue", "red"):
            host.write(f"{host.run_dir}/{name}.pid", f"{qemu.pid}\n")
        host.starts(domain(1, functions=(1, 2)))
        host.starts(domain(2, "red", functions=(), number=8, arguments=passed(3)))
        host.starts(domain(3, "gray", functions=(4,), number=9))
        before, _ = [host.text(i) for i in (1, 2, 3)], host.calls()
        for victim, taker in (("blue", {"functions": (5, 4), "arguments": passed(1)}),
                              ("red", {"functions": (), "arguments": passed(3)}),
                              ("red", {"functions": (4, 3)})):
            status, err = host.call(domain(4, "green", number=10, **taker))
            need(status == 1 and "domain green: " in err and f"domain {victim} has" in err, err)
            need([host.text(i) for i in (1, 2, 3)] == before and not host.calls() and
                 not os.path.exists(host.file(4)), f"{victim} loses what it has")
        # libvirt does give one away that was unplugged.
        host.starts(domain(4, "green", functions=(1,), number=10))
        need(host.handles() == ["2"] and host.handles(4) == ["1"], "not given away")
        err = host.starts(domain(1, functions=(2,), arguments=passed(1)), "reconnect")
        need("domain green has" not in err and host.handles() == ["2", "1"], err)
        # A name that the comment cannot have as it is may be that of any running domain.
        host.starts(domain(5, "a&#x85;b", functions=(6,), number=11))
        status, err = host.call(domain(6, "pink", (), 12, passed(6)))
        need(status == 1 and "domain a?b has" in err and host.file(5) in err, err)
    host.starts(domain(7, "brown", (), 13, passed(3)))
    need(host.handles(7) == ["3"] and not os.path.exists(host.file(2)), "a dead one keeps it")


def defined_anew(host):
    """Another UUID, but the name and number of a domain that died."""
    host.starts(domain(1))
    err = host.starts(domain(2, functions=(2,)))
    need("is out of date: removed" in err and host.handles(2) == ["2"], err)
    need(not os.path.exists(host.file(1)), "both have the context")


def names_alike(host):
    """Domains whose names differ in what a policy would not allow."""
    for i, name in enumerate(("a b", "a_b", "x" * 60 + "1", "x" * 60 + "2")):
        host.starts(domain(i, name, functions=(i,), number=i + 1))
    names = {yaml.safe_load(host.text(i))["contexts"][0]["name"] for i in range(4)}
    need(len(names) == 4, f"contexts: {names}")


def earlier_version(host):
    """It wrote into /etc, and a context was vm-NAME."""
    old = f"{host.root}/policy.d"
    os.mkdir(old, 0o700)
    for uuid, number in ((1, 7), (2, 8)):
        host.write(f"{old}/libvirt-c7a5fdbd-edaf-9455-926a-{uuid:012x}.yaml",
                   "# Written by the libvirt hook of irqgate while the domain runs.\nversion: 1\n"
                   f"contexts:\n  - {{ name: vm-x{uuid}, match: {{ machine: \"qemu-{number}-blue\" }} }}\n"
                   f"devices:\n  - {{ handle: \"pci:0000:3b:00.{uuid}\", context: vm-x{uuid}, "
                   "vectors: all, on_violation: deny }\n")
    host.starts(domain(1), "reconnect")
    need(len(os.listdir(old)) == 1 and host.handles() == ["1"], f"{os.listdir(old)}")
    need(host.call(domain(2, number=8), "stopped", "end")[0] == 0 and not os.listdir(old),
         "its file stays")
    host.write(f"{old}/libvirt-mine.yaml", "version: 1\ncontexts: [{name: mine, match: {pid: 1}}]\n"
               "devices: [{handle: 'pci:0000:3b:00.2', context: mine, noi: 1}]\n")
    err = host.starts(domain(3, functions=(2,), number=9))
    need("for context mine" in err or os.geteuid() != 0, "it takes an operator's file for its own")


def without_a_cgroup(host):
    """QEMU is not where it was expected: it is known by its process."""
    host.starts(domain())
    host.calls()
    with process() as qemu:
        host.write(f"{host.run_dir}/blue.pid", f"{qemu.pid}\n")
        for operation in ("started", "reconnect"):
            err = host.starts(domain(), operation)
            need(f"its QEMU, process {qemu.pid}, is in cgroup" in err, err)
            need(yaml.safe_load(host.text())["contexts"][0]["match"] == {"pid": qemu.pid},
                 host.text())
            need(len(host.calls()) == 1, "it is not applied")
    # Of one that does not run nothing is known.
    need(host.call(domain(), "started") == (0, "") and not host.calls(), "it acts on a dead QEMU")


def of_a_user(host):
    """libvirt of a session, where nothing can be registered."""
    if os.geteuid() != 0:
        return
    # Where the tree lies, and who made it, says nothing about who may enter it.
    shutil.copy(host.hook, host.root)
    host.hook = f"{host.root}/libvirt-hook"
    os.chmod(host.hook, 0o755)
    os.chmod(host.root, 0o711)
    os.mkdir(host.domains, 0o700)
    err = host.starts(domain(), user=65534)
    need("only root's libvirt" in err, err)


def one_after_another(host):
    """Two at a time, each with its file."""
    calls = [subprocess.Popen([host.hook, "x", "start", "begin", "-"], env=host.environment,
                              stdin=subprocess.PIPE) for _ in range(6)]
    for i, process in enumerate(calls):
        process.stdin.write(domain(i, functions=(i,), number=i + 1).encode())
        process.stdin.close()
    need([process.wait(60) for process in calls] == [0] * 6, "one failed")
    need([host.handles(i) for i in range(6)] == [[str(i)] for i in range(6)], host.files())


SCENARIOS = (acts_when_told, refused, hot_unplug, arguments_of_qemu,
             argument_of_a_running_domain, defined_anew, names_alike, earlier_version,
             without_a_cgroup, of_a_user, one_after_another)


def scenario(test, build):
    with tempfile.TemporaryDirectory() as root:
        test(Host(build, root))


def tests(command):
    build = os.path.dirname(command[-1])
    if not os.path.exists(f"{build}/libvirt-hook"):
        return
    for base in sorted(name[:-4] for name in glob.glob(f"{CORPUS}/*.xml")):
        yield (f"domain: {os.path.basename(base)}",
               lambda b=base: of_corpus(b, build, command))
    for test in SCENARIOS:
        yield f"domain: {test.__name__}", lambda t=test: scenario(t, build)

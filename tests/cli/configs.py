# SPDX-License-Identifier: GPL-2.0-only
"""What `irqgate probe --config` says of configurations of kernels."""
import gzip
import json
import os
import subprocess
import tempfile

HEAD = "#\n# Linux/x86 6.12.1 Kernel Configuration\n#\n"
ALL = ("BPF_SYSCALL BPF_EVENTS DEBUG_INFO_BTF DEBUG_INFO_BTF_MODULES KALLSYMS_ALL EVENTFD CGROUPS "
       "SECCOMP_FILTER").split()
ENFORCE = "DYNAMIC_FTRACE_WITH_DIRECT_CALLS BPF_JIT BPF_LSM IRQ_REMAP".split()
PART = "FPROBE MODULES DYNAMIC_FTRACE_WITH_ARGS KVM VFIO_PCI".split()
WHOLE = {"X86_64": "y", **{o: "y" for o in ALL + ENFORCE + PART}, "KVM": "m", "VFIO_PCI": "m",
         "INTEL_IOMMU": "y", "AMD_IOMMU": "y", "LSM": '"landlock,bpf"'}


def text_of(options):
    return HEAD + "".join(f"CONFIG_{o}={v}\n" if v else f"# CONFIG_{o} is not set\n"
                          for o, v in options.items())


def but(**changes):
    return text_of({**WHOLE, **changes})


# What is lacking, and the exit status.
CASES = {
    "whole": (but(), [], 0),
    "one IOMMU of two": (but(INTEL_IOMMU=""), [], 0),
    "no IOMMU": (but(INTEL_IOMMU="", AMD_IOMMU=""), ["CONFIG_INTEL_IOMMU", "CONFIG_AMD_IOMMU"], 3),
    "s390": (text_of({"S390": "y", **{o: "y" for o in ALL + PART + ["BPF_JIT", "BPF_LSM"]},
                      "LSM": '"bpf"'}), [], 0),
    "no modules": (but(DEBUG_INFO_BTF_MODULES="", KVM="y", VFIO_PCI="y"), [], 0),
    "lsm list": (but(LSM='"landlock,yama"'), ["CONFIG_LSM"], 3),
    "lsm with a name like it": (but(LSM='"landlock,bpf2,nobpf"'), ["CONFIG_LSM"], 3),
    "confidential": (but(LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY="y"),
                     ["CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY"], 3),
    "carriage returns": (but().replace("\n", "\r\n"), [], 0),
    **{f"without {o}": (but(**{o: ""}), [f"CONFIG_{o}"], 3) for o in ALL + ENFORCE},
    **{f"without {o}": (but(**{o: ""}), [f"CONFIG_{o}"], 0) for o in PART},
}

BROKEN = {
    "empty": b"",
    "other text": b"root:x:0:0\n",
    "binary": bytes(range(256)) * 64,
    "long line": b"x" * 100000,
    "cut off": gzip.compress(but().encode())[:-200],
}


def need(condition, why):
    if not condition:
        raise AssertionError(why)


def run(command, path, *options):
    done = subprocess.run([*command, "probe", "--config", path, *options], capture_output=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout, done.stderr


def case(command, text, lacks, status, compress):
    with tempfile.TemporaryDirectory() as root:
        path = f"{root}/config"
        with open(path, "wb") as file:
            file.write(gzip.compress(text.encode()) if compress else text.encode())
        got, out, err = run(command, path)
        need(got == status and not err, f"status {got}: {(out + err)[:200]}")
        for option in lacks or ["nothing"]:
            need(f"\n{option} " in out, f"{option} is not among: {out}")
        got, out, err = run(command, path, "-j")
        found = json.loads(out)
        need(got == status and not err, f"-j: status {got}: {(out + err)[:200]}")
        need([o["option"] for o in found["lacks"]] == lacks, f"-j: {found}")
        need(found["enforce"] == (not status) and found["kernel"] == "6.12.1", f"-j: {found}")


def broken(command, data):
    with tempfile.TemporaryDirectory() as root:
        path = f"{root}/config"
        if data is not None:
            with open(path, "wb") as file:
                file.write(data)
        refused(command, path)


def refused(command, path):
    got, out, err = run(command, path)
    need(got == 2 and not out and err.startswith(f"irqgate: {path}: ") and len(err.splitlines()) == 1,
         f"status {got}: {(out + err)[:200]!r}")


def tests(command):
    for name, (text, lacks, status) in CASES.items():
        yield f"config: {name}", lambda t=text, o=lacks, s=status: case(command, t, o, s, False)
    yield "config: compressed", lambda: case(command, but(BPF_LSM=""), ["CONFIG_BPF_LSM"], 3, True)
    for name, data in BROKEN.items():
        yield f"config: {name}", lambda d=data: broken(command, d)
    yield "config: no file", lambda: broken(command, None)
    yield "config: directory", lambda: refused(command, os.path.dirname(__file__))

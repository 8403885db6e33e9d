"""Boots another kernel in an emulator (no virtualisation is needed) with gilscope and this machine's Python in a RAM disk, and tells what
guest.py said there.

    tests/kernels/boot.py KERNEL        (a vmlinuz; prints JSON)"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from guest import MARK

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("GILSCOPE_KERNEL_CACHE", os.path.expanduser("~/.cache/gilscope/kernels"))
EMULATOR = os.path.join(CACHE, "qemu-system-x86")
GILSCOPE = os.environ.get("GILSCOPE", os.path.join(ROOT, "build", "release", "gilscope"))
PYTHON = "/usr/bin/python3.11"
LIBRARY = "/usr/lib/python3.11"
SUITES = ("bookworm", "trixie", "forky")
LIMIT_S = 180
LEFT_OUT = shutil.ignore_patterns("test", "tests", "idlelib", "ensurepip", "lib2to3", "turtledemo", "config-*", "__pycache__", "*.a")


def kernels():
    """{suite: path} of what get-kernels has brought."""
    found = {}
    for suite in SUITES:
        root = os.path.join(CACHE, suite, "linux-image-cloud-amd64")
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                if name.startswith("vmlinuz"):
                    found[suite] = os.path.join(folder, name)
    return found


def why_not():
    if not os.path.exists(os.path.join(EMULATOR, "usr/bin/qemu-system-x86_64-host")):
        return "no emulator here (tests/kernels/get-kernels)"
    if not os.path.exists(PYTHON):
        return "no %s here" % PYTHON
    return None if shutil.which("cpio") else "no cpio here (Debian package cpio)"


def libraries(program):
    told = subprocess.run(["ldd", program], stdout=subprocess.PIPE, universal_newlines=True).stdout
    return re.findall(r"(/\S+) \(0x", told)


def put(root, source, target=None):
    path = root + (target or source)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(source, path)


def fill(root):
    shutil.copytree(LIBRARY, root + LIBRARY, symlinks=True, ignore=LEFT_OUT)
    shutil.copytree(os.path.join(ROOT, "tests", "truth", "workloads"), root + "/workloads")
    put(root, PYTHON)
    put(root, GILSCOPE, "/usr/bin/gilscope")
    put(root, os.path.join(HERE, "guest.py"), "/init")
    os.chmod(root + "/init", 0o755)
    modules = os.path.join(LIBRARY, "lib-dynload")
    for needed in [PYTHON, GILSCOPE] + [os.path.join(modules, name) for name in os.listdir(modules)]:
        for library in libraries(needed):
            put(root, library)


def pack(path):
    with tempfile.TemporaryDirectory() as root:
        fill(root)
        names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True).stdout
        with open(path, "wb") as f:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names, stdout=f, check=True)


def boot(kernel):
    """What guest.py said; if nothing, the end of what the kernel printed."""
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk.cpio")
        pack(disk)
        env = dict(os.environ, LD_LIBRARY_PATH=":".join(EMULATOR + place + "/x86_64-linux-gnu" for place in ("/lib", "/usr/lib")))
        argv = [EMULATOR + "/usr/bin/qemu-system-x86_64-host", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
                "-L", EMULATOR + "/usr/share/qemu", "-L", EMULATOR + "/usr/share/seabios", "-nodefaults", "-no-reboot", "-nographic", "-serial", "stdio",
                "-kernel", kernel, "-initrd", disk, "-append", "console=ttyS0 reboot=t panic=-1 rdinit=/init PYTHONDONTWRITEBYTECODE=1"]
        try:
            printed = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S).stdout
        except subprocess.TimeoutExpired as late:
            printed = late.stdout or b""
    text = printed.decode("utf-8", "replace")
    said = [line[line.index(MARK) + len(MARK):] for line in text.splitlines() if MARK in line]
    return json.loads(said[-1]) if said else {"exception": "nothing was said; the end of what was printed:\n" + text[-3000:]}


if __name__ == "__main__":
    print(json.dumps(boot(sys.argv[1]), indent=1))

"""What truth, bench, live and fault tests share: interpreters found here, workloads as processes, gilscope as a process.

Environment: GILSCOPE the program, B its build folder (for the truth tracer), GILSCOPE_PYTHONS a colon-separated list of
interpreters instead of those found.  Everything started here is ended here, by its own process id."""
import glob
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get("B", "build/release"))
GILSCOPE = os.environ.get("GILSCOPE", os.path.join(BUILD, "gilscope"))
TRUTH = os.path.join(BUILD, "tests/truth/truth")
WORKLOADS = os.path.join(HERE, "workloads")
CACHE = os.environ.get("GILSCOPE_PYTHON_CACHE", os.path.expanduser("~/.cache/gilscope/pythons"))  # filled by tests/live/get-pythons
WANTED = ((2, 7),) + tuple((3, minor) for minor in range(6, 16))
FREE_THREADED = ("3.13t", "3.14t")
MUSL = ("3.11-musl", "3.13-musl")


def version_of(python):
    try:
        text = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=20, check=True).stdout.decode()
        return tuple(int(x) for x in text.split("."))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def cached_python(version):
    path = "%s/python%s/usr/bin/python%s-host" % (CACHE, version, version)
    return path if os.path.exists(path) else None


def interpreters():
    """{label: path}: one pyenv build of each wanted version, Debian's python3.X ("3.11-debian"), and a newer suite's ("3.13-cache")."""
    if os.environ.get("GILSCOPE_PYTHONS"):
        paths = os.environ["GILSCOPE_PYTHONS"].split(":")
        return {os.path.basename(os.path.dirname(os.path.dirname(p))) + "/" + os.path.basename(p): p for p in paths}
    found = {}
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for major, minor in WANTED:
        for path in sorted(glob.glob("%s/versions/%d.%d.*/bin/python%d.%d" % (root, major, minor, major, minor))):
            found["%d.%d" % (major, minor)] = path
        debian = "/usr/bin/python%d.%d" % (major, minor)
        if os.path.exists(debian):
            found["%d.%d-debian" % (major, minor)] = debian
        cached = cached_python("%d.%d" % (major, minor))
        if cached:
            found["%d.%d-cache" % (major, minor)] = cached
    return {label: path for label, path in found.items() if version_of(path)}


PYPY_WANTED = ("7.3", "8")


def pypys():
    """{"7.3": path, …}: the PyPys of newer Debian suites, from the cache."""
    paths = {version: "%s/pypy%s/pypy3/usr/bin/pypy3.11-host" % (CACHE, version[0]) for version in PYPY_WANTED}
    return {version: path for version, path in paths.items() if os.path.exists(path) and version_of(path)}


def free_threaded():
    """{label: path} of those built by tests/live/get-free-threaded: they can run with the GIL or without it."""
    paths = {label: "%s/python%s/bin/python%s" % (CACHE, label, label) for label in FREE_THREADED}
    return {label: path for label, path in paths.items() if os.path.exists(path) and not os.environ.get("GILSCOPE_PYTHONS")}


def musls():
    """{label: path} of those built by tests/live/get-musl: with Alpine's C library."""
    paths = {label: "%s/python%s/bin/python%s" % (CACHE, label, label.split("-")[0]) for label in MUSL}
    return {label: path for label, path in paths.items() if os.path.exists(path) and version_of(path) and not os.environ.get("GILSCOPE_PYTHONS")}


def with_symbols(pythons):
    """Those in which take_gil can be found by name (not stripped)."""
    good = {}
    for label, path in pythons.items():
        text = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        shared = re.search(r"libpython\S* => (\S+)", text)
        elf = shared.group(1) if shared else path
        names = subprocess.run(["nm", elf], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if re.search(rb" t take_gil| b interpreter_lock", names, re.I):
            good[label] = path
    return good


def thread_cpu_ns(pid):
    """CPU time of all threads now alive, in ns."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path) as f:
                total += int(f.read().split()[0])
        except (OSError, IndexError, ValueError):
            pass
    return total


def tree_cpu_ns(pid):
    """CPU time of a process and its children, as the kernel counts it."""
    total = thread_cpu_ns(pid)
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        try:
            with open(path) as f:
                total += sum(tree_cpu_ns(int(child)) for child in f.read().split())
        except OSError:
            pass
    return total


class Workload:
    """One of workloads/*.py, running."""

    def __init__(self, name, python, seconds=3600, args=(), prefix=(), stderr=None):
        self.dir = tempfile.mkdtemp(prefix="gilscope-test-")
        self.counters = os.path.join(self.dir, "counters")
        argv = list(prefix) + [python, os.path.join(WORKLOADS, name + ".py"), "--seconds", str(seconds), "--counters",
                               self.counters] + [str(a) for a in args]
        self.name = name
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr)
        line = json.loads(self.process.stdout.readline() or b"{}")
        self.said = line  # first
        self.skip = line.get("skip")
        self.pid = line.get("pid")
        if not self.pid:
            self.close()
            raise RuntimeError("workload %s did not start: %s" % (name, self.skip or "no first line"))
        with open(self.counters, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ)
        self.words = memoryview(self.map).cast("Q")

    def total(self):
        return sum(self.words)

    def cpu_ns(self):
        return thread_cpu_ns(self.pid)

    def alive(self):
        return self.process.poll() is None

    def finish(self):
        """Waits for its own end; the last JSON lines it printed."""
        out = self.process.stdout.read().decode()
        self.process.wait()
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def gilscope(*args, timeout=120, **kwargs):
    """Runs it to its end; CompletedProcess with text output."""
    return subprocess.run([GILSCOPE] + [str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, universal_newlines=True, errors="surrogateescape", **kwargs)


class Recorder:
    """gilscope record in the background."""

    def __init__(self, pids, output, *args, wait=True):
        argv = [GILSCOPE, "record", "-o", output]
        for pid in pids if isinstance(pids, (list, tuple)) else [pids]:
            argv += ["-p", str(pid)]
        self.output = output
        self.process = subprocess.Popen(argv + [str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL)
        if wait:
            self.wait_started()

    def wait_started(self, timeout=15.0):
        """Until the first commit is in the file."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if os.path.getsize(self.output) > 0:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        if self.process.poll() is not None and not os.path.exists(self.output):
            raise RuntimeError("gilscope record ended with %d: %s" % (self.process.returncode, self.process.stderr.read().decode()))

    def cpu_ns(self):
        return thread_cpu_ns(self.process.pid)

    def peak_rss(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmHWM:\s*(\d+) kB", f.read()).group(1)) * 1024

    def stop(self, number=signal.SIGINT, timeout=30):
        """Ends it in good order; (exit code, stdout, stderr)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Tracer:
    """The truth tracer in the background."""

    def __init__(self, pid, output=None, *args):
        argv = [TRUTH, "-p", str(pid)] + (["-o", output] if output else []) + list(args)
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        if line.strip() != "ready":
            rest = self.process.communicate()[1].decode()
            raise RuntimeError("truth tracer: " + line + rest)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out.decode())


def bpf_programs():
    """{id: row} of all BPF programs now loaded."""
    out = subprocess.run([bpftool(), "-j", "prog", "show"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return {row["id"]: row for row in json.loads(out or b"[]")}


def bpf_links():
    out = subprocess.run([bpftool(), "-j", "link", "show"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return {row["id"]: row for row in json.loads(out or b"[]")}


def bpftool():
    return next((p for p in ("/usr/sbin/bpftool", "/usr/local/sbin/bpftool") if os.path.exists(p)), "bpftool")

"""gilscope dump against what the program says of itself, in every version, across namespaces, roots and interpreters."""
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from live import FOUND, interpreter
import harness

LOAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "images", "load.py")
ATTACH = 3


class Child:
    """A program that prints a first line when it is ready."""

    def __init__(self, *argv, **kwargs):
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True, **kwargs)
        self.first = self.process.stdout.readline().strip()
        self.pid = self.process.pid

    def inner(self):
        """The pid of its only child (unshare --fork)."""
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            return int(f.read().split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.inner(), signal.SIGKILL)
        except (IndexError, OSError):
            pass
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def dump(pid):
    done = harness.gilscope("dump", "-p", pid, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def consistent_dump(pid):
    for _ in range(20):
        shot = dump(pid)
        if shot["consistent"] and not any(t["torn"] for t in shot["threads"]):
            return shot
    pytest.fail("no consistent snapshot in 20")


def truth(path):
    threads, stack = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("T "):
                stack = threads.setdefault(line.split(" ", 2)[2], [])
            else:
                function, file, number = line[2:].split("\t")
                stack.append((function, file, int(number)))
    return threads


def same(frame, expected):
    return (frame["function"], frame["file"]) == expected[:2] and expected[2] in (0, frame["line"])


@functools.lru_cache(None)
def apart():
    """Command prefix for a pid namespace of its own, where that can be had."""
    prefix = ["unshare", "-p", "-f", "--mount-proc"]
    return prefix if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []


def test_stacks_and_names_are_the_programs_own(python, tmp_path):
    """Also of a process in another pid namespace: threads are numbered as here, whatever they think."""
    path = str(tmp_path / "truth")
    env = dict(os.environ, PYTHONUTF8="1", PYTHONDONTWRITEBYTECODE="1")
    with Child(*apart(), python, LOAD, path, env=env) as child:
        pid = child.inner() if apart() else child.pid
        shot = consistent_dump(pid)
        assert all(t["tid"] >= pid for t in shot["threads"])
        found = {t["name"]: t for t in shot["threads"]}
        for name, stack in truth(path).items():
            frames = found[name]["stack"]
            assert len(frames) == len(stack), name
            assert all(same(f, e) for f, e in zip(frames, stack)), (name, frames, stack)
        assert found["MainThread"]["main"] and found["MainThread"]["stack"][0]["function"] == "main"
        for name in ("generator", "closure", "deep"):
            assert found[name]["state"] == "wait_lock"


def test_one_holder_the_others_wait(python, tmp_path):
    holders = set()
    # 2.7 changes hands after every hundred instructions: a waiter seldom sleeps long enough to be seen asleep twice
    looks, enough = (800, 1) if harness.version_of(python) < (3, 0) else (200, 2)
    with Child(python, LOAD, tmp_path / "truth") as child:
        for _ in range(looks):
            shot = consistent_dump(child.pid)
            gil, = shot["gils"]
            by_tid = {t["tid"]: t for t in shot["threads"]}
            waiters = {by_tid[t]["name"] for t in gil["waiters"]}
            if child.pid in gil["waiters"] or gil["holder"] == child.pid:
                continue  # the main thread, on its way from printing to its long sleep
            assert waiters <= {"spin 1", "spin 2"}
            if gil["locked"]:
                holder = by_tid[gil["holder"]]
                assert holder["name"] in ("spin 1", "spin 2") and holder["state"] == "holds_gil"
                assert holder["tid"] not in gil["waiters"]
                if waiters:
                    holders.add(holder["name"])
            if len(holders) == enough:
                break
    assert len(holders) == enough


def test_it_is_quick(any_python, tmp_path):
    with Child(any_python, LOAD, tmp_path / "truth") as child:
        best = 1e9
        for _ in range(5):
            start = time.monotonic()
            dump(child.pid)
            best = min(best, time.monotonic() - start)
    assert best < 0.2, best


SUBINTERPRETERS = r"""
import sys, threading, time
try:
    import _interpreters as I
    create = lambda legacy: I.create("legacy" if legacy else "isolated")
except ImportError:
    import _xxsubinterpreters as I
    create = lambda legacy: I.create(isolated=not legacy)
# 3.12 sets the drop request in the waiter's interpreter: those that share a GIL must give it up by themselves,
# after turns so long that a look at all threads fits into one
burn = "def burn():\n  while True: pass\nburn()"
share = "import time\ndef burn():\n  while True:\n    sum(range(500000)); time.sleep(0)\nburn()"
for name, legacy in ("own-1", False), ("own-2", False), ("own-3", False), ("shared", True):
    threading.Thread(target=I.run_string, args=(create(legacy), share if legacy else burn), name=name, daemon=True).start()
def spin():
    while True:
        sum(range(500000)); time.sleep(0)
threading.Thread(target=spin, name="spin", daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("label", ["3.12", "3.13", "3.14-cache", "3.15-cache"])
def test_several_interpreters_and_gils(label):
    with Child(interpreter(label), "-c", SUBINTERPRETERS) as child:
        time.sleep(0.5)
        seen = {}
        for i in range(300): # two share a GIL; how soon both are seen to hold it is up to the scheduler
            if i >= 30 and len(seen.get((0, 4), ())) == 2:
                break
            shot = consistent_dump(child.pid)
            assert sorted(tuple(sorted(g["interpreters"])) for g in shot["gils"]) == [(0, 4), (1,), (2,), (3,)]
            for gil in shot["gils"]:
                if gil["locked"] and gil["holder"]:
                    thread = next(t for t in shot["threads"] if t["tid"] == gil["holder"])
                    seen.setdefault(tuple(sorted(gil["interpreters"])), set()).add((thread["tid"], thread["interpreter"]))
        main, = {t["tid"] for t in shot["threads"] if t["main"]}
        holders = [{tid for tid, _ in seen[key]} for key in ((1,), (2,), (3,))]
        # each own GIL has one thread, no two the same, none of them the main one
        assert all(len(h) == 1 for h in holders) and len(set.union(*holders)) == 3, seen
        assert all({i for _, i in seen[(n,)]} == {n} for n in (1, 2, 3)), seen
        assert len({tid for tid, _ in seen[(0, 4)]} - {main}) == 2, seen


def test_deleted_executable(tmp_path):
    if "3.11-debian" not in FOUND:
        pytest.skip("no static python3 here: a copy of a shared one does not start alone")
    copy = str(tmp_path / "a python\nwith a newline")
    shutil.copy(FOUND["3.11-debian"], copy)
    with Child(copy, LOAD, tmp_path / "truth") as child:
        os.unlink(copy)
        shot = consistent_dump(child.pid)
        assert "spin 1" in {t["name"] for t in shot["threads"]}
        assert "\n" not in shot["module"] and "\n" not in shot["command"]


HOSTILE = r"""
import threading, time, ctypes
def hang(): time.sleep(60)
name = "</script>\x1b]0;x\x07\n\u202e\udc80\0" + "x" * 1000000
hang.__code__ = hang.__code__.replace(co_name=name, **({"co_qualname": name} if hasattr(hang.__code__, "co_qualname") else {}))
threading.Thread(target=hang, name="\x1b[2J\u202e", daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_hostile_names_are_shown_escaped(python):
    if harness.version_of(python) < (3, 8):
        pytest.skip("%s cannot rename code objects" % python)
    with Child(python, "-c", HOSTILE) as child:
        time.sleep(0.2)
        done = harness.gilscope("dump", "-p", child.pid)
        assert done.returncode == 0, done.stderr
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout)
        assert len(done.stdout) < 20000
        assert "</script>\\x1b]0;x\\x07\\x0a\\u{202e}\\udc80\\x00xxx" in done.stdout
        dump(child.pid)


def test_deep_recursion_is_truncated_and_marked(any_python):
    program = """
import sys, threading, time
sys.setrecursionlimit(10 ** 6)
threading.stack_size(512 << 20)
def down(n):
    if n: down(n - 1)
    else:
        print("ready", flush=True)
        time.sleep(60)
threading.Thread(target=down, args=(100000,), name="deep", daemon=True).start()
time.sleep(60)
"""
    with Child(any_python, "-c", program) as child:
        assert child.first == "ready"
        deep = next(t for t in consistent_dump(child.pid)["threads"] if t["name"] == "deep")
        assert deep["truncated"] and len(deep["stack"]) == 128
        assert deep["stack"][0]["function"] == "down"


def test_attach_to_a_starting_or_ending_program(any_python):
    """A snapshot or a documented refusal, at any moment of a short life."""
    for i in range(40):
        process = subprocess.Popen([any_python, "-c", "import threading"])
        time.sleep(i * 0.001)
        done = harness.gilscope("dump", "-p", process.pid)
        process.wait()
        assert done.returncode in (0, ATTACH), (i, done.returncode, done.stderr)
        if done.returncode:
            assert done.stderr.startswith("gilscope: could not "), done.stderr


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))

"""CPython built without the GIL (tests/live/get-free-threaded): off, on from the start, and switched on while it runs; what threads wait for
without it."""
import json
import os
import subprocess
import sys
import time

import pytest

import contract
import harness
import live
import recording
import test_lines

sys.path.append(os.path.join(live.HERE, "..", "matrix"))
import matrix  # noqa: E402
import test_matrix  # noqa: E402

VERSIONS = ("3.13", "3.14", "3.15")

EXTENSION = r"""
#include <Python.h>
static struct PyModuleDef def = { PyModuleDef_HEAD_INIT, "needs_gil" };
PyMODINIT_FUNC PyInit_needs_gil(void) { return PyModule_Create(&def); } /* says nothing of the GIL, so it is switched on */
"""
LATER = r"""
import sys, threading, time
sys.path.insert(0, sys.argv[1])
def the_hog():
    while True: sum(range(20000))
def the_late():
    while True: time.sleep(0.001)
for f in (the_hog, the_hog, the_late): threading.Thread(target=f, name="w\u00e4rter" if f is the_late else "hog", daemon=True).start()
print("up", flush=True)
sys.stdin.readline()
import needs_gil
print(sys._is_gil_enabled(), flush=True)
time.sleep(60)
"""


def built(version):
    path = os.path.join(harness.CACHE, "python%st/bin/python%st" % (version, version))
    if not os.path.exists(path):
        pytest.skip("no python%st here (tests/live/get-free-threaded builds it)" % version)
    return path


@pytest.fixture(params=VERSIONS)
def free(request):
    return built(request.param)


def test_off(free, can_record, recorded, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    report, path = recorded("known_lines", free, 2)
    assert contract.check(report) == []
    p, = report["processes"]
    assert p["free_threaded"] is True and p["runtime"].endswith("free-threaded")
    assert not [lock for lock in p["locks"] if lock["kind"] == "gil"], p["locks"]
    assert not any(t["gil_waits"] or t["gil_held_ns"] for t in p["threads"])
    assert {"the-holder", "the-waiter"} <= {t["name"] for t in p["threads"]}
    assert any("switched off (PYTHON_GIL=0 or -X gil=0)" in note for note in report["recording"]["notes"]), report["recording"]["notes"]
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM sample s JOIN v_line v ON v.stack = s.stack WHERE v.text LIKE '%the_holder%'") > 20


def test_dump_of_one_without_gil(free, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    hold, wait = test_lines.known_lines(free)
    with harness.Workload("known_lines", free, 60) as workload:
        done = harness.gilscope("dump", "-p", workload.pid, "--json")
    assert done.returncode == 0, done.stderr
    shot = json.loads(done.stdout)
    assert shot["gils"] == []
    stacks = {t["name"]: [f["function"] for f in t["stack"]] for t in shot["threads"]}
    assert stacks["the-holder"][0] == "the_holder" and stacks["the-waiter"][0] == "the_waiter", stacks
    assert stacks["the-waiter"][-1] == "Thread._bootstrap"


def test_on_from_the_start(free, can_record, recorded, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "1")
    hold, wait = test_lines.known_lines(free)
    report, _ = recorded("known_lines", free, 2)
    assert contract.check(report) == []
    blame = test_lines.gil_blame(report)
    right = sum(b["wait_ns"] for b in blame if test_lines.leaf(b["waiter"]) == ("the_waiter", wait) and
                test_lines.leaf(b["holder"]) == ("the_holder", hold))
    assert right > 0.4e9, blame[:3]
    assert any("switched on (PYTHON_GIL=1 or -X gil=1)" in note for note in report["recording"]["notes"]), report["recording"]["notes"]


def test_switched_on_by_an_extension(can_record, tmp_path, monkeypatch):
    free = built(VERSIONS[-1])
    monkeypatch.delenv("PYTHON_GIL", raising=False)
    include = subprocess.run([free, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"], stdout=subprocess.PIPE,
                             check=True).stdout.decode().strip()
    source = tmp_path / "needs_gil.c"
    source.write_text(EXTENSION)
    subprocess.run(["gcc", "-shared", "-fPIC", "-I", include, "-o", str(tmp_path / "needs_gil.so"), str(source)], check=True)
    path = str(tmp_path / "later.gilscope")
    child = subprocess.Popen([free, "-c", LATER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert child.stdout.readline() == b"up\n"
        recorder = harness.Recorder(child.pid, path)
        time.sleep(2)
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"True\n"
        time.sleep(4)
        code, _, err = recorder.stop()
        assert code == 0, err
        done = harness.gilscope("record", "-p", child.pid, "-d", 0.5, "-o", path + ".on")
        assert done.returncode == 0, done.stderr
    finally:
        child.kill()
        child.wait()
    on = live.report(path + ".on")["recording"]["notes"]
    assert any("switched on (an extension that needs it was imported)" in n for n in on), on
    report = live.report(path)
    p, = report["processes"]
    notes = report["recording"]["notes"]
    assert any("switched off: " in n for n in notes) and any("was switched on while it ran" in n for n in notes), notes
    gil, = [lock for lock in p["locks"] if lock["kind"] == "gil"]
    assert gil["waits"] > 20 and gil["wait_ns"] > 0.2e9, gil
    assert "w\u00e4rter" in {t["name"] for t in p["threads"]}


MS = 1000000


class Spans:
    """Times the program measured itself, against those of a recording."""

    def __init__(self, spans, start_ns):
        self.spans = [(a - start_ns, b - start_ns) for a, b in spans]

    def holds(self, t0, t1, slack=MS):
        return any(a - slack <= t0 and t1 <= b + slack for a, b in self.spans)

    def within(self, upto):
        return sum(max(0, min(b, upto) - max(a, 0)) for a, b in self.spans)


def waits_of(rec, kind):
    return rec.db.execute("SELECT t.python_name, w.t0_ns, w.t0_ns + w.asleep_ns, h.python_name, c.ns FROM wait w JOIN lock l ON l.id = w.lock "
                    "JOIN lock_object o ON o.addr = l.addr JOIN lock_kind k ON k.id = o.kind JOIN thread t ON t.id = w.thread "
                    "LEFT JOIN credit c ON c.wait = w.id LEFT JOIN thread h ON h.id = c.holder WHERE k.name = ? AND w.t0_ns > 0 "
                    "AND w.ended <> 2", (kind,)).fetchall()


def share(rows, wanted):
    """Of the time that somebody is blamed for."""
    known = sum(ns for _, _, _, holder, ns in rows if holder)
    return sum(ns for _, _, _, holder, ns in rows if holder in wanted) / max(known, 1)


def test_what_threads_wait_for(free, can_record, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    path = str(tmp_path / "no_gil.gilscope")
    with harness.Workload("no_gil", free, 5) as workload:
        done = harness.gilscope("record", "-p", workload.pid, "-d", 3, "-o", path)
        assert done.returncode == 0, done.stderr
        said, = workload.finish()
    report = live.report(path)
    assert contract.check(report) == []
    process, = report["processes"]
    rec = recording.Recording(path)
    start, end = rec.start_ns, int(rec.meta["end_ns"])
    truth = {what: Spans(spans, start) for what, spans in said["times"].items()}
    locks = {}
    for lock in process["other_locks"]:
        locks.setdefault(lock["kind"], lock)

    # the world stands still inside the collections that the stopper timed, nowhere else, and the stopper is answerable for it
    stalled = waits_of(rec, "stw")
    assert {"spinner", "sorter", "appender"} <= {row[0] for row in stalled}, {row[0] for row in stalled}
    strays = [row for row in stalled if not truth["stopper"].holds(row[1], row[2])]
    assert sum(t1 - t0 for _, t0, t1, _, _ in strays) < 0.02 * sum(t1 - t0 for _, t0, t1, _, _ in stalled), strays[:5]
    assert share(stalled, {"stopper"}) > 0.99, stalled[:5]
    stw, collected = locks["stw"], truth["stopper"].within(end)
    assert 0.1 * collected < stw["contended_ns"] < 1.02 * collected, (stw["contended_ns"], collected)
    assert stw["pause_max_ns"] <= max(b - a for a, b in truth["stopper"].spans) and stw["pauses"] >= len(truth["stopper"].spans) / 4, stw
    assert stw["holders"][0]["stack"][0]["function"] == "stopper" and not stw["holder_inferred"], stw["holders"][0]
    asked = waits_of(rec, "stw_request")
    assert {row[0] for row in asked} == {"stopper"}, asked[:5]
    assert "stop_the_world" in {f["id"] for f in process["findings"]}, process["findings"]

    # a list's own lock: the sorter keeps it while it sorts
    objects = [row for row in waits_of(rec, "object") if row[0] == "appender"]
    assert sum(row[2] - row[1] for row in objects) > 20 * MS, objects[:5]
    assert all(truth["appender"].holds(row[1], row[2]) for row in objects if row[2] - row[1] > 2 * MS), (objects[:5], truth["appender"].spans[:5])
    assert share(objects, {"sorter"}) > 0.8, objects[:5]
    assert locks["object"]["name"] in ("__main__.SHARED (list)", "a list", None), locks["object"]

    # Lock and RLock: parked waiters, however long somebody keeps it
    for kind, waiter, name in (("thread_lock", "lock_waiter", "__main__.LOCK"), ("rlock", "rlock_waiter", "__main__.RLOCK")):
        if kind == "rlock" and "3.13" in free:
            continue  # a semaphore still, known only when somebody looks while it is waited for
        lock = locks[kind]
        assert lock["name"] in (name, None), lock  # the same goes for its name
        waited = truth[waiter].within(end)
        assert 0.1 * waited < lock["wait_ns"] < 1.1 * waited, (kind, lock["wait_ns"], waited)  # the rest is stopped, or without a CPU
        rows = [row for row in waits_of(rec, kind) if row[0] == waiter and row[2] - row[1] > 2 * MS]
        assert rows and all(truth[waiter].holds(row[1], row[2]) for row in rows), (kind, rows[:5])
        assert share(rows, {"holder"}) > 0.9, (kind, rows[:5])


def test_locks_by_kind(free, can_record, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    told = matrix.recorded(free, ["locks.py"], tmp_path, attach=True, seconds=4)["locks.py"]
    test_matrix.check_locks(told, dict(test_matrix.LOCKS, **test_matrix.QUEUES))


def test_what_threads_wait_for_seen_from_inside(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    path = str(tmp_path / "inside.gilscope")
    done = harness.gilscope("record", "--collector", "signal", "-o", path, "--", built(VERSIONS[-1]),
                            os.path.join(harness.WORKLOADS, "no_gil.py"), "--seconds", 3)
    assert done.returncode == 0, done.stderr
    process, = live.report(path)["processes"]
    locks = {lock["kind"]: lock for lock in reversed(process["other_locks"])}
    assert {"stw", "stw_request", "object", "thread_lock", "rlock"} <= set(locks), sorted(locks)
    stopper, = [t["tid"] for t in process["threads"] if t["name"] == "stopper"]
    holder = locks["stw"]["holders"][0]
    assert holder["tid"] == stopper and holder["wait_ns"] > 0.8 * locks["stw"]["holder_known_ns"], locks["stw"]["holders"]
    assert locks["object"]["where"]["function"] == "appender", locks["object"]["where"]

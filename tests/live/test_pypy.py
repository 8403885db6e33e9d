"""PyPy: its GIL, read from stripped libraries.  Truth are probes on the function in which its waiters wait (tests/truth/sites.c)."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import compare
import harness
import recording
from live import report

FOUND = harness.pypys()


@pytest.fixture(params=harness.PYPY_WANTED)
def pypy(request):
    if request.param not in FOUND:
        pytest.skip("no PyPy %s here" % request.param)
    return FOUND[request.param]


@pytest.fixture
def any_pypy():
    if not FOUND:
        pytest.skip("no PyPy here")
    return list(FOUND.values())[-1]


def traced(pypy, tmp_path, seconds, *args):
    """(what compare found, the recording's path) of four threads that only compute."""
    truth, path = str(tmp_path / "truth"), str(tmp_path / "pypy.gilscope")
    with harness.Workload("cpu4", pypy, 60) as workload:
        time.sleep(1)  # its compiler is done with the loop
        tracer = harness.Tracer(workload.pid, truth)
        recorder = harness.Recorder(workload.pid, path, *args)
        time.sleep(seconds)
        window = tracer.stop()
        code, _, err = recorder.stop()
        assert code == 0, err
        assert workload.alive()
    return compare.compare(truth, path, (window["start_ns"], window["end_ns"])), path


def test_waits_and_holders_are_those_of_its_own_slow_path(pypy, can_record, tmp_path):
    result, path = traced(pypy, tmp_path, 2)
    truth, found = (sum(t[key] for t in result["threads"]) for key in ("truth_ns", "found_ns"))
    assert result["long"] > 50, result
    assert abs(found - truth) < 0.03 * truth, (truth, found)
    assert result["found_pct"] > 90 and result["false_waits"] <= result["long"] / 100, result  # one cut in two by a lost CPU is a missed and a false one
    rec = recording.Recording(path)
    seen = {rec.one("SELECT count(*) FROM hold h JOIN thread t ON t.id = h.thread WHERE t.tid = ?", t["tid"])
            for t in result["threads"] if t["truth_ns"] > 100e6}
    assert seen and min(seen) > 5, seen
    p = report(path)["processes"][0]
    assert re.match(r"PyPy [78]\.\d+\.\d+$", p["runtime"]), p["runtime"]
    assert p["switch_interval_ns"] is None
    gil, = (lock for lock in p["locks"] if lock["kind"] == "gil")
    assert gil["forced_handoffs"] == 0, "nobody can ask a holder to let go"
    unseen = sum(b["wait_ns"] for b in p["blame"] if b["lock"] == gil["id"] and not b["holder"]["tids"])
    assert unseen < 0.15 * gil["wait_ns"], (unseen, gil["wait_ns"])
    held = sum(t["gil_held_ns"] for t in p["threads"])
    assert 0.5 * result["window_ns"] < held < 1.01 * report(path)["recording"]["duration_ns"], held


def test_what_is_missing_is_said(any_pypy, can_record, recorded):
    done, _ = recorded("cpu_io", any_pypy, 1)
    assert any("PyPy" in note and "stack" in note for note in done["recording"]["notes"]), done["recording"]["notes"]
    assert all(not b["waiter"]["stack"] and not b["holder"]["stack"] for b in done["processes"][0]["blame"])
    assert sum(t["gil_waits"] for t in done["processes"][0]["threads"]) > 20


SORTER = """
import random, threading, time
numbers = [random.random() for i in range(200000)]
def sorter():
    while True:
        sorted(numbers)
        time.sleep(0.004)
def napper():
    while True: time.sleep(0.002)
threading.Thread(target=sorter, daemon=True).start()
threading.Thread(target=napper, daemon=True).start()
print("ready", flush=True)
time.sleep(30)
"""


def test_native_functions_that_keep_the_gil(any_pypy, can_record, tmp_path):
    """… of the interpreter itself, by where they begin in its stripped library; what it compiles at run time is said to be that."""
    path = str(tmp_path / "native.gilscope")
    with subprocess.Popen([any_pypy, "-c", SORTER], stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout.readline() == b"ready\n"
            time.sleep(0.5)
            done = harness.gilscope("record", "--native", "-p", program.pid, "-d", 2, "-o", path)
            dump = harness.gilscope("dump", "--native", "-p", program.pid)
        finally:
            program.kill()
    assert done.returncode == 0, done.stderr
    assert "pypy_main_startup" in dump.stdout, dump.stdout  # of the main thread, which sleeps
    leaves = {}
    for b in report(path)["processes"][0]["blame"]:
        if b["holder"]["tids"] and b["holder"]["stack"]:
            leaf = b["holder"]["stack"][0]
            leaves[leaf["function"]] = leaves.get(leaf["function"], 0) + b["wait_ns"]
            assert leaf["native"] and (leaf["file"] == "?") == (leaf["function"] == "[code without a file]"), leaf
    told = sum(ns for name, ns in leaves.items() if re.match(r"libpypy\S*\.so\+0x[0-9a-f]+$", name))
    assert told > 0.5 * sum(leaves.values()) > 0.05e9 and len(leaves) < 30, leaves


def test_dump_and_doctor(pypy):
    with harness.Workload("cpu4", pypy, 60) as workload:
        time.sleep(0.5)
        doctor = harness.gilscope("doctor", "-p", workload.pid).stdout
        dumps = [harness.gilscope("dump", "-p", workload.pid) for _ in range(5)]
    assert re.search(r"Python +PyPy [78]\.", doctor), doctor
    assert "read from the code of pypy_thread_attach" in doctor and "switch interval none" in doctor, doctor
    assert re.search(r"threads +5, 5 of them known to Python", doctor), doctor
    for done in dumps:
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(": holds the GIL") <= 1, done.stdout
    assert any("(main): sleeping in" in d.stdout for d in dumps), [d.stdout for d in dumps]
    assert any(": holds the GIL" in d.stdout for d in dumps), [d.stdout for d in dumps]
    assert sum(d.stdout.count(": waits for the GIL") for d in dumps) >= 5, [d.stdout for d in dumps]


def test_signal_collector_is_as_exact(any_pypy, can_record, tmp_path):
    truth, path = str(tmp_path / "truth"), str(tmp_path / "signal.gilscope")
    argv = [harness.GILSCOPE, "record", "--collector", "signal", "-o", path, "--", any_pypy,
            os.path.join(harness.WORKLOADS, "cpu4.py"), "--seconds", "60", "--counters", str(tmp_path / "counters")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        pid = json.loads(started.stdout.readline())["pid"]
        try:
            tracer = harness.Tracer(pid, truth)
            time.sleep(1.5)
            window = tracer.stop()
        finally:
            os.kill(pid, signal.SIGKILL)
            _, err = started.communicate(timeout=60)
    assert os.path.exists(path), err
    result = compare.compare(truth, path, (window["start_ns"], window["end_ns"]))
    truth_ns, found_ns = (sum(t[key] for t in result["threads"]) for key in ("truth_ns", "found_ns"))
    assert result["long"] > 20 and abs(found_ns - truth_ns) < 0.03 * truth_ns, (truth_ns, found_ns)


def test_remote_collector_estimates_the_same(any_pypy, can_record, tmp_path):
    result, path = traced(any_pypy, tmp_path, 1, "--collector", "remote")
    truth, found = (sum(t[key] for t in result["threads"]) for key in ("truth_ns", "found_ns"))
    assert result["long"] > 20 and abs(found - truth) < 0.4 * truth, (truth, found)
    p = report(path)["processes"][0]
    assert p["estimated"] and len([t for t in p["threads"] if t["gil_held_ns"]]) >= 4, p["threads"]

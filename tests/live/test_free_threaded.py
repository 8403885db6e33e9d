"""CPython 3.13 built without the GIL (tests/live/get-free-threaded): off, on from the start, and switched on while it runs."""
import json
import os
import subprocess
import time

import pytest

import contract
import harness
import live
import recording
import test_lines

PYTHON = os.path.join(harness.CACHE, "python3.13t/bin/python3.13t")

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


@pytest.fixture
def free():
    if not os.path.exists(PYTHON):
        pytest.skip("no python3.13t here (tests/live/get-free-threaded builds it)")
    return PYTHON


def test_off(free, can_record, recorded, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "0")
    report, path = recorded("known_lines", free, 2)
    assert contract.check(report) == []
    p, = report["processes"]
    assert p["free_threaded"] is True and p["runtime"].endswith("free-threaded")
    assert not [lock for lock in p["locks"] if lock["kind"] == "gil"], p["locks"]
    assert not any(t["gil_waits"] or t["gil_held_ns"] for t in p["threads"])
    assert {"the-holder", "the-waiter"} <= {t["name"] for t in p["threads"]}
    assert any("switched off" in note for note in report["recording"]["notes"]), report["recording"]["notes"]
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
    assert any("switched on" in note for note in report["recording"]["notes"]), report["recording"]["notes"]


def test_switched_on_by_an_extension(free, can_record, tmp_path, monkeypatch):
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
    finally:
        child.kill()
        child.wait()
    report = live.report(path)
    p, = report["processes"]
    notes = report["recording"]["notes"]
    assert any("switched off" in n for n in notes) and any("was switched on while it ran" in n for n in notes), notes
    gil, = [lock for lock in p["locks"] if lock["kind"] == "gil"]
    assert gil["waits"] > 20 and gil["wait_ns"] > 0.2e9, gil
    assert "w\u00e4rter" in {t["name"] for t in p["threads"]}

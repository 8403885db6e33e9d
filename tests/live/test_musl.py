"""CPython with musl as its C library, as in Alpine (tests/live/get-musl builds it): its waiters sleep on their own stacks.  The rest of what it can
is in the matrix, which has it as columns of its own."""
import json
import os
import re

import pytest

import contract
import harness
import test_lines
from live import against_truth, report

FOUND = harness.musls()
STATIC = "3.13-musl-static"  # one file, as standalone builds are


def found(label):
    path = FOUND.get(label) if label != STATIC else "%s/python%s/bin/python3.13" % (harness.CACHE, label)
    if not path or not os.path.exists(path):
        pytest.skip("no python%s here (tests/live/get-musl builds it)" % label)
    return path


@pytest.fixture(params=harness.MUSL)
def musl(request):
    return found(request.param)


@pytest.fixture(params=harness.MUSL + (STATIC,))
def attached(request):
    return found(request.param)


def blames_the_holder(rep, python, least_ns):
    hold, wait = test_lines.known_lines(python)
    blame = test_lines.gil_blame(rep)
    right = sum(b["wait_ns"] for b in blame if test_lines.leaf(b["waiter"]) == ("the_waiter", wait) and
                test_lines.leaf(b["holder"]) == ("the_holder", hold))
    assert right > least_ns, blame[:3]


@pytest.mark.parametrize("collector", ["bpf", "remote"])
def test_attached_to(attached, can_record, recorded, collector):
    rep, path = recorded("known_lines", attached, 2, record_args=("--collector", collector))
    assert contract.check(rep) == []
    blames_the_holder(rep, attached, 0.4e9)
    p, = rep["processes"]
    waiter, = [t for t in p["threads"] if t["name"] == "the-waiter"]
    # no wait for the GIL is taken for one for another lock: but for the one that it is in when the recording begins
    assert waiter["gil_wait_ns"] > 1e9 and waiter["states_ns"].get("wait_lock", 0) < 30e6, waiter
    test_lines.partition(path)


def test_waits_are_those_of_take_gil(musl, can_record, tmp_path):
    """The holder gets the GIL back from a waiter that has it for some microseconds: it is signalled on its way to sleep, and on no list then."""
    if not harness.with_symbols({"it": musl}) or not os.path.exists(harness.TRUTH):
        pytest.skip("take_gil cannot be probed")
    r = against_truth("known_lines", musl, tmp_path)
    waited = {t["truth_ns"]: t["found_ns"] for t in r["threads"]}
    assert len(waited) >= 2 and sum(waited) > 1e9 and r["false_waits"] <= r["long"] / 100, r
    for said, found in waited.items():
        assert abs(found - said) < 0.15 * said + 2e6, r


STARTED = """
import os, runpy, sys
child = os.fork()  # another process of the same program, with a library of its own inside
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
sys.exit(os.waitpid(child, 0)[1] if child else 0)
"""


def test_started(musl, tmp_path):
    """The library that is loaded into it was built with another C library, whose name musl takes for its own."""
    path = str(tmp_path / "started.gilscope")
    done = harness.gilscope("record", "--collector", "signal", "--children", "-o", path, "--", musl, "-c", STARTED, test_lines.SCRIPT,
                            "--seconds", "1.5")
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr
    rep = report(path)
    assert contract.check(rep) == [] and rep["recording"]["collector"] == "signal"
    assert len(rep["processes"]) == 2, [p["command"] for p in rep["processes"]]
    for p in rep["processes"]:
        blames_the_holder({"processes": [p]}, musl, 0.3e9)
        waiter, = [t for t in p["threads"] if t["name"] == "the-waiter"]
        assert waiter["gil_wait_ns"] > 0.7e9, waiter


def test_dump(attached):
    with harness.Workload("known_lines", attached, 60) as workload:
        states = {}
        for _ in range(20):
            done = harness.gilscope("dump", "--json", "-p", workload.pid)
            assert done.returncode == 0, done.stderr
            shot = json.loads(done.stdout)
            for t in shot["threads"]:
                states.setdefault(t["name"], set()).add(t["state"])
        stacks = {t["name"]: [f["function"] for f in t["stack"]] for t in shot["threads"]}
        doctor = harness.gilscope("doctor", "-p", workload.pid)
    assert "wait_gil" in states["the-waiter"] and "wait_lock" not in states["the-waiter"], states
    assert states["the-holder"] <= {"holds_gil", "running", "wait_gil"} and "holds_gil" in states["the-holder"], states
    assert stacks["the-holder"][0] == "the_holder" and stacks["the-waiter"][-1] == "Thread._bootstrap", stacks
    assert re.search(r"ok +C library +musl$", doctor.stdout, re.M), doctor.stdout


def test_static_program_started(tmp_path):
    """… which loads no library: said, with what to do."""
    path = str(tmp_path / "recording")
    done = harness.gilscope("record", "-q", "--collector", "signal", "-o", path, "--", found(STATIC), "-c", "pass")
    assert done.returncode == 0, done.stderr
    said = report(path)["recording"]["notes"]
    assert any("did not load the library" in note and "--collector bpf" in note for note in said), said

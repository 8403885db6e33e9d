"""Waits against the tracer's truth on each interpreter; the lines of known_lines.py, and what must add up, for other tests."""
import os
import subprocess

import pytest

import harness
import recording
from live import against_truth

SCRIPT = os.path.join(harness.WORKLOADS, "known_lines.py")


def known_lines(python):
    out = subprocess.run([python, SCRIPT, "--print-lines"], stdout=subprocess.PIPE, check=True).stdout
    return [int(x) for x in out.split()]


def gil_blame(report):
    p = report["processes"][0]
    gils = {lock["id"] for lock in p["locks"] if lock["kind"] == "gil"}
    return [b for b in p["blame"] if b["lock"] in gils]


def leaf(side):
    return (side["stack"][0]["function"], side["stack"][0]["line"]) if side["stack"] else None


def partition(path):
    """The states of each thread add up to its life."""
    rec = recording.Recording(path)
    threads = rec.threads()
    assert len(threads) >= 3
    for t in threads:
        assert t["life"] > 0
        assert abs(sum(t["states"].values()) - t["life"]) <= 0.001 * t["life"] + 1, t
    assert rec.integrity() == "ok"


def test_waits_agree_with_truth_roughly(python, can_record, tmp_path):
    """A wide net: the exact figures are benchmarks (make bench), a gross error fails here."""
    if not harness.with_symbols({"it": python}):
        pytest.skip("no symbols in this build: take_gil cannot be probed")
    if not os.path.exists(harness.TRUTH):
        pytest.skip("%s is not built" % harness.TRUTH)
    # 2.7 makes so many short waits of cpu_io that they are only counted when the machine is busy
    r = against_truth("known_lines" if "python2.7" in python else "cpu_io", python, tmp_path)
    # enough to compare: few waits or many, as the scheduler has it (the 2.7 waiter is passed over for hundreds of ms at a time)
    waited_ns = sum(t["truth_ns"] for t in r["threads"])
    assert r["long"] and waited_ns > 0.1 * r["window_ns"], r
    assert r["recorded"] + r["tallied"] >= 0.95 * r["long"] and r["found_pct"] > 95, r
    for t in r["threads"]:
        if t["truth_ns"] > 500e6:
            assert abs(t["error_pct"]) < 10, t

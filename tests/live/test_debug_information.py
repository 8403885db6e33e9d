"""Offsets from the debug information in the interpreter's own file: those of the table where the build is the table's, and those of a
build that differs where it is not.  doctor says which way was taken."""
import os
import re
import subprocess

import pytest

import harness
import live
import test_lines

BEFORE_3_13 = ["%d.%d" % v for v in harness.WANTED if v < (3, 13)]
# A python3.11 with PyObject and PyThreadState shifted, as Py_TRACE_REFS and vendors' patches do, cannot be had from Debian; its pydebug
# build has the same offsets and another set of symbols.
DEBUG_BUILD = os.path.join(harness.CACHE, "python3.11-dbg/usr/bin/python3.11d-host")


def how(pid):
    out = harness.gilscope("doctor", "-p", pid).stdout
    return next(line for line in out.splitlines() if "found by" in line)


def has_debug_information(python):
    libraries = subprocess.run(["ldd", python], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    files = [python] + [path for path in libraries if path.startswith("/") and "/libpython" in path]
    return any(b".debug_info" in subprocess.run(["readelf", "-SW", f], stdout=subprocess.PIPE, check=True).stdout for f in files)


@pytest.mark.parametrize("label", BEFORE_3_13)
def test_agrees_with_the_table(label):
    python = live.interpreter(label)
    if not has_debug_information(python):
        pytest.skip("%s has no debug information" % python)
    with harness.Workload("known_lines", python, 60) as workload:
        assert re.search(r"its own debug information \(0 unlike CPython %s\." % re.escape(label), how(workload.pid)), how(workload.pid)


def test_without_it_the_table_is_taken():
    python = live.interpreter("3.11-debian")
    with harness.Workload("known_lines", python, 60) as workload:
        assert "offsets of CPython 3.11" in how(workload.pid)


def test_pydebug_build(can_record, recorded):
    if not os.path.exists(DEBUG_BUILD):
        pytest.skip("no python3.11d here (tests/live/get-pythons fetches it)")
    hold, wait = test_lines.known_lines(DEBUG_BUILD)
    report, _ = recorded("known_lines", DEBUG_BUILD, 2)
    blame = test_lines.gil_blame(report)
    right = sum(b["wait_ns"] for b in blame if test_lines.leaf(b["waiter"]) == ("the_waiter", wait) and
                test_lines.leaf(b["holder"]) == ("the_holder", hold))
    assert right > 0.4e9, blame[:3]

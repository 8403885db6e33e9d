"""Interpreters whose variables have no symbols, as distributions ship them: found by what the code of exported functions says."""
import os
import subprocess

import pytest

import harness
import live
import test_lines


@pytest.fixture(params=["2.7", "3.6"])  # later ones export what is needed
def stripped(request, tmp_path):
    """(interpreter, command prefix) with its library replaced by a stripped copy."""
    python = live.interpreter(request.param)
    libraries = subprocess.run(["ldd", python], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    library = next((path for path in libraries if path.startswith("/") and "/libpython" in path), None)
    if not library:
        pytest.skip("%s has no shared library" % python)
    copy = str(tmp_path / os.path.basename(library))
    subprocess.run(["strip", "-o", copy, library], check=True)
    return python, ("env", "LD_PRELOAD=" + copy), copy


def test_found_without_symbols(stripped, can_record, tmp_path):
    python, prefix, library = stripped
    path = str(tmp_path / "r.gilscope")
    hold, wait = test_lines.known_lines(python)
    with harness.Workload("known_lines", python, 60, prefix=prefix) as workload:
        with open("/proc/%d/maps" % workload.pid) as f:
            assert library in f.read()
        doctor = harness.gilscope("doctor", "-p", workload.pid)
        done = harness.gilscope("record", "-p", workload.pid, "-d", 2, "-o", path)
        assert done.returncode == 0, done.stderr
        assert workload.alive()
    how = next(line for line in doctor.stdout.splitlines() if "found by" in line)
    assert "code of exported functions" in how, doctor.stdout
    p = live.report(path)["processes"][0]
    blame = test_lines.gil_blame(live.report(path))
    right = [b for b in blame if test_lines.leaf(b["waiter"]) == ("the_waiter", wait) and test_lines.leaf(b["holder"]) == ("the_holder", hold)]
    assert sum(b["wait_ns"] for b in right) > 0.2e9, blame[:3]
    assert {"the-holder", "the-waiter"} <= {t["name"] for t in p["threads"]}

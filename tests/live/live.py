"""Fixtures and helpers of the live and fault tests: gilscope on real interpreters.  What is missing here is a skip with its
name, never a pass."""
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "truth"))
import compare  # noqa: E402
import harness  # noqa: E402

FOUND = harness.interpreters()
LABELS = ["%d.%d" % v for v in harness.WANTED] + ["3.11-debian"]
LABELS += [label for label in FOUND if label not in LABELS]
if os.environ.get("GILSCOPE_PYTHONS"):
    LABELS = list(FOUND)


def default_label():
    return next((x for x in ("3.11", "3.11-debian") if x in FOUND), next(iter(FOUND), None))


@functools.lru_cache(None)
def why_no_recording():
    """None when gilscope can record here with its best collector, which the tests compare with, else the reason."""
    if not os.path.exists(harness.GILSCOPE):
        return "%s is not built" % harness.GILSCOPE
    done = harness.gilscope("doctor")
    if done.returncode == 0 and "record -p PID would use bpf" in done.stdout:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    bad = [line.strip() for line in lines if "fail" in line.lower() or "could not" in line]
    return "gilscope doctor: " + (bad or lines or ["exit %d" % done.returncode])[0]


@pytest.fixture
def can_record():
    reason = why_no_recording()
    if reason:
        pytest.skip(reason)


def interpreter(label):
    if label not in FOUND:
        pytest.skip("no python%s here" % label)
    return FOUND[label]


@pytest.fixture(params=LABELS)
def python(request):
    """Each interpreter of the matrix."""
    return interpreter(request.param)


@pytest.fixture
def any_python():
    """One interpreter, for what does not depend on the version."""
    if not FOUND:
        pytest.skip("no supported CPython here")
    return FOUND[default_label()]


@pytest.fixture
def recorded(tmp_path):
    """recorded(workload name, python, seconds, workload args, record args) -> (json report, path, workload's last lines)."""
    def run(name, python, seconds=2, args=(), record_args=()):
        path = str(tmp_path / (name + ".gilscope"))
        with harness.Workload(name, python, 60, args) as workload:
            done = harness.gilscope("record", "-p", workload.pid, "-d", seconds, "-o", path, *record_args)
            assert done.returncode == 0, done.stderr
            assert workload.alive()
        return report(path), path
    return run


@pytest.fixture
def open_folder():
    """A folder that everybody may reach and write to."""
    with tempfile.TemporaryDirectory(prefix="gilscope-test-") as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


def report(path):
    done = harness.gilscope("report", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def setpriv(*args):
    """Command prefix for an unprivileged user, or a skip."""
    if os.geteuid():
        pytest.skip("needs root to become another user")
    if subprocess.run(["which", "setpriv"], stdout=subprocess.DEVNULL).returncode:
        pytest.skip("no setpriv here")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *args]


def against_truth(workload, python, tmp_path, seconds=2):
    """A recording compared with probes on take_gil of the same time (tests/truth/compare.py)."""
    rec, truth = str(tmp_path / "r"), str(tmp_path / "t")
    with harness.Workload(workload, python, 60) as target:
        recorder = harness.Recorder(target.pid, rec)
        try:
            tracer = harness.Tracer(target.pid, truth, "-d", str(seconds))
            tracer.process.wait()
            summary = tracer.stop()
        finally:
            code, _, err = recorder.stop()
    assert code == 0, err
    return compare.compare(truth, rec, (summary["start_ns"], summary["end_ns"]))

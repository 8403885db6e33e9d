"""Sums of states, samples, and what is left of them without knowledge of Python."""
import os
import re

import pytest

import harness
import recording
import test_lines


def test_gil_time_of_all_threads_is_at_most_the_time(any_python, can_record, recorded):
    report, _ = recorded("cpu4", any_python, 2)
    p = report["processes"][0]
    held = sum(t["gil_held_ns"] for t in p["threads"])
    assert held <= 1.01 * report["recording"]["duration_ns"], held
    assert held > 0.8 * report["recording"]["duration_ns"], held
    gil = next(lock for lock in p["locks"] if lock["kind"] == "gil")
    assert gil["utilisation"] > 0.8
    assert gil["forced_handoffs"] > 50, gil


def test_rate_zero_takes_no_samples(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("-r", "0"))
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM sample") == 0
    assert all(t["gil_spin_ns"] is None for t in report["processes"][0]["threads"])
    assert sum(t["gil_waits"] for t in report["processes"][0]["threads"]) > 50


def test_samples_are_taken(any_python, can_record, recorded):
    _, path = recorded("cpu4", any_python, 2)
    rec = recording.Recording(path)
    n = rec.one("SELECT count(*) FROM sample WHERE stack IS NOT NULL")
    assert n > 50, n  # one core's worth at 99 Hz would be 198; the machine may be busy


def test_no_python(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("--no-python",))
    assert report["processes"][0]["runtime"] is None
    test_lines.partition(path)


VERIFIED_MOST = 33000  # 1,000 take the kernel a millisecond: what of attaching belongs to it


def test_the_kernel_checks_the_programs_soon(any_python, tmp_path):
    """Instructions that the verifier went through, of all programs together; a path taken apart needlessly is found here, not by a clock."""
    if tuple(int(x) for x in os.uname().release.split(".")[:2]) < (5, 16):
        pytest.skip("this kernel does not say how many instructions it verified")
    with harness.Workload("cpu4", any_python) as target:
        recorder = harness.Recorder(target.pid, str(tmp_path / "r.gilscope"))
        try:
            folder, verified = "/proc/%d/fdinfo" % recorder.process.pid, {}
            for fd in os.listdir(folder):
                try:
                    with open(os.path.join(folder, fd)) as f:
                        text = f.read()
                except FileNotFoundError:
                    continue
                for number, n in re.findall(r"^prog_id:\s+(\d+)\n(?:.*\n)*?verified_insns:\s+(\d+)", text, re.M):
                    verified[number] = int(n)
        finally:
            recorder.stop()
    assert len(verified) >= 8 and 5000 < sum(verified.values()) < VERIFIED_MOST, verified

"""Processes come and go: several at once, ends, forks, execs, interpreters within."""
import os
import time

import pytest

import contract
import harness
import live
import recording


def test_two_processes_in_one_recording(any_python, can_record, tmp_path):
    path = str(tmp_path / "two.gilscope")
    with harness.Workload("cpu4", any_python, 60) as a, harness.Workload("cpu_io", any_python, 60) as b:
        done = harness.gilscope("record", "-p", a.pid, "-p", b.pid, "-d", 2, "-o", path)
        assert done.returncode == 0, done.stderr
    report = live.report(path)
    assert contract.check(report) == []
    assert {p["pid"] for p in report["processes"]} == {a.pid, b.pid}
    for p in report["processes"]:
        assert sum(t["gil_waits"] for t in p["threads"]) > 50, p["pid"]


def test_target_ends_during_recording(any_python, can_record, tmp_path):
    path = str(tmp_path / "end.gilscope")
    with harness.Workload("cpu4", any_python, 2) as workload:
        t0 = time.monotonic()
        done = harness.gilscope("record", "-p", workload.pid, "-d", 60, "-o", path)
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - t0 < 20, "it did not notice that the target ended"
    report = live.report(path)
    assert report["recording"]["complete"] is True
    assert sum(t["gil_waits"] for t in report["processes"][0]["threads"]) > 50
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM process_event e JOIN process_event_kind k ON k.id = e.kind WHERE k.name = 'exit'") == 1


def test_target_killed_during_recording(any_python, can_record, tmp_path):
    path = str(tmp_path / "kill.gilscope")
    with harness.Workload("cpu4", any_python, 60) as workload:
        recorder = harness.Recorder(workload.pid, path)
        time.sleep(1.0)
        workload.process.kill()
        workload.process.wait()
        out, err = recorder.process.communicate(timeout=20)
        assert recorder.process.returncode == 0, err
    assert live.report(path)["recording"]["complete"] is True


@pytest.mark.parametrize("into", ["python", "sleep"])
def test_target_becomes_another_program(any_python, can_record, tmp_path, into):
    path = str(tmp_path / "exec.gilscope")
    with harness.Workload("forks", any_python, 3, ["--exec", into, "--forks", 3]) as workload:
        done = harness.gilscope("record", "-p", workload.pid, "-d", 6, "-o", path)
        assert done.returncode == 0, done.stderr
    report = live.report(path)
    assert contract.check(report) == []
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM process_event e JOIN process_event_kind k ON k.id = e.kind WHERE k.name = 'exec'") == 1
    assert rec.integrity() == "ok"


def test_forks_are_seen_and_children_left_alone(any_python, can_record, tmp_path):
    path = str(tmp_path / "fork.gilscope")
    with harness.Workload("forks", any_python, 60, ["--forks", 200]) as workload:
        done = harness.gilscope("record", "-p", workload.pid, "-d", 2, "-o", path)
        assert done.returncode == 0, done.stderr
    report = live.report(path)
    assert contract.check(report) == []
    assert [p["pid"] for p in report["processes"]] == [workload.pid]
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM process_event e JOIN process_event_kind k ON k.id = e.kind WHERE k.name = 'fork'") >= 2


def test_attach_by_another_pid_namespace(any_python, can_record, tmp_path):
    """The target in a pid namespace of its own: attached by the pid it has here."""
    if os.geteuid():
        pytest.skip("needs root to make a pid namespace")
    path = str(tmp_path / "ns.gilscope")
    with harness.Workload("cpu4", any_python, 60, prefix=["unshare", "--pid", "--fork", "--kill-child"]) as workload:
        assert workload.pid == 1  # as it sees itself
        with open("/proc/%d/task/%d/children" % (workload.process.pid, workload.process.pid)) as f:
            pid = int(f.read().split()[0])
        done = harness.gilscope("record", "-p", pid, "-d", 1, "-o", path)
        assert done.returncode == 0, done.stderr
    report = live.report(path)
    assert report["processes"][0]["pid"] == pid
    assert sum(t["gil_waits"] for t in report["processes"][0]["threads"]) > 20

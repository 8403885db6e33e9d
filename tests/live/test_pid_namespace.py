"""gilscope in a pid namespace that is not the initial one, as in a container beside its target."""
import json
import os
import subprocess

import pytest

import contract
import harness
import live
import recording

INSIDE = ["unshare", "--pid", "--fork", "--kill-child"]
UNDER_INIT = INSIDE + ["sh", "-c", '"$@"; sleep 60', "sh"]  # the namespace outlives the target


@pytest.fixture
def root():
    if os.geteuid():
        pytest.skip("needs root to make a pid namespace")


def first_inside(workload):
    """Our number of the process that is number 1 inside."""
    with open("/proc/%d/task/%d/children" % (workload.process.pid, workload.process.pid)) as f:
        return int(f.read().split()[0])


def beside(pid, *args):
    """gilscope in the pid namespace of pid with a /proc of its own; errors of nsenter are failures of the test."""
    argv = ["nsenter", "-t", str(pid), "--pid", "unshare", "--mount", "sh", "-c",
            'mount -t proc proc /proc && exec "$@"', "sh", harness.GILSCOPE] + [str(a) for a in args]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120)


def test_record_beside_the_target(python, can_record, root, tmp_path):
    path = str(tmp_path / "beside.gilscope")
    with harness.Workload("cpu_io", python, 60, prefix=INSIDE) as workload:
        assert workload.pid == 1
        outer = first_inside(workload)
        done = beside(outer, "record", "-p", 1, "-d", 1, "-o", path)
        assert done.returncode == 0, done.stderr
        dump = beside(outer, "dump", "-p", 1, "--json")
        assert dump.returncode == 0, dump.stderr
        inside = {t["tid"] for t in json.loads(dump.stdout)["threads"]}
    report = live.report(path)
    assert contract.check(report) == []
    (p,) = report["processes"]
    assert p["pid"] == 1
    assert {t["tid"] for t in p["threads"]} == inside, "threads are not numbered as inside"
    assert all(t["name"] for t in p["threads"]), p["threads"]
    assert sum(t["gil_waits"] for t in p["threads"]) > 50
    named = [b for b in p["blame"] if b["waiter"]["stack"] and b["holder"]["stack"] and b["holder"]["tids"]]
    assert named and {t for b in named for t in b["waiter"]["tids"] + b["holder"]["tids"]} <= inside
    rec = recording.Recording(path)
    assert rec.integrity() == "ok"
    assert rec.one("SELECT count(*) FROM process") == 1


def test_the_target_ends_inside(any_python, can_record, root, tmp_path):
    path = str(tmp_path / "end.gilscope")
    with harness.Workload("cpu4", any_python, 3, prefix=UNDER_INIT) as workload:
        assert workload.pid > 1
        done = beside(first_inside(workload), "record", "-p", workload.pid, "-d", 60, "-o", path)
    assert done.returncode == 0, done.stderr
    assert live.report(path)["recording"]["complete"] is True


def test_forks_and_execs_inside(any_python, can_record, root, tmp_path):
    path = str(tmp_path / "fork.gilscope")
    with harness.Workload("forks", any_python, 6, ["--exec", "sleep", "--forks", 60], prefix=UNDER_INIT) as workload:
        done = beside(first_inside(workload), "record", "-p", workload.pid, "-d", 4.5, "-o", path)
    assert done.returncode == 0, done.stderr
    rec = recording.Recording(path)
    kinds = dict(rec.db.execute("SELECT k.name, count(*) FROM process_event e JOIN process_event_kind k ON k.id = e.kind GROUP BY 1"))
    assert kinds.get("fork", 0) >= 2 and kinds.get("exec") == 1, kinds


def test_doctor_beside_the_target(any_python, can_record, root):
    with harness.Workload("cpu4", any_python, 60, prefix=INSIDE) as workload:
        done = beside(first_inside(workload), "doctor", "-p", 1)
    assert done.returncode == 0, done.stdout
    assert "pid namespace        one of its own" in done.stdout, done.stdout


@pytest.mark.parametrize("command", ["record", "dump"])
def test_proc_of_another_namespace_is_refused(command, any_python, root, tmp_path):
    """Without a /proc of its own its numbers would be taken for other processes'."""
    with harness.Workload("cpu4", any_python, 60) as workload:
        args = ["-o", str(tmp_path / "x"), "-d", "1"] if command == "record" else []
        done = subprocess.run(INSIDE + [harness.GILSCOPE, command, "-p", str(workload.pid)] + args, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    assert done.returncode == 77, done.stderr
    assert "another pid namespace" in done.stderr and "mount -t proc" in done.stderr, done.stderr

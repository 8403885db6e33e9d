"""A target in another root with a C library of its own, in its own mount and pid namespace (and user namespace), found by
our number of it."""
import json
import os
import shutil
import subprocess

import pytest

import contract
import harness
import live
import recording

ENTER = """
set -e
root=$1 from=$2; shift 2
mount --bind "$from/usr" "$root/usr"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"""


@pytest.fixture(params=["root's namespaces", "a user namespace"])
def container(request, tmp_path):
    """container(version) -> (our pid of the Python inside, its root): another Debian suite's Python with that suite's C library."""
    if os.geteuid():
        pytest.skip("needs root to make namespaces")
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"] + (["--user", "--map-root-user"] if "user" in request.param else [])
    if subprocess.run(unshare + ["true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no such namespaces here")
    started = []

    def start(version):
        python = harness.cached_python(version)
        if not python:
            pytest.skip("no python%s of another suite here" % version)
        root = tmp_path / "root"
        for name in ("usr", "proc", "dev", "w"):
            (root / name).mkdir(parents=True)
        for name in ("lib", "lib64", "bin"):
            (root / name).symlink_to("usr/" + name)
        for name in ("_load.py", "cpu_io.py"):
            shutil.copy(os.path.join(harness.WORKLOADS, name), root / "w")
        from_ = os.path.dirname(os.path.dirname(os.path.dirname(python)))
        process = subprocess.Popen(unshare + ["sh", "-c", ENTER, "sh", str(root), from_, "/usr/bin/python" + version, "/w/cpu_io.py", "--seconds", "30"],
                                   stdout=subprocess.PIPE)
        started.append(process)
        inside = json.loads(process.stdout.readline() or b"{}")
        if not inside.get("pid"):
            pytest.skip("that Python does not start in a root of its own here")
        assert inside["pid"] == 1
        with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as f:
            return int(f.read().split()[0]), root

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_is_recorded_from_outside(container, can_record, tmp_path):
    pid, root = container("3.14")
    path = str(tmp_path / "r.gilscope")
    done = harness.gilscope("record", "-p", pid, "-d", 1.5, "-o", path)
    assert done.returncode == 0, done.stderr
    report = live.report(path)
    assert contract.check(report) == []
    process, = report["processes"]
    assert process["pid"] == pid and "3.14" in process["runtime"]
    assert all(t["tid"] >= pid for t in process["threads"]), "threads are numbered as inside"
    assert sum(t["gil_waits"] for t in process["threads"]) > 20
    lines = {(f[0], f[1]) for stack in recording.Recording(path).stacks().values() for f in stack}
    assert ("burn", "/w/_load.py") in lines, lines
    done = harness.gilscope("doctor", "-p", pid)
    assert "debug offsets" in done.stdout and "glibc" in done.stdout, done.stdout

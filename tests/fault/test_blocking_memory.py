"""Targets whose memory does not answer (blocking_target.py): nothing hangs, what can be had is had, the rest is named."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import pytest

import harness
import recording

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT, FILE_SYSTEM = os.path.join(HERE, "blocking_target.py"), os.path.join(HERE, "silent_fs.py")
END_S = 3.0  # the man page: two seconds more at the most; and some for a busy machine
START_S = 6.0  # the kernel checks the programs, on a busy machine for seconds


@pytest.fixture
def blocking(any_python):
    """blocking(what) -> pid of the target, killed at the end."""
    started, mounted = [], []

    def begin(*args):
        process = subprocess.Popen([any_python, *args], stdout=subprocess.PIPE)
        started.append(process)
        line = process.stdout.readline().decode().strip()
        if line.startswith("skip"):
            pytest.skip(line)
        assert line == "up", line
        return process

    def start(what):
        if what == "fuse":
            if os.geteuid():
                pytest.skip("needs root to mount")
            directory = tempfile.mkdtemp(prefix="gilscope-silent")
            mounted.append(directory)
            begin(FILE_SYSTEM, directory)
            target = begin(SCRIPT, what, os.path.join(directory, "page"))
        else:
            target = begin(SCRIPT, what)
        time.sleep(0.3)
        return target.pid
    yield start
    for process in started:  # the file system first: then what waits for it goes on
        process.kill()
        process.wait()
        process.stdout.close()
    for directory in mounted:
        subprocess.run(["umount", "-l", directory], stderr=subprocess.DEVNULL)
        os.rmdir(directory)


def check(path):
    """A whole recording: everything but the names that could not be read, and that is said."""
    done = harness.gilscope("report", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rec = recording.Recording(path)
    # the one loss that blocking memory has no part in: a switch that met the kernel's task storage busy, counted as lost
    busy = rec.one("SELECT sum(l.count) FROM loss l JOIN loss_class c ON c.id = l.class WHERE c.name = 'storage'") or 0
    assert report["recording"]["complete"] is True, report["recording"]
    assert report["recording"]["lost_events"] == busy and busy <= 3, (report["recording"], busy)
    assert any("did not answer" in note for note in report["recording"]["notes"]), report["recording"]["notes"]
    assert rec.integrity() == "ok"
    (p,) = report["processes"]
    assert sum(t["gil_waits"] for t in p["threads"]) > 50, p["threads"]
    stacks = [b[side]["stack"] for b in p["blame"] for side in ("waiter", "holder")]
    names = {f["function"] for s in stacks for f in s}
    assert "spin_in_the_open" in names, names  # what lies elsewhere has its names
    return p


@pytest.mark.parametrize("what", ["filename", "fuse"])
@pytest.mark.parametrize("collector", ["bpf", "remote"])
def test_recording_goes_on(blocking, can_record, tmp_path, collector, what):
    path = str(tmp_path / "x")
    pid = blocking(what)
    t0 = time.monotonic()
    done = harness.gilscope("record", "--collector", collector, "-p", pid, "-d", 3, "-o", path)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - t0 < 3 + START_S + END_S
    p = check(path)
    rec = recording.Recording(path)
    last = rec.one("SELECT max(t0_ns) FROM interval")
    assert last > 0.95 * (rec.end_ns - rec.start_ns), "the capture stopped after %.2f s" % (last / 1e9)
    assert {t["name"] for t in p["threads"]} != {"python3"}, "no thread has its name"


def test_who_samples_is_replaced(blocking, tmp_path):
    """The frames of a thread that sleeps are read by the sampling child, at its first look."""
    path = str(tmp_path / "x")
    pid = blocking("frames")
    t0 = time.monotonic()
    done = harness.gilscope("record", "--collector", "remote", "-p", pid, "-d", 3, "-o", path)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - t0 < 3 + START_S + END_S
    p, rec = check(path), recording.Recording(path)
    (note,) = [n for (n,) in rec.db.execute("SELECT text FROM note") if "were not sampled" in n]
    assert re.match(r"pid %d: its memory at 0x[0-9a-f]+ did not answer: what lies there is missing, and 0.25 s were not sampled" % pid, note), note
    assert rec.one("SELECT max(t0_ns) FROM interval") > 0.95 * (rec.end_ns - rec.start_ns)
    (parked,) = [t for t in p["threads"] if t["name"] == "parked"]
    assert sum(parked["states_ns"].values()) > 0.9 * (rec.end_ns - rec.start_ns), parked  # the next one knows it still
    assert not orphans("gilscope-look")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(blocking, can_record, tmp_path, number):
    path = str(tmp_path / "x")
    recorder = harness.Recorder(blocking("filename"), path)
    time.sleep(1.5)
    t0 = time.monotonic()
    code, _, err = recorder.stop(number)
    assert code == 0, err
    assert time.monotonic() - t0 < END_S
    check(path)


def test_attach_is_refused(blocking, can_record, tmp_path):
    path = str(tmp_path / "x")
    pid = blocking("tstate")
    for args in (["record", "-p", pid, "-d", 1, "-o", path], ["dump", "-p", pid]):
        t0 = time.monotonic()
        done = harness.gilscope(*args)
        assert done.returncode == 3, (args, done.stdout, done.stderr)
        assert re.match(r"gilscope: could not .*: its memory did not answer", done.stderr), done.stderr
        assert time.monotonic() - t0 < END_S
    assert not os.path.exists(path)
    done = harness.gilscope("doctor", "-p", pid)
    assert done.returncode == 3 and "did not answer" in done.stdout, done.stdout


@pytest.mark.parametrize("what", ["filename", "fuse"])
def test_a_snapshot_is_taken_without_what_is_there(blocking, what):
    pid = blocking(what)
    t0 = time.monotonic()
    done = harness.gilscope("dump", "-p", pid)
    assert time.monotonic() - t0 < END_S
    assert done.returncode == 0 and "spin_in_the_open" in done.stdout, (done.stdout, done.stderr)


def is_orphan(pid):
    try:
        with open("/proc/%s/status" % pid) as f:
            status = f.read()
    except OSError:
        return False  # gone, or another test's
    return "PPid:\t1\n" in status and "(zombie)" not in status


def orphans(name):
    left = subprocess.run(["pgrep", "-x", name], stdout=subprocess.PIPE, universal_newlines=True).stdout.split()
    return [p for p in left if is_orphan(p)]


def test_nobody_stays_behind(blocking):
    """Killing the one that reads ends it: a userfaultfd's waiter can be killed."""
    pid = blocking("filename")
    done = harness.gilscope("dump", "-p", pid)
    assert done.returncode == 0, done.stderr
    time.sleep(0.5)
    assert not orphans("gilscope-read")


def test_threads_only_needs_no_memory(blocking, can_record, tmp_path):
    done = harness.gilscope("record", "-p", blocking("tstate"), "-d", 1, "--no-python", "-o", tmp_path / "x")
    assert done.returncode == 0, done.stderr

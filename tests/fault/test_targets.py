"""Targets that vanish, change, multiply or are odd while gilscope attaches or records."""
import ctypes
import json
import os
import re
import signal
import subprocess
import time

import pytest

import faults
import harness
import recording

ROUNDS = 60 if faults.FULL else 12
CHURN_S = 10 if faults.FULL else 4
OK_OR_ATTACH = (0, 3)


def outcome(process, timeout=40):
    out, err = process.communicate(timeout=timeout)
    code = process.returncode
    err = err.decode(errors="replace")
    assert code in OK_OR_ATTACH, "exit %d: %s" % (code, err)
    if code:
        assert re.search(r"^gilscope: could not ", err, re.M), err
    return code


def sound(path):
    """A file that is there is a recording, in good order."""
    if os.path.exists(path):
        done = harness.gilscope("report", path, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["recording"]["complete"] is True
        assert recording.Recording(path).integrity() == "ok"


def test_target_killed_while_attaching(any_python, can_record, rng, tmp_path):
    codes = {0: 0, 3: 0}
    for i in range(ROUNDS):
        path = str(tmp_path / str(i))
        with harness.Workload("cpu4", any_python, 60) as workload:
            recorder = harness.Recorder(workload.pid, path, "-d", "60", wait=False)
            time.sleep(rng.uniform(0, 0.25))
            workload.process.kill()
            workload.process.wait()
            code = outcome(recorder.process)  # long before the 60 s: it noticed
        codes[code] += 1
        sound(path)
        assert code == 0 or not os.path.exists(path), "a file stayed although the attach failed"
    print(codes)


def test_target_execs_while_attaching(any_python, can_record, rng, tmp_path):
    script = "import os, sys, time, threading\n" \
             "def f():\n    while True: sum(range(1000))\n" \
             "threading.Thread(target=f, daemon=True).start()\n" \
             "print('up', flush=True)\ntime.sleep(float(sys.argv[1]))\nos.execv('/bin/sleep', ['sleep', '0.5'])\n"
    for i in range(ROUNDS):
        path = str(tmp_path / str(i))
        target = subprocess.Popen([any_python, "-c", script, str(rng.uniform(0, 0.25))], stdout=subprocess.PIPE)
        target.stdout.readline()
        recorder = harness.Recorder(target.pid, path, "-d", "5", wait=False)
        code = outcome(recorder.process)
        assert target.wait(20) == 0
        sound(path)
        assert code in OK_OR_ATTACH


EXECS_ON_DEMAND = """
import os, sys, threading, time
def spin_in_%(which)s():
    while True: sum(range(1000))
for i in range(3): threading.Thread(target=spin_in_%(which)s, daemon=True).start()
print('up', flush=True)
sys.stdin.readline()
os.execv(sys.argv[1], sys.argv[1:])
"""


def stop_while_loading(process):
    """Stopped where it has read the target and loads its programs: there is a map, nothing is armed yet."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        for fd in os.listdir("/proc/%d/fd" % process.pid):
            try:
                if "bpf-map" in os.readlink("/proc/%d/fd/%s" % (process.pid, fd)):
                    process.send_signal(signal.SIGSTOP)
                    return
            except OSError:
                pass
    raise RuntimeError("it never loaded anything: %s" % process.stderr.read())


@pytest.mark.parametrize("into", ["python", "sleep"])
def test_target_execs_between_reading_and_arming(any_python, can_record, tmp_path, into):
    """The layout just read is void: it must be read again, or refused, never used."""
    path = str(tmp_path / "x")
    new = {"python": [any_python, "-c", EXECS_ON_DEMAND % {"which": "second"}], "sleep": ["/bin/sleep", "30"]}[into]
    target = subprocess.Popen([any_python, "-c", EXECS_ON_DEMAND % {"which": "first"}] + new, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        recorder = harness.Recorder(target.pid, path, "-d", "2", wait=False)
        stop_while_loading(recorder.process)
        target.stdin.write(b"now\n")
        target.stdin.flush()
        if into == "python":
            target.stdout.readline()
        else:
            time.sleep(0.3)
        recorder.process.send_signal(signal.SIGCONT)
        out, err = recorder.process.communicate(timeout=40)
        assert target.poll() is None
    finally:
        target.kill()
        target.wait()
    if into == "sleep":
        assert recorder.process.returncode == 3, (out, err)
        assert b"is not a Python process" in err and not os.path.exists(path), err
        return
    assert recorder.process.returncode == 0, err
    report = json.loads(harness.gilscope("report", path, "--format", "json").stdout)
    (p,) = report["processes"]
    assert sum(t["gil_waits"] for t in p["threads"]) > 50, p["threads"]
    names = {f["function"] for b in p["blame"] for f in b["waiter"]["stack"]}
    assert "spin_in_second" in names and "spin_in_first" not in names, names


def spawn_as(pid, argv):
    """A process with a number of our choice (clone3 with set_tid); our own child."""
    numbers = (ctypes.c_int * 1)(pid)
    args = (ctypes.c_uint64 * 10)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1)
    got = ctypes.CDLL(None, use_errno=True).syscall(435, ctypes.byref(args), ctypes.sizeof(args))
    if got == 0:
        try:
            os.execv(argv[0], argv)
        finally:
            os._exit(127)
    if got < 0:
        pytest.skip("clone3 with set_tid: %s" % os.strerror(ctypes.get_errno()))
    return got


def test_a_reused_pid_is_not_the_target(any_python, can_record, tmp_path):
    """Two targets; one ends and a stranger gets its number while the other is still recorded."""
    path = str(tmp_path / "x")
    with harness.Workload("cpu4", any_python, 60) as first, harness.Workload("cpu4", any_python, 60) as other:
        recorder = harness.Recorder([first.pid, other.pid], path)
        time.sleep(0.5)
        first.process.kill()
        first.process.wait()
        time.sleep(0.3)
        died_ns = time.monotonic_ns()
        stranger = spawn_as(first.pid, [any_python, "-c", "while True: sum(range(1000))"])
        try:
            assert stranger == first.pid
            time.sleep(1.0)
            code, out, err = recorder.stop()
        finally:
            os.kill(stranger, signal.SIGKILL)
            os.waitpid(stranger, 0)
    assert code == 0, err
    rec = recording.Recording(path)
    late = rec.one("SELECT count(*) FROM thread t JOIN process p ON p.id = t.process WHERE p.pid = ? AND t.last_ns > ?", first.pid,
                   died_ns - rec.start_ns)
    assert late == 0, "%d threads of the stranger were recorded" % late
    assert rec.one("SELECT max(t.last_ns) FROM thread t JOIN process p ON p.id = t.process WHERE p.pid = ?", other.pid) > (
        died_ns - rec.start_ns)


def test_target_forks_while_attaching(any_python, can_record, tmp_path):
    with harness.Workload("forks", any_python, 60, ["--forks", 6000]) as workload:
        for i in range(max(3, ROUNDS // 6)):
            path = str(tmp_path / str(i))
            done = harness.gilscope("record", "-p", workload.pid, "-d", "0.5", "-o", path)
            assert done.returncode == 0, done.stderr
            sound(path)
            assert workload.alive()


def test_thread_churn(any_python, can_record, tmp_path):
    """2,000 short threads a second: none is credited with another's time."""
    path = str(tmp_path / "churn")
    with harness.Workload("churn", any_python, 60, ["--hogs", 0]) as workload:
        time.sleep(0.5)
        n0 = workload.total()
        done = harness.gilscope("record", "-p", workload.pid, "-d", CHURN_S, "-o", path)
        made = workload.total() - n0
        assert done.returncode == 0, done.stderr
        assert workload.alive()
    rec = recording.Recording(path)
    assert rec.integrity() == "ok"
    duration = rec.end_ns - rec.start_ns
    threads = rec.threads()
    lost = rec.lost_events()
    assert made > 200 * CHURN_S
    assert len(threads) >= 0.9 * made - lost, (len(threads), made, lost)
    for t in threads:
        total = sum(t["states"].values())
        assert 0 <= t["life"] <= duration + 1, t
        assert abs(total - t["life"]) <= 0.001 * t["life"] + 1000, t
        assert t["states"].get("gil", 0) <= t["life"] + 1, t
    # one GIL: what all threads held of it cannot be more than the time there was
    held = rec.one("SELECT sum(dur_ns) FROM interval WHERE state = 0 OR (flags & 1)")
    assert held <= 1.02 * duration, (held, duration)
    # rows of a thread lie within its own life
    stray = rec.one("SELECT count(*) FROM interval i JOIN thread t ON t.id = i.thread"
                    " WHERE i.t0_ns < t.first_ns OR i.t0_ns + i.dur_ns > t.last_ns")
    assert stray == 0
    stray = rec.one("SELECT count(*) FROM wait w JOIN thread t ON t.id = w.thread"
                    " WHERE w.t0_ns < t.first_ns OR w.t0_ns + w.dur_ns > t.last_ns")
    assert stray == 0


def test_deep_recursion_is_truncated_and_marked(any_python, can_record, tmp_path):
    path = str(tmp_path / "deep")
    with harness.Workload("deep", any_python, 60, ["--depth", 100000]) as workload:
        time.sleep(3.0 if os.environ.get("CI") else 1.5)  # the dive takes a while
        done = harness.gilscope("record", "-p", workload.pid, "-d", 2, "-o", path)
        assert done.returncode == 0, done.stderr
        shot = harness.gilscope("dump", "-p", workload.pid)
        assert shot.returncode == 0 and "dive" in shot.stdout, shot.stdout + shot.stderr
        assert workload.alive()
    report = json.loads(harness.gilscope("report", path, "--format", "json").stdout)
    assert report["recording"]["truncated_stacks"] > 0
    stacks = [b[side]["stack"] for b in report["processes"][0]["blame"] for side in ("waiter", "holder")]
    deep = [s for s in stacks if sum(f["function"] == "dive" for f in s) > 50]
    assert deep, "no stack of the diver among %d" % len(stacks)
    assert all(len(s) <= 200 for s in stacks)
    text = harness.gilscope("report", path)
    assert text.returncode == 0 and "deeper" in text.stdout, text.stdout


def bad_characters(text):
    """Control characters and direction marks that reached the output."""
    return sorted({hex(ord(c)) for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or 0xd800 <= ord(c) < 0xe000
                   or c in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"})


def test_hostile_names_are_shown_escaped(python, can_record, tmp_path):
    if harness.version_of(python) < (3, 8):
        pytest.skip("%s cannot rename code objects" % python)
    path = str(tmp_path / "hostile")
    with harness.Workload("hostile_names", python, 60) as workload:
        time.sleep(0.3)
        done = harness.gilscope("record", "-p", workload.pid, "-d", 1.2, "-o", path)
        assert done.returncode == 0, done.stderr
        dumps = [harness.gilscope("dump", "-p", workload.pid), harness.gilscope("dump", "-p", workload.pid, "--json")]
    text = harness.gilscope("report", path)
    as_json = harness.gilscope("report", path, "--format", "json")
    for what in (done, text, *dumps):
        assert what.returncode == 0, what.stderr
        assert bad_characters(what.stdout) == [] and bad_characters(what.stderr) == [], what.stdout[:2000]
        assert max((len(line) for line in what.stdout.splitlines()), default=0) < 20000
    report = json.loads(as_json.stdout)
    assert bad_characters(json.dumps(report, ensure_ascii=False).replace("\\", "")) == []
    names = {f["function"] for b in report["processes"][0]["blame"] for side in ("waiter", "holder") for f in b[side]["stack"]}
    assert any("script" in n for n in names), sorted(n[:60] for n in names)
    assert any(n.startswith("LLLL") and len(n) < 5000 for n in names), sorted(n[:60] for n in names)
    rec = recording.Recording(path)
    assert rec.integrity() == "ok"
    assert rec.one("SELECT count(*) FROM wait") > 0

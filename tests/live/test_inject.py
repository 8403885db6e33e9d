"""record --inject: a running Python is asked to load the signal collector's library; what it records then, and who is refused."""
import glob
import json
import os
import signal
import subprocess
import time

import pytest

import contract
import harness
import live
import recording
import unprivileged

MODERN = [label for label in live.FOUND if label.split("-")[0] in ("3.14", "3.15")] or ["3.14", "3.15"]

WORK = """
import json, os, signal, sys, threading, time
stop, log = threading.Event(), []
lock = threading.Lock()

def spin():
    while not stop.is_set():
        sum(range(500))

def holder():
    while not stop.is_set():
        with lock:
            time.sleep(0.03)
        time.sleep(0.005)

def asker():
    while not stop.is_set():
        time.sleep(0.002)
        begin = time.monotonic_ns()
        with lock:
            log.append((begin, time.monotonic_ns()))

def later():
    while not stop.is_set():
        t = threading.Thread(target=lambda: sum(range(200000)), name="born later")
        t.start()
        t.join()
        time.sleep(0.05)

threads = [threading.Thread(target=f, name=f.__name__) for f in (spin, spin, holder, asker, later)]
threads += [threading.Thread(target=stop.wait, name="sleeper-%d" % i) for i in range(20)]
for t in threads:
    t.start()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print("up", flush=True)
for t in threads:
    while t.is_alive():
        t.join(1)
print(json.dumps({"log": log, "modules": [m for m in sys.modules if "gilscope" in m], "environ": "GILSCOPE_DOOR" in os.environ}))
"""


@pytest.fixture(params=MODERN)
def modern(request):
    return live.interpreter(request.param)


@pytest.fixture
def a_modern():
    """One of them, for what does not differ."""
    return live.interpreter(MODERN[0])


@pytest.fixture
def nobody():
    with unprivileged.user() as u:
        yield u


def begin(nobody, python, text=WORK, **kwargs):
    target = nobody.start(nobody.python(python), nobody.file("target.py", text), **kwargs)
    assert target.stdout.readline() == "up\n"
    return target


def inject(nobody, pid, *args, name="x.gilscope"):
    return nobody.gilscope("record", "--inject", "-p", pid, "-o", nobody.path(name), "--force", "-d", "1500ms", *args), nobody.path(name)


def notes(rec):
    return [row[0] for row in rec.db.execute("SELECT text FROM note")]


def timers(pid):
    with open("/proc/%d/timers" % pid) as f:
        return f.read().count("ID:")


def libraries(pid):
    with open("/proc/%d/maps" % pid) as f:
        return len({line.split()[5] for line in f if "libgilscope_injected" in line})


def test_a_running_process(nobody, modern):
    target = begin(nobody, modern)
    for n, name in enumerate(("first.gilscope", "second.gilscope")):  # the second finds what the first left
        done, path = inject(nobody, target.pid, name=name)
        assert done.returncode == 0, done.stderr
        rec, report = recording.Recording(path), live.report(path)
        assert rec.meta["collector"] == "signal" and rec.meta["complete"] == 1
        assert contract.check(report) == []
        said = notes(rec)
        assert any("--inject" in text and "calls lead through it" in text for text in said), said
        assert any("recorded exactly" in text for text in said), said
        assert libraries(target.pid) == n + 1
        (p,) = report["processes"]
        names = {t["name"] for t in p["threads"]}
        assert {"MainThread", "spin", "holder", "asker"} <= names, names
        assert len([t for t in p["threads"] if t["name"].startswith("sleeper")]) == 20, names  # which did nothing meanwhile
        assert len(p["threads"]) > 28  # those born meanwhile too
        assert not any("found no room" in text for text in said), said
        assert rec.lost_events() == 0
        assert any(line[0] == "asker" and line[2] == "spin" for line in rec.blame_lines()), rec.blame_lines()
        assert rec.one("SELECT count(*) FROM sample WHERE stack IS NOT NULL") > 20
    deadline = time.monotonic() + 10
    while timers(target.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert timers(target.pid) == 0
    target.send_signal(signal.SIGTERM)
    said = json.loads(target.communicate(timeout=30)[0])
    assert target.returncode == 0
    assert said["modules"] == [] and not said["environ"]
    check_waits(recording.Recording(nobody.path("first.gilscope")), said["log"])
    check_waits(recording.Recording(nobody.path("second.gilscope")), said["log"])


def check_waits(rec, log):
    """Each wait for the lock that the program measured, by the same clock."""
    start = rec.start_ns
    rows = rec.db.execute("SELECT w.t0_ns + %d, w.t0_ns + w.dur_ns + %d FROM wait w JOIN lock l ON l.id = w.lock JOIN thread t ON t.id = w.thread"
                          " WHERE l.kind <> 0 AND t.python_name = 'asker'" % (start, start)).fetchall()
    first, last = min(a for a, _ in rows), max(b for _, b in rows)
    measured = [(a, b) for a, b in log if first - 1000000 <= a and b <= last + 20000000 and b - a > 1000000]
    assert len(measured) > 10
    missing = [(a, b) for a, b in measured if not any(a <= x and y <= b for x, y in rows)]
    assert len(missing) <= 1, (missing, rows)  # the last may end after the recording
    seen = sum(y - x for x, y in rows if any(a <= x and y <= b for a, b in measured))
    gil = sum(ns for ns, in rec.db.execute("SELECT w.dur_ns FROM wait w JOIN lock l ON l.id = w.lock JOIN thread t ON t.id = w.thread"
                                           " WHERE l.kind = 0 AND t.python_name = 'asker'"))
    said = sum(b - a for a, b in measured)
    assert seen <= said <= (seen + gil) * 1.05 + 5e6, (seen, gil, said)  # after the lock it queues for the GIL


def test_refused_by_name(nobody, a_modern):
    target = begin(nobody, a_modern, "import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    done, path = inject(nobody, target.pid)
    assert done.returncode == 3 and "came to its interpreter's loop within 5 s" in done.stderr, done.stderr
    assert libraries(target.pid) == 0 and not os.path.exists(path)
    done = nobody.gilscope("record", "--inject", "--collector", "remote", "-p", target.pid, "-d", "1s", "-o", path)
    assert done.returncode == 2 and "puts nothing into a process" in done.stderr, done.stderr
    done = nobody.gilscope("record", "--inject", "-o", path, "--", "true")
    assert done.returncode == 125 and "could not use --inject with a command" in done.stderr, done.stderr
    done = harness.gilscope("record", "--inject", "-p", os.getpid(), "-d", "1s", "-o", path)
    assert done.returncode == 3 and "cannot be asked, 3.14 and newer can" in done.stderr, done.stderr


def test_switched_off(nobody, a_modern):
    nobody.env["PYTHON_DISABLE_REMOTE_DEBUG"] = "1"
    target = begin(nobody, a_modern)
    done, _ = inject(nobody, target.pid)
    assert done.returncode == 3 and "remote debugging is switched off" in done.stderr, done.stderr
    assert libraries(target.pid) == 0


def test_a_request_that_was_taken_back(nobody, a_modern):
    """A thread that comes by too late finds nothing: no script is looked for, nothing is said."""
    text = "import os, select, sys, time\nprint('up', flush=True)\nos.read(0, 1)\nfor i in range(100000): pass\nprint('done', flush=True)\n"
    target = begin(nobody, a_modern, text, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    done, _ = inject(nobody, target.pid)
    assert done.returncode == 3, done.stderr
    out, err = target.communicate("x", timeout=20)
    assert (out, err, target.returncode) == ("done\n", "", 0)
    assert not glob.glob("/tmp/gilscope-*/script-%d.py" % target.pid)


def test_root_asks_for_another_users_process(nobody, a_modern):
    target = begin(nobody, a_modern)
    path = nobody.path("root.gilscope")
    done = harness.gilscope("record", "--inject", "-p", target.pid, "-d", "500ms", "-o", path)
    assert done.returncode == 0, done.stderr
    assert recording.Recording(path).one("SELECT count(*) FROM wait") > 10
    assert not glob.glob("/tmp/gilscope-*/libgilscope_injected.so")


def test_forks_and_another_program(nobody, a_modern):
    """A forked child goes on with the library; a program that replaces its own does not, and that is said."""
    text = ("import os, sys, threading, time\nprint('up', flush=True)\nend = time.monotonic() + 2.5\n"
            "def spin():\n    while time.monotonic() < end: sum(range(500))\n"
            "first = threading.Thread(target=spin, daemon=True)\nfirst.start()\ntime.sleep(1)\n"
            "if not os.fork():\n    ts = [threading.Thread(target=spin) for _ in range(2)]\n    [t.start() for t in ts]\n"
            "    [t.join() for t in ts]\n    os._exit(0)\ntime.sleep(0.3)\nos.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(9)'])\n")
    target = begin(nobody, a_modern, text)
    done, path = inject(nobody, target.pid, "-d", "4s", "--children")
    assert done.returncode == 0, done.stderr
    rec = recording.Recording(path)
    assert any("runs another program now" in n for n in notes(rec)), notes(rec)
    assert rec.one("SELECT count(DISTINCT t.process) FROM wait w JOIN thread t ON t.id = w.thread JOIN lock l ON l.id = w.lock"
                   " WHERE l.kind = 0") == 2

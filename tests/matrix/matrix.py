"""Programs of the matrix recorded together, and each with what it told of itself (programs/told.py).

The busy ones want more CPUs than there are, and gilscope starts them; it attaches to the others, which sleep most of their time."""
import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import time

import pytest

import contract
import harness
import live
import recording

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
SECONDS = 2.5
WAITS = ("wait_gil", "runnable")
HELD = 1


def near(seen, said, share, slack_ns=5000000):
    assert abs(seen - said) <= share * said + slack_ns, "recorded %.1f ms, said %.1f ms" % (seen / 1e6, said / 1e6)


class Program:
    """One program: what it said, and what was recorded of it."""

    def __init__(self, said, report, rec):
        self.said, self.rec, self.lines = said, rec, said["lines"]
        self.window = (rec.armed_ns, rec.end_ns)
        self.process = self.of(report, said["pid"])
        # 2.7 gives the GIL up every 100 bytecodes, so between the marked lines too, and lets one that computes pass over another for seconds
        self.sure = 0.5 if " 2.7" in self.process["runtime"] else 0.8

    @staticmethod
    def of(report, pid):
        return next(p for p in report["processes"] if p["pid"] == pid)

    def told(self, name):
        found, = [t for t in self.said["threads"] if t["name"] == name]
        return found

    def thread(self, tid):
        return next(t for t in self.process["threads"] if t["tid"] == tid)

    def inside(self, thread, *kinds):
        """Its rows that lie in the recording."""
        first, last = self.window
        return [r for r in thread["rows"] if first <= r[1] and r[2] <= last and (not kinds or r[0] in kinds)]

    def seen(self, tid, times, states, held=False):
        """ns of these states of a thread, with the GIL held, in these times [(begin, end)]."""
        rows = self.rec.db.execute(
            "SELECT t0_ns + ?, dur_ns, i.state, i.flags FROM interval i JOIN thread t ON t.id = i.thread WHERE t.tid = ?"
            " UNION ALL SELECT t0_ns + ?, ns, y.state, y.flags FROM tally y JOIN thread t ON t.id = y.thread WHERE t.tid = ?",
            (self.rec.start_ns, tid, self.rec.start_ns, tid)).fetchall()
        return sum(max(0, min(last, t0 + ns) - max(first, t0)) for t0, ns, state, flags in rows
                   if recording.STATES[state] in states and (flags & HELD or not held) for first, last in times)

    def agree_on_lock(self, thread, lock):
        """A thread said that it waited for a lock as long as was recorded of it: asleep for the lock, and then for a CPU and the GIL; most of
        it under the lock's name.  A lock that is new each time has no other name than its stacks, of which few are taken when there is much
        to record."""
        first, last = self.window
        times = [(max(first, r[1]), min(last, r[2])) for r in thread["rows"] if r[2] > first and r[1] < last]
        said = sum(b - a for a, b in times)
        near(self.seen(thread["tid"], times, WAITS + ("wait_lock",)), said, 0.05)
        assert (0.3 if lock["idle"] else 0.6) * said < lock["wait_ns"] < 1.05 * said + 5e6, (thread["name"], said, lock)

    def agree(self, thread, *kinds, states=WAITS, share=0.05, each_ns=200000, held=False):
        """A thread said that it waited as long as was recorded, within a share and so much for each time that it looked at its clock: to
        wake up, to be asked and to ask takes time that is no waiting.  Returns what it said."""
        rows = self.inside(thread, *kinds)
        first, last = self.window
        assert rows and rows[-1][2] - rows[0][1] > (0.4 if self.sure > 0.5 else 0) * (last - first), (thread["name"], len(rows), len(thread["rows"]))
        said, seen = sum(r[3] for r in rows), self.seen(thread["tid"], [(rows[0][1], rows[-1][2])], states, held)
        print("%s %s: said %.1f ms, recorded %.1f ms, %d times" % (self.said["program"], thread["name"], said / 1e6, seen / 1e6, len(rows)))
        assert abs(seen - said) <= share * (1 if self.sure > 0.5 else 2) * said + each_ns * len(rows), (self.said["program"], thread["name"], said, seen, len(rows))
        return said

    def blame(self):
        gils = {lock["id"] for lock in self.process["locks"] if lock["kind"] == "gil"}
        return [b for b in self.process["blame"] if b["lock"] in gils]

    def at(self, side, places):
        """The innermost frame is at one of these: (function,) or (function, mark of the line)."""
        leaf = side["stack"][0]
        return any(leaf["function"].split(".")[-1] == place[0] and (len(place) == 1 or leaf["line"] == self.lines[place[1]]) for place in places)

    def check_blame(self, waiters, where, holders, whom):
        """What these threads waited for the GIL, they waited at these places for those holders at theirs, as far as both stacks are known: few
        are taken when there is much to record, and nobody has the GIL while the one that was woken for it waits for a CPU."""
        waiting, holding = ({t["tid"] for t in threads} for threads in (waiters, holders))
        frames = not self.process["runtime"].startswith("PyPy")
        blame = [b for b in self.blame() if waiting & set(b["waiter"]["tids"])]
        known = [b for b in blame if (b["waiter"]["stack"] and b["holder"]["stack"] if frames else b["holder"]["tids"])]
        total, placed, right = (sum(b["wait_ns"] for b in some) for some in (
            blame, known, [b for b in known if holding & set(b["holder"]["tids"]) and
                           (not frames or self.at(b["waiter"], where) and self.at(b["holder"], whom))]))
        shown = [(b["waiter"]["stack"][:1], b["holder"]["stack"][:1], b["wait_ns"]) for b in blame[:5]]
        assert total > 1e8 and placed > 0.3 * total and right > self.sure * placed, (total, placed, right, shown)
        if not frames:
            pytest.skip("threads and totals, no frames")

    def holder_stack(self, places):
        """Of the costliest blame that has it."""
        return next(b["holder"]["stack"] for b in self.blame() if b["holder"]["stack"] and self.at(b["holder"], places))


# compute() of told.py.  Asking for the CPU time ends a time slice that is overdue (the kernel brings its account up to date for it), so a
# thread is preempted there, or before the next line, with the GIL, more often than its share of time has it.
COMPUTING = [("compute", "COMPUTE"), ("compute", "CLOCK"), ("clock",)]
NAPPING, HOLDING = [("nap", "NAP")], [("hold", "HOLD")]


class Group:
    """Programs that were recorded together."""

    def __init__(self, report, path, said, shots):
        assert contract.check(report) == []
        self.report, self.path, self.rec, self.shots = report, path, recording.Recording(path), shots
        self.programs = {name: Program(s, report, self.rec) for name, s in said.items()}

    def __getitem__(self, name):
        return self.programs[name]


def started(command, programs, folder):
    """A process, its stdin open: what it started ends when that is closed; and the pids of the programs by their order of saying so."""
    with open(os.path.join(folder, "stderr"), "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                                   env=dict(os.environ, PYTHONPATH=PROGRAMS, PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
                                            PYTHON_GIL=os.environ.get("PYTHON_GIL", "1")))
    text, deadline = b"", time.monotonic() + 30
    while text.count(b"\n") < len(programs):
        ready = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]
        more = os.read(process.stdout.fileno(), 4096) if ready else b""
        if not more:
            end(process)
            with open(os.path.join(folder, "stderr")) as log:
                raise AssertionError("not all of %s started: %r\n%s" % (programs, text, log.read()[-3000:]))
        text += more
    return process, [json.loads(line)["pid"] for line in text.splitlines()]


def end(process):
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdin.close()
    process.stdout.close()
    process.wait()


def shell(python, programs, folder):
    """They share one stdin, each writes what it tells to a file of its own."""
    line = "".join("%s %s %s <&3 & " % tuple(map(shlex.quote, (python, path, os.path.join(folder, name + ".json")))) for name, path in programs.items())
    return ["sh", "-c", "exec 3<&0; " + line + "wait"]


def told(programs, folder):
    said = {}
    for name in programs:
        with open(os.path.join(folder, name + ".json")) as f:
            said[name] = json.load(f)
    return said


def record(python, names, folder, attach, shots=(), seconds=SECONDS):
    """Records these programs; with attach those that run, else from their first moment.  shots: those that are dumped while they run.
    Returns what makes a Group."""
    folder = str(folder)
    programs = {name: os.path.join(PROGRAMS, name) for name in names}
    if "names.py" in programs:
        programs["names.py"] = renamed(python, folder)
    path = os.path.join(folder, "recording")
    command, taken = shell(python, programs, folder), {}
    if not attach:
        command = [harness.GILSCOPE, "record", "-q", "-o", path, "--"] + command
    process, pids = started(command, list(programs), folder)
    try:
        if attach:
            done = harness.gilscope("record", "-d", seconds, "-o", path, "--children", *[x for pid in pids for x in ("-p", pid)])
            assert done.returncode == 0, done.stderr
        else:
            time.sleep(seconds)
        for name in shots:
            taken[name] = [harness.gilscope("dump", "--json", "-p", pid) for pid in pids if is_program(pid, programs[name])]
        process.stdin.close()
        code = process.wait(60)
        assert code == 0, code
    finally:
        end(process)
    return live.report(path), path, told(programs, folder), taken


def recorded(*args, **how):
    return Group(*record(*args, **how))


def is_program(pid, path):
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        return os.fsencode(path) in f.read().split(b"\0")


NAMES = {"the_holder": "держатель_größe", "the-holder-thread": "wärter-\U0001f40d-日本"}


def renamed(python, folder):
    """names.py as größe/мир.py, its function and thread with names that are not ASCII (2.7 has ASCII names of functions only)."""
    os.mkdir(os.path.join(folder, "größe"))
    copy = os.path.join(folder, "größe", "мир.py")
    with open(os.path.join(PROGRAMS, "names.py"), encoding="utf-8") as f:
        text = f.read()
    for old, new in NAMES.items():
        if harness.version_of(python) > (3, 0) or "_" not in old:
            text = text.replace(old, new)
    with open(copy, "w", encoding="utf-8") as f:
        f.write(text)
    return copy

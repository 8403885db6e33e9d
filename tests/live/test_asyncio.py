"""Event loops: which task a stack belongs to, and what stops a loop."""
import collections
import re
import subprocess

import pytest

import recording
from live import LABELS, interpreter

LONG = "a task with a long name: żółw"
TASKS = {"of_short": "task short", "of_long": "task " + LONG, "stop_the_loop": "task stopper", "work_of_yielding": "task yielder"}
OUTERMOST = {"of_short": "short_task", "of_long": "long_task", "stop_the_loop": "stopping_task", "work_of_yielding": "yielding_task",
             "of_number": "of_number"}
READ = [label for label in LABELS if not re.match(r"2\.|3\.([0-9]|10)(\D|$)", label)]


@pytest.fixture(params=READ)
def loop_python(request):
    """Those whose tasks are read."""
    return interpreter(request.param)


def marker(stack):
    """The function that tells whose stack it is, and where it is in it."""
    for i, (function, _, _) in enumerate(stack):
        if function in OUTERMOST or function == "compute_in_callback":
            return function, i
    return None, None


def check(stack, loops_in_c=()):
    """loops_in_c: what runs such a loop.  Is the task's name where it belongs?  Its absence is no lie: a stack of a thread that ran on may be of two moments."""
    who, at = marker(stack)
    named = [i for i, frame in enumerate(stack) if frame[1] == "asyncio"]
    if who is None or not named:
        return who, False
    assert len(named) == 1, stack
    if named[0] == 0:  # nothing called it any more: the coroutine left while it was read
        return who, False
    assert who != "compute_in_callback", stack
    name, inner, outer = stack[named[0]][0], stack[named[0] + 1][0], stack[named[0] - 1]
    if inner != OUTERMOST[who] and stack[at - 1][0] == inner:  # its coroutine is being made: a call of its function, by another task
        return who, False
    assert inner == OUTERMOST[who] and named[0] < at, stack
    assert outer[0] in ("Handle._run", "_run") and "asyncio/events.py" in outer[1] or outer[0] in loops_in_c, stack
    if who == "of_number":
        assert re.fullmatch(r"task Task-\d+", name), stack
    else:
        assert name == TASKS[who], stack
    return who, True


def names_of_tasks(rec, stacks, loops_in_c=()):
    seen = collections.Counter()
    for stack in stacks.values():  # of holders and of threads that were woken too
        check(stack, loops_in_c)
    own = rec.db.execute("SELECT stack FROM sample WHERE stack IS NOT NULL UNION ALL SELECT stack FROM wait WHERE stack IS NOT NULL")
    for (stack,) in own:
        if stack in stacks:
            seen[check(stacks[stack], loops_in_c)] += 1
    for who in OUTERMOST:
        assert seen[who, True] >= 2 and seen[who, False] == 0, seen


def stops_of_loops(rec, stacks, callbacks=True):
    """Truth: stop_the_loop sleeps and compute_in_callback computes 150 ms each, and nothing else stops a loop for long but the machine."""
    stops = collections.defaultdict(list)
    for ns, gil, asleep, runnable, stack in rec.db.execute("SELECT dur_ns, wait_gil_ns, asleep_ns, runnable_ns, stack FROM stall"):
        assert gil + asleep + runnable <= ns
        who, _ = marker(stacks.get(stack, []))
        stops[who].append((ns, asleep))
    if callbacks:
        assert sum(0.12e9 <= ns for ns, _ in stops["compute_in_callback"]) >= 2, dict(stops)  # two more may be cut by the ends
    else:
        assert "compute_in_callback" not in stops, dict(stops)
    assert sum(0.12e9 <= asleep <= 0.16e9 for _, asleep in stops["stop_the_loop"]) >= 2, dict(stops)
    assert all(asleep <= 0.16e9 for rows in stops.values() for _, asleep in rows), dict(stops)


def test_tasks_are_named_and_stops_of_their_loops_found(loop_python, can_record, recorded):
    report, path = recorded("aio", loop_python, 2.5)
    rec = recording.Recording(path)
    stacks = rec.stacks()
    names_of_tasks(rec, stacks)
    stops_of_loops(rec, stacks)
    findings = [f for f in report["processes"][0]["findings"] if f["id"] == "loop_stalled"]
    asleep = next(f for f in findings if "stopping_task" in f["title"] or "stop_the_loop" in f["title"])
    assert "task stopper" in asleep["detail"] and "asyncio.to_thread" in asleep["advice"], asleep
    assert asleep["certainty"] == "measured" and asleep["wait_ns"] >= 0.24e9, asleep
    computed = next(f for f in findings if "compute_in_callback" in f["title"])
    assert "task" not in computed["detail"], computed
    assert not any("uvloop" in note for note in report["recording"]["notes"]), report["recording"]["notes"]


def test_uvloop(can_record, recorded):
    """Its loops are written in C: tasks are told as ever; a callback that is no task's has no beginning on the stack, and that is said."""
    python = interpreter("3.11-debian")
    if subprocess.run([python, "-c", "import uvloop"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no uvloop here (Debian package python3-uvloop)")
    report, path = recorded("aio", python, 2.5, ["--loop", "uvloop"])
    rec = recording.Recording(path)
    stacks = rec.stacks()
    names_of_tasks(rec, stacks, {"Runner.run"})
    stops_of_loops(rec, stacks, callbacks=False)
    assert any(f["id"] == "loop_stalled" and "task stopper" in f["detail"] for f in report["processes"][0]["findings"])
    assert sum("uvloop" in note and "callback" in note for note in report["recording"]["notes"]) == 1, report["recording"]["notes"]

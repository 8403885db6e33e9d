"""`gilscope dump`: what threads wait for, whose it is, and threads that wait for each other."""
import contextlib
import json
import time

import harness
import pytest


@pytest.fixture(autouse=True)
def known_objects(python):
    if python.endswith("2.7"):
        pytest.skip("locks of 2.7: its objects are not read")


def dumped(pid, text=False):
    done = harness.gilscope("dump", "-p", pid, *(() if text else ("--json",)))
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout if text else json.loads(done.stdout)


def settled(pid, workers=None):
    """The snapshot once the threads stand still: all workers asleep for a lock."""
    deadline = time.monotonic() + 20
    while True:
        code, shot = dumped(pid)
        dead = {t["name"]: t for t in shot["threads"] if t["name"].startswith("dead-")}
        if len(dead) == workers and all(t["waits_for"] is not None or t["state"] == "wait_gil" for t in dead.values()):
            return code, shot, dead
        assert time.monotonic() < deadline, shot
        time.sleep(0.1)


# sort: threads, kinds and names of what they wait for (None: the GIL), how the owner is known
CYCLES = {
    "lock": (2, {"dead-0": ("thread_lock", "__main__.B", "inferred"), "dead-1": ("thread_lock", "__main__.A", "inferred")}),
    "rlock": (2, {"dead-0": ("rlock", "__main__.SECOND.guard", "told"), "dead-1": ("rlock", "__main__.FIRST.guard", "told")}),
    "mixed": (2, {"dead-0": ("rlock", "__main__.FIRST.guard", "told"), "dead-1": ("thread_lock", "__main__.A", "inferred")}),
    "self": (1, {"dead-0": ("thread_lock", "__main__.A", "inferred")}),
    "native": (2, {"dead-0": None, "dead-1": ("mutex", None, "told")}),
}


@pytest.fixture
def programs(python):
    """{sort: a program of that sort}, all at once: each takes a second to come to its deadlock, and no CPU then."""
    with contextlib.ExitStack() as stack:
        yield {sort: stack.enter_context(harness.Workload("deadlock", python, 60, ["--sort", sort])) for sort in [*CYCLES, "none"]}


def check_cycle(pid, threads, expected):
    code, shot, dead = settled(pid, threads)
    assert code == 1
    cycle, = shot["deadlocks"]
    assert sorted(cycle["threads"]) == sorted(t["tid"] for t in dead.values())
    for name, lock in expected.items():
        assert dead[name]["deadlock"] == cycle["id"]
        if lock is None:
            assert dead[name]["state"] == "wait_gil"
            continue
        found = shot["locks"][dead[name]["waits_for"]]
        assert (found["kind"], found["name"], found["owner_known"]) == lock, found
        other = dead["dead-%d" % ((int(name[-1]) + 1) % threads)]
        assert found["owner"] == other["tid"]
        assert dead[name]["stack"], name
    text = dumped(pid, text=True)[1]
    assert text.count("DEADLOCK 1") == 1


def check_no_cycle(pid):
    deadline = time.monotonic() + 20
    while True:
        code, shot = dumped(pid)
        assert code == 0 and shot["deadlocks"] == []
        waiter = next((t for t in shot["threads"] if t["name"] == "dead-1"), None)
        if waiter and waiter["waits_for"] is not None and shot["locks"][waiter["waits_for"]]["kind"] == "thread_lock":
            break
        assert time.monotonic() < deadline, shot
        time.sleep(0.1)
    lock = shot["locks"][waiter["waits_for"]]
    holder = next(t for t in shot["threads"] if t["name"] == "dead-0")
    assert (lock["name"], lock["owner"], lock["owner_known"]) == ("__main__.A", holder["tid"], "inferred")


def test_deadlocks_of_each_sort_and_a_wait_that_is_none(programs):
    check_no_cycle(programs["none"].pid)
    for sort, (threads, expected) in CYCLES.items():
        print(sort)  # shown when it fails
        check_cycle(programs[sort].pid, threads, expected)

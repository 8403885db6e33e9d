"""Locks other than the GIL: their kinds, names and holders, and how long threads wait for them by the program's own clock."""
import json

import contract
import harness
import pytest
import recording
from live import report

SECONDS = 6

# kind: idle, the program's function that waits, name of the lock, function that had it or ended the wait
EXPECTED = {
    "thread_lock": (False, "lock_waiter", "__main__.LOCK", "lock_holder"),
    "rlock": (False, "rlock_waiter", "__main__.ACCOUNT.guard", "rlock_holder"),
    "semaphore": (False, "semaphore_waiter", None, "semaphore_holder"),
    "condition": (True, "condition_waiter", None, "notifier"),
    "event": (True, "event_waiter", None, "opener"),
    "queue_get": (True, "consumer", None, "producer"),
    "queue_put": (True, "fast_producer", None, "slow_consumer"),
    "join": (True, "joiner", None, None),
}
TRUTH = {"thread_lock": "lock"}  # as the workload calls it


@pytest.fixture
def recorded_to_its_end(tmp_path):
    def run(name, python, *args):
        path = str(tmp_path / (name + ".gilscope"))
        with harness.Workload(name, python, SECONDS, args) as workload:
            done = harness.gilscope("record", "-p", workload.pid, "-d", 60, "-o", path, "--children")
            assert done.returncode == 0, done.stderr
            said = workload.finish()
        return report(path), path, said
    return run


@pytest.fixture(autouse=True)
def known_objects(python):
    if python.endswith("2.7"):
        pytest.skip("locks of 2.7: its objects and library are not known well enough")


def most(found, kind):
    of_kind = [lock for lock in found if lock["kind"] == kind]
    assert of_kind, (kind, [lock["kind"] for lock in found])
    return max(of_kind, key=lambda lock: lock["wait_ns"])


def test_kinds_names_and_holders(python, can_record, recorded_to_its_end):
    shown, path, said = recorded_to_its_end("locks", python)
    assert contract.check(shown) == []
    truth = said[-1]["truth"]
    process, = shown["processes"]
    duration = shown["recording"]["duration_ns"]
    for kind, (idle, waiter, name, holder) in EXPECTED.items():
        lock = most(process["other_locks"], kind)
        assert (lock["idle"], lock["where"]["function"].split(".")[-1]) == (idle, waiter), lock
        assert lock["name"] == name, (kind, lock["name"])
        n, ns = truth[TRUTH.get(kind, kind)]
        # the share of its time it waited: recorded over most of its life, told over all of it
        assert abs(lock["wait_ns"] / duration - ns / (SECONDS * 1e9)) < 0.12, (kind, lock["wait_ns"] / duration, ns / (SECONDS * 1e9))
        assert lock["waits"] <= 2 * n + 5, (kind, lock["waits"], n)  # join sleeps once or twice a call
        if holder:
            stack = lock["holders"][0]["stack"]
            assert holder in [f["function"].split(".")[-1] for f in stack], (kind, stack)
            assert lock["holder_known_ns"] > 0.5 * lock["wait_ns"], lock
    contended = {f["title"].split(" ")[-1] for f in process["findings"] if f["id"] == "lock_contention"}
    assert {"__main__.LOCK", "__main__.ACCOUNT.guard"} <= contended, contended
    assert not any("queue" in f["title"] for f in process["findings"])
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM v_other_locks WHERE kind = 'thread_lock' AND name = '__main__.LOCK' AND NOT idle") >= 1


def test_one_lock_of_several_processes(python, can_record, recorded_to_its_end):
    shown, _, _ = recorded_to_its_end("pool_lock", python)
    found = {p["pid"]: [lock for lock in p["other_locks"] if lock["kind"] == "mp_semaphore" and lock["wait_ns"] > 1e8] for p in shown["processes"]}
    waiting = {pid: locks for pid, locks in found.items() if locks}
    assert len(waiting) == 3, found
    one, = shown["shared_locks"]
    assert set(one["pids"]) == set(waiting) and one["shared"].count(":") == 2, one
    assert one["wait_ns"] >= sum(lock["wait_ns"] for locks in waiting.values() for lock in locks)
    for pid, locks in waiting.items():
        lock, = locks
        others = [h for h in lock["holders"] if h["pid"] != pid]  # null: both others, at the same place
        assert sum(h["wait_ns"] for h in others) > 0.5 * lock["wait_ns"], json.dumps(lock)[:600]
        assert others[0]["stack"][-1]["function"].split(".")[-1], others[0]

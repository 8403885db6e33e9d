"""Locks other than the GIL: their kinds, names and holders, and how long threads wait for them, which the program arranges."""
import json

import contract
import harness
import pytest
import recording

SECONDS = 4

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


@pytest.fixture(autouse=True)
def known_objects(python):
    if python.endswith("2.7"):
        pytest.skip("locks of 2.7: its objects and library are not known well enough")


def most(found, kind):
    of_kind = [lock for lock in found if lock["kind"] == kind]
    assert of_kind, (kind, [lock["kind"] for lock in found])
    return max(of_kind, key=lambda lock: lock["wait_ns"])


def test_kinds_names_and_holders(python, can_record, recorded):
    shown, path = recorded("locks", python, SECONDS)
    assert contract.check(shown) == []
    duration = shown["recording"]["duration_ns"]
    process, = shown["processes"]
    for kind, (idle, waiter, name, holder) in EXPECTED.items():
        lock = most(process["other_locks"], kind)
        assert (lock["idle"], lock["where"]["function"].split(".")[-1]) == (idle, waiter), lock
        assert lock["name"] == name, (kind, lock["name"])
        # each waits most of its time: a holder keeps the lock 30 of 33 ms
        assert 0.5 * duration < lock["wait_ns"] < 1.05 * duration, (kind, lock["wait_ns"], duration)
        if holder:
            stack = lock["holders"][0]["stack"]
            assert holder in [f["function"].split(".")[-1] for f in stack], (kind, stack)
            assert lock["holder_known_ns"] > 0.5 * lock["wait_ns"], lock
    contended = {f["title"].split(" ")[-1] for f in process["findings"] if f["id"] == "lock_contention"}
    assert {"__main__.LOCK", "__main__.ACCOUNT.guard"} <= contended, contended
    assert not any("queue" in f["title"] for f in process["findings"])
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM v_other_locks WHERE kind = 'thread_lock' AND name = '__main__.LOCK' AND NOT idle") >= 1


def test_one_lock_of_several_processes(python, can_record, recorded):
    shown, _ = recorded("pool_lock", python, SECONDS, record_args=("--children",))
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

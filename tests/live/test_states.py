"""States that only the scheduler sees: the GIL held by a thread that sleeps or is off the CPU."""
import contract
import recording
import test_lines


def thread(report, name):
    return next(t for t in report["processes"][0]["threads"] if t["name"] == name)


def test_gil_held_in_a_system_call(python, can_record, recorded):
    report, _ = recorded("held_in_syscall", python, 2)
    assert contract.check(report) == []
    sleeper, victim = thread(report, "sleeper"), thread(report, "victim")
    # some 30 ms a round, 20 of them asleep with the GIL
    assert sleeper["gil_held_blocked_ns"] > 0.3 * report["recording"]["duration_ns"], sleeper
    assert victim["gil_wait_ns"] > 0.3 * report["recording"]["duration_ns"], victim
    blocked = [b for b in report["processes"][0]["blame"] if b["holder"]["state"] == "blocked"]
    assert blocked and "nanosleep" in (blocked[0]["holder"]["syscall"] or ""), blocked[:2]
    assert sleeper["tid"] in blocked[0]["holder"]["tids"]
    assert blocked[0]["holder"]["stack"][0]["function"] == "hold_asleep", blocked[0]


def test_gil_time_of_all_threads_is_at_most_the_time(any_python, can_record, recorded):
    report, _ = recorded("cpu4", any_python, 2)
    p = report["processes"][0]
    held = sum(t["gil_held_ns"] for t in p["threads"])
    assert held <= 1.01 * report["recording"]["duration_ns"], held
    assert held > 0.8 * report["recording"]["duration_ns"], held
    gil = next(lock for lock in p["locks"] if lock["kind"] == "gil")
    assert gil["utilisation"] > 0.8
    assert gil["forced_handoffs"] > 50, gil


def test_rate_zero_takes_no_samples(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("-r", "0"))
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM sample") == 0
    assert all(t["gil_spin_ns"] is None for t in report["processes"][0]["threads"])
    assert sum(t["gil_waits"] for t in report["processes"][0]["threads"]) > 50


def test_samples_are_taken(any_python, can_record, recorded):
    _, path = recorded("cpu4", any_python, 2)
    rec = recording.Recording(path)
    n = rec.one("SELECT count(*) FROM sample WHERE stack IS NOT NULL")
    assert n > 50, n  # one core's worth at 99 Hz would be 198; the machine may be busy


def test_no_python(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("--no-python",))
    assert report["processes"][0]["runtime"] is None
    test_lines.partition(path)

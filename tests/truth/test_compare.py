"""The comparison itself, on truth and recordings made up here: it must accept what is right and find what is not."""
import os
import sqlite3
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402

BASE = 10 ** 12
MS = 10 ** 6


def write_truth(path, waits):
    """waits: (tid, start, duration) of sleeps; the call begins 2 us before, has the GIL 1 us after and returns long after that."""
    with open(path, "wb") as f:
        for tid, t0, dur in waits:
            f.write(struct.pack("<6I7Q", 1, tid, 0, 1, 0, 0, BASE + t0 - 2000, BASE + t0 + dur + 90000,
                                BASE + t0 + dur + 1000, BASE + t0, BASE + t0 + dur, BASE + t0 + dur, dur))


def write_recording(path, waits):
    if os.path.exists(path):
        os.unlink(path)
    db = sqlite3.connect(path)
    db.executescript("""
        CREATE TABLE meta(key, value); CREATE TABLE level(t_ns); CREATE TABLE loss(t0_ns, t1_ns, class, count);
        CREATE TABLE interval(thread, t0_ns, dur_ns); CREATE TABLE tally(thread, state, n, ns);
        CREATE TABLE process(id, pid); CREATE TABLE thread(id, process, tid); CREATE TABLE lock(id, kind);
        CREATE TABLE wait_end(id, name); CREATE TABLE wait(id, thread, lock, t0_ns, dur_ns, ended, flags, sleeps, asleep_ns);
        INSERT INTO process VALUES(0, 1); INSERT INTO lock VALUES(0, 0); INSERT INTO wait_end VALUES(0, 'voluntary');
        INSERT INTO thread VALUES(0, 0, 100); INSERT INTO thread VALUES(1, 0, 101);""")
    db.execute("INSERT INTO meta VALUES('start_mono_ns', ?), ('end_ns', ?)", (BASE - 10 * MS, BASE + 10 ** 11))
    for i, (tid, t0, dur) in enumerate(waits):
        db.execute("INSERT INTO wait VALUES(?, ?, 0, ?, ?, 0, 0, 1, ?)", (i, tid - 100, t0 + 10 * MS, dur, dur))
    db.commit()
    db.close()


def run(tmp_path, truth, recorded):
    write_truth(str(tmp_path / "t"), truth)
    write_recording(str(tmp_path / "r"), recorded)
    return compare.compare(str(tmp_path / "t"), str(tmp_path / "r"))


def some_waits(n=400):
    return [(100 + i % 2, i * 10 * MS, (1 + i % 7) * MS) for i in range(n)]


def test_equal_is_accepted(tmp_path):
    r = run(tmp_path, some_waits(), some_waits())
    assert r["bad"] == [] and r["found_pct"] == 100 and r["false_waits"] == 0
    assert r["episodes"] == 399  # the last touches the edge of the window


def test_missed_waits_are_found_out(tmp_path):
    r = run(tmp_path, some_waits(), [w for i, w in enumerate(some_waits()) if i % 50 != 7])
    assert any("found" in b for b in r["bad"]) and len(r["examples"]["missed"]) == 8


def test_late_start_is_found_out(tmp_path):
    r = run(tmp_path, some_waits(), [(t, s + 40000, d - 40000) for t, s, d in some_waits()])
    assert any("start_p99" in b for b in r["bad"]) and r["start_p50_us"] == 40


def test_total_error_is_found_out(tmp_path):
    r = run(tmp_path, some_waits(), [(t, s, int(d * 1.02)) for t, s, d in some_waits()])
    assert any("total" in b for b in r["bad"])


def test_false_waits_are_counted(tmp_path):
    false = [(100, i * 10 * MS + 8 * MS, MS) for i in range(10, 15)]
    r = run(tmp_path, some_waits(), some_waits() + false)
    assert r["false_waits"] == 5


def test_nothing_is_demanded_before_the_programs_are_armed(tmp_path):
    write_truth(str(tmp_path / "t"), some_waits())
    write_recording(str(tmp_path / "r"), some_waits()[20:])
    db = sqlite3.connect(str(tmp_path / "r"))
    db.execute("INSERT INTO level VALUES(?)", (10 * MS + 199 * MS,))
    db.commit()
    db.close()
    r = compare.compare(str(tmp_path / "t"), str(tmp_path / "r"))
    assert r["found_pct"] == 100 and r["episodes"] == 379


def test_a_drop_before_a_short_call_is_not_part_of_the_wait(tmp_path):
    write_truth(str(tmp_path / "t"), some_waits())
    write_recording(str(tmp_path / "r"), some_waits())
    without = compare.compare(str(tmp_path / "t"), str(tmp_path / "r"))
    with open(str(tmp_path / "t"), "ab") as f:  # it let go by itself, slept 4 us on the way, and ran 60 us without the GIL
        f.write(struct.pack("<6I7Q", 1, 100, 1, 1, 0, 0, BASE + 500 * MS - 80000, BASE + 500 * MS - 60000, 0,
                            BASE + 500 * MS - 70000, BASE + 500 * MS - 66000, BASE + 500 * MS - 66000, 4000))
    r = compare.compare(str(tmp_path / "t"), str(tmp_path / "r"))
    assert r["bad"] == [] and r["threads"] == without["threads"]


def test_drop_and_take_are_one_episode(tmp_path):
    write_truth(str(tmp_path / "t"), some_waits())
    with open(str(tmp_path / "t"), "ab") as f:  # the forced drop right before the wait at 500 ms
        f.write(struct.pack("<6I7Q", 1, 100, 1, 1, 0, 0, BASE + 499 * MS + 900000, BASE + 500 * MS - 5000, 0,
                            BASE + 499 * MS + 910000, BASE + 500 * MS - 6000, BASE + 500 * MS - 6000, 1))
    joined = [(t, s, d) if s != 500 * MS else (t, s - 90000, d + 90000) for t, s, d in some_waits()]
    write_recording(str(tmp_path / "r"), joined)
    r = compare.compare(str(tmp_path / "t"), str(tmp_path / "r"))
    assert r["bad"] == [] and r["waits_in_drop"] == 0 and r["episodes"] == 399

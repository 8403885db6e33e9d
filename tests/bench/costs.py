"""What gilscope itself costs: time in its BPF programs, time to attach, time of a dump."""
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time

import stats
import targets  # noqa: F401  (puts tests/truth on the path)
import harness
import recording

STATS = "/proc/sys/kernel/bpf_stats_enabled"


def bpf_runs(python, case, seconds):
    """{program: {runs, ns_per_run}} of one recording, by the kernel's own statistics (they cost some 20 ns a run)."""
    folder = tempfile.mkdtemp(prefix="gilscope-bench-")
    with open(STATS) as f:
        before = f.read()
    known = set(harness.bpf_programs())
    try:
        with open(STATS, "w") as f:
            f.write("1")
        with harness.Workload(case[1], python, args=case[2]) as workload:
            recorder = harness.Recorder(workload.pid, os.path.join(folder, "r.gilscope"))
            time.sleep(seconds)
            rows = {n: row for n, row in harness.bpf_programs().items() if n not in known}
            recorder.stop()
    finally:
        with open(STATS, "w") as f:
            f.write(before)
        shutil.rmtree(folder, ignore_errors=True)
    return {row.get("name", str(n)): {"runs": row["run_cnt"], "ns_per_run": row["run_time_ns"] / row["run_cnt"]}
            for n, row in rows.items() if row.get("run_cnt")}


def first_event_ns(path):
    """When the first thing happened that the recording shows: the first interval that was not open at its begin."""
    rec = recording.Recording(path)
    first = rec.one("SELECT min(t0_ns + CASE WHEN t0_ns <= 0 THEN dur_ns ELSE 0 END) FROM interval")
    return None if first is None else rec.start_ns + first


def attach_ms(python, rounds):
    """From exec of gilscope to the first recorded event, each round; on a busy process, so that events are there to see."""
    values = []
    with harness.Workload("cpu4", python) as workload:
        for i in range(rounds):
            folder = tempfile.mkdtemp(prefix="gilscope-bench-")
            path = os.path.join(folder, "r.gilscope")
            t0 = time.monotonic_ns()
            done = harness.gilscope("record", "-p", workload.pid, "-d", "1", "-o", path)
            if done.returncode:
                raise RuntimeError(done.stderr)
            try:
                first = first_event_ns(path)
            except sqlite3.Error as e:
                raise RuntimeError("recording: %s" % e)
            if first:
                values.append((first - t0) / 1e6)
            shutil.rmtree(folder, ignore_errors=True)
    return {"median": stats.median(values), "max": max(values), "rounds": len(values)}


def dump_ms(python, rounds):
    values = []
    with harness.Workload("cpu4", python) as workload:
        for i in range(rounds):
            t0 = time.monotonic_ns()
            done = subprocess.run([harness.GILSCOPE, "dump", "-p", str(workload.pid)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE)
            if done.returncode:
                raise RuntimeError(done.stderr.decode())
            values.append((time.monotonic_ns() - t0) / 1e6)
    return {"median": stats.median(values), "max": max(values), "rounds": rounds}

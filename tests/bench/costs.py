"""What gilscope itself costs: time in its BPF programs, time to attach, time of a dump.

The kernel counts time by program, not by what a run did.  So on_switch is measured in a recording that walks no stacks
(GILSCOPE_BENCH_NO_STACKS), which gives the mean of a run without one, and in an ordinary one, where the runs with stacks,
which the program counts, make up the difference.  The figures hold the statistics' own cost, which an empty
program shows beside them (switch_floor.c)."""
import json
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
FLOOR = os.path.join(harness.BUILD, "tests/bench/switch_floor")


COUNTERS = {"events": 12, "looks": 17, "switches": 19, "stack_runs": 20}  # enum bpf_counter in collectors/bpf/wire.h


def own_programs(pid):
    """The programs of that recorder by name; others may run one as well.  Whose they are its descriptors tell (not every
    bpftool does)."""
    folder, mine = "/proc/%d/fdinfo" % pid, set()
    for fd in os.listdir(folder):
        try:
            with open(os.path.join(folder, fd)) as f:
                mine.update(int(line.split()[1]) for line in f if line.startswith("prog_id:"))
        except OSError:
            pass  # closed meanwhile
    return {row["name"]: row for number, row in harness.bpf_programs().items() if "name" in row and int(number) in mine}


def counters(programs):
    """What the programs counted, over all CPUs."""
    def bpftool(*args):
        done = subprocess.run([harness.bpftool(), "-j", "map"] + list(args), stdout=subprocess.PIPE)
        return json.loads(done.stdout)
    mine = programs["on_switch"]["map_ids"]
    number = next(m["id"] for m in bpftool("show") if m["id"] in mine and m.get("name") == "counters")
    per_cpu = bpftool("dump", "id", str(number))[0]["formatted"]["values"]
    return {key: sum(int(v["value"]["n"][i]) for v in per_cpu) for key, i in COUNTERS.items()}


def bpf_runs(pid, seconds, stacks=True):
    """({program: {runs, ns_per_run}}, counters) of some seconds of a recording, by the kernel's statistics of programs."""
    folder = tempfile.mkdtemp(prefix="gilscope-bench-")
    with open(STATS) as f:
        before = f.read()
    if not stacks:
        os.environ["GILSCOPE_BENCH_NO_STACKS"] = "1"
    try:
        with open(STATS, "w") as f:
            f.write("1")
        recorder = harness.Recorder(pid, os.path.join(folder, "r.gilscope"))
        time.sleep(1.5)  # until the dials have settled
        first = own_programs(recorder.process.pid)
        count = counters(first)
        cpu = harness.thread_cpu_ns(pid)
        time.sleep(seconds)
        last = own_programs(recorder.process.pid)
        cpu = harness.thread_cpu_ns(pid) - cpu
        count = {key: n - count[key] for key, n in counters(last).items()}
        count["target_cpu_ns"] = cpu
        recorder.stop()
    finally:
        os.environ.pop("GILSCOPE_BENCH_NO_STACKS", None)
        with open(STATS, "w") as f:
            f.write(before)
        shutil.rmtree(folder, ignore_errors=True)
    rows = {}
    for name, row in last.items():
        runs = row.get("run_cnt", 0) - first[name].get("run_cnt", 0)
        if runs:
            rows[name] = {"runs": runs, "ns_per_run": (row["run_time_ns"] - first[name].get("run_time_ns", 0)) / runs}
    return rows, count


def floor(pid, seconds):
    """Of an empty program on sched_switch, and of the least that a recorder of states must do there, on the same workload."""
    done = subprocess.run([FLOOR, str(pid), str(int(seconds))], stdout=subprocess.PIPE)
    return {key: float(value) for key, value in (line.split() for line in done.stdout.decode().splitlines())}


def bystander_ns(python, case, seconds):
    """What on_switch costs a switch between threads that are none of the target's: the target sleeps, another works."""
    idle = subprocess.Popen([python, "-c", "import time; time.sleep(600)"])
    try:
        with harness.Workload(case[1], python, args=case[2]):
            rows, count = bpf_runs(idle.pid, seconds)
    finally:
        idle.kill()
        idle.wait()
    return dict(rows["on_switch"], targets=count["switches"])


def switch_costs(python, case, seconds, bystander):
    """on_switch on one workload: the mean of runs a target took part in, without stacks, and of those with."""
    with harness.Workload(case[1], python, args=case[2]) as workload:
        time.sleep(0.5)
        bare, bare_count = bpf_runs(workload.pid, seconds, stacks=False)
        full, full_count = bpf_runs(workload.pid, seconds)
        least = floor(workload.pid, seconds)

    def target_ns(rows, count):
        others = max(0, rows["on_switch"]["runs"] - count["switches"])
        return rows["on_switch"]["ns_per_run"] * rows["on_switch"]["runs"] - others * bystander["ns_per_run"]
    without = target_ns(bare, bare_count) / max(1, bare_count["switches"])
    k = full_count["stack_runs"]
    in_programs = sum(row["runs"] * row["ns_per_run"] for row in full.values())
    return {"programs": full, "floor": least, "without_ns": without, "runs_per_s": full_count["switches"] / seconds,
            "of_target_pct": 100.0 * in_programs / max(1, full_count["target_cpu_ns"]),
            "looks_per_s": full_count["looks"] / seconds, "stack_runs_per_s": k / seconds,
            "with_ns": (target_ns(full, full_count) - (full_count["switches"] - k) * without) / k if k else None}


STEADY_CASES = (("read_zero_1", "read_zero", ["--threads", 1]), ("read_zero_3", "read_zero", ["--threads", 3]),
                ("cpu4", "cpu4", []), ("mixed_io", "mixed_io", []), ("threads32", "threads32", []),
                ("deep", "deep", ["--depth", 100000]))


def steady(python, case, seconds):
    """CPU and most memory of a recording that goes on for a while."""
    folder = tempfile.mkdtemp(prefix="gilscope-bench-")
    try:
        with harness.Workload(case[1], python, args=case[2]) as target:
            time.sleep(1.5)
            recorder = harness.Recorder(target.pid, os.path.join(folder, "r.gilscope"))
            time.sleep(2)
            t, cpu = time.monotonic_ns(), recorder.cpu_ns()
            time.sleep(seconds)
            own = 100.0 * (recorder.cpu_ns() - cpu) / (time.monotonic_ns() - t)
            rss = recorder.peak_rss()
            recorder.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"rss_bytes": rss, "own_cpu_pct": own}


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

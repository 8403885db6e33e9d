"""The signal collector, measured: what it costs the command it starts, and how its waits agree with those of the bpf collector and, after
that, of the truth tracer at the same time on the same process."""
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import targets  # noqa: F401  (puts tests/truth on the path)
import compare
import harness
import recording

ACCURACY = (("cpu4", []), ("cpu_io", []), ("mixed_io", []), ("threads32", []), ("read_zero", ["--threads", 3]))
OVERHEAD = (("release a million times a second", "read_zero", ["--threads", 1]), ("4 CPU threads", "cpu4", []))
SLOT_S = 0.25
MIN_THREAD_NS = compare.MIN_THREAD_NS


def record_prefix(output, *options):
    return [harness.GILSCOPE, "record", "--collector", "signal", "-q", "--force", "-o", output, *[str(o) for o in options], "--"]


def end(workload):
    """The command first: its recorder then ends in good order."""
    try:
        os.kill(workload.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    workload.process.wait(timeout=30)
    workload.close()


def thread_totals(path, t0, t1):
    """{tid: ns} of waiting for the GIL between two moments, counted ones spread evenly over the recording."""
    rec = recording.Recording(path)
    sums = {}
    for w in rec.gil_waits():
        sums[w.tid] = sums.get(w.tid, 0) + max(0, min(w.t1, t1) - max(w.t0, t0))
    share = min(1.0, (t1 - t0) / max(1, rec.end_ns - rec.armed_ns))
    for tid, ns in rec.tallied_gil_ns().items():
        sums[tid] = sums.get(tid, 0) + int(ns * share)
    return sums


def errors_pct(ours, theirs):
    return {tid: 100.0 * (ours.get(tid, 0) - ns) / ns for tid, ns in theirs.items() if ns >= MIN_THREAD_NS}


def beside_bpf(workload, path, seconds, hz):
    """Records the process with the bpf collector too; returns from when to when: all of it, for what it only counted has no moment."""
    recorder = harness.Recorder(workload.pid, path, "--collector", "bpf", "--force", "-r", hz)
    time.sleep(seconds)
    recorder.stop()
    seen = recording.Recording(path)
    return seen.armed_ns, seen.end_ns


def beside_truth(workload, path, seconds):
    tracer = harness.Tracer(workload.pid, path)
    time.sleep(seconds)
    summary = tracer.stop()
    return summary["start_ns"], summary["end_ns"]


def agree(case, python, seconds, keep=None, hz=99, truth=True):
    """The bpf collector beside the signal collector on one process, then the truth tracer, whose probes would slow what the former sees:
    {"bpf": {tid: % off}, "truth": …}."""
    folder = keep or tempfile.mkdtemp(prefix="gilscope-preloaded-")
    os.makedirs(folder, exist_ok=True)
    sig, bpf, calls = (os.path.join(folder, case[0] + end) for end in (".signal", ".bpf", ".truth"))
    workload = harness.Workload(case[0], python, 2 * seconds + 12, case[1], prefix=record_prefix(sig, "-r", hz))
    try:
        time.sleep(1.0)
        t0, t1 = beside_bpf(workload, bpf, seconds, hz)
        window = beside_truth(workload, calls, seconds) if truth else None
    finally:
        end(workload)
    result = {"bpf": errors_pct(thread_totals(sig, t0, t1), thread_totals(bpf, t0, t1)), "truth": {},
              "lost": recording.Recording(sig).lost_events()}
    if truth:
        against = compare.compare(calls, sig, window)
        result["truth"] = {t["tid"]: t["error_pct"] for t in against["threads"]
                           if t["truth_ns"] >= MIN_THREAD_NS and t["error_pct"] is not None}
        result["compared"] = against
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def worst(result):
    """The thread that is off most, of those that waited long enough to be judged."""
    found = {k: max((abs(x) for x in result[k].values()), default=None) for k in ("bpf", "truth")}
    return dict(found, threads=len(result["bpf"]), lost=result["lost"])


def turn(workload, seconds):
    """Its work a second while it alone runs: its own time on the CPU is what is divided by, so that others' do not count."""
    os.kill(workload.pid, signal.SIGCONT)
    time.sleep(0.02)
    c0, w0 = workload.cpu_ns(), workload.total()
    time.sleep(seconds)
    c1, w1 = workload.cpu_ns(), workload.total()
    os.kill(workload.pid, signal.SIGSTOP)
    return (w1 - w0) / max(1, c1 - c0)


def overhead(case, python, seconds, hz=99, fresh=5):
    """{"cost_pct": median, "low", "high": quartiles} of several pairs of processes: where each happens to lie in memory counts too."""
    costs = sorted(c for _ in range(fresh) for c in pair(case, python, seconds / fresh, hz))
    return {"cost_pct": statistics.median(costs), "low": costs[len(costs) // 4], "high": costs[3 * len(costs) // 4], "pairs": len(costs)}


def pair(case, python, seconds, hz):
    """Two of the same, one preloaded, in turns of a quarter of a second."""
    folder = tempfile.mkdtemp(prefix="gilscope-preloaded-")
    bare = harness.Workload(case[1], python, 3600, case[2])
    with_it = harness.Workload(case[1], python, 3600, case[2], prefix=record_prefix(os.path.join(folder, "r"), "-r", hz))
    costs = []
    try:
        for w in (bare, with_it):
            os.kill(w.pid, signal.SIGSTOP)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            a, b = (turn(w, SLOT_S) for w in (bare, with_it))
            c, d = (turn(w, SLOT_S) for w in (with_it, bare))
            costs.append(100.0 * ((a + d) / max(1e-12, b + c) - 1))
    finally:
        end(with_it)
        bare.close()
        shutil.rmtree(folder, ignore_errors=True)
    return costs


def main():
    import argparse
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--seconds", type=float, default=8)
    p.add_argument("--python", default=None)
    p.add_argument("--keep", default=None)
    p.add_argument("what", nargs="*", default=["overhead", "accuracy"])
    o = p.parse_args()
    python = o.python or "/usr/bin/python3.11"
    if "overhead" in o.what:
        for case in OVERHEAD:
            r = overhead(case, python, o.seconds)
            print("%-34s costs %5.2f %% (quartiles %.2f to %.2f, %d pairs)" % (case[0], r["cost_pct"], r["low"], r["high"], r["pairs"]), flush=True)
    if "accuracy" in o.what:
        symbols = bool(harness.with_symbols({"p": python}))
        for case in ACCURACY:
            r = worst(agree(case, python, o.seconds, o.keep, truth=symbols))
            print("%-12s worst thread: %s %% off bpf, %s %% off truth (%d threads), %d events lost" % (
                case[0], *("-" if r[k] is None else "%.2f" % r[k] for k in ("bpf", "truth")), r["threads"], r["lost"]), flush=True)


if __name__ == "__main__":
    main()

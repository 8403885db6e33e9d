"""Accuracy: gilscope and the truth tracer on the same process at the same time, compared wait by wait."""
import os
import shutil
import statistics
import tempfile
import time

import targets  # noqa: F401  (puts tests/truth on the path)
import compare
import harness

CASES = (
    ("read_zero_3", "read_zero", ["--threads", 3]),
    ("mixed_io", "mixed_io", []),
    ("cpu4", "cpu4", []),
    ("cpu_io", "cpu_io", []),
    ("echo_hogs", "echo_hogs", []),
    ("threads32", "threads32", []),
)
RUNS, WHOLE_S = 5, 10  # runs of a workload; a quick look (shorter than this) is one
WORST = {"found_pct": min, "total_error_pct": max, "start_p99_us": max, "end_p99_us": max, "end_return_p99_us": max,
         "false_waits": max}


def total_error_pct(result):
    """The largest error of a thread's total, of threads that waited long enough to be judged."""
    return max((abs(t["error_pct"]) for t in result["threads"]
                if t["error_pct"] is not None and t["truth_ns"] >= compare.MIN_THREAD_NS), default=None)


def combine(runs):
    """One result of several: the median of each figure, the worst beside it."""
    for r in runs:
        r["total_error_pct"] = total_error_pct(r)
    combined = {"runs": len(runs), "runs_good": sum(not r["bad"] for r in runs), "bad": [b for r in runs for b in r["bad"]],
                "worst": {}, "truth_lost": sum(r["truth_lost"] for r in runs)}
    for key in ("episodes", "long", "start_p50_us", "end_p50_us", "tallied", *WORST):
        values = [r[key] for r in runs if r[key] is not None]
        combined[key] = statistics.median(values) if values else None
        if key in WORST:
            combined["worst"][key] = WORST[key](values) if values else None
    combined["held"] = held(runs)
    return combined


def held(runs):
    """How full the GIL was, in truth and as it was told, and how far off each told it at worst: {"truth": …, "holds": …, …}."""
    told = [r["held"]["all"] for r in runs if r.get("held")]
    if not told:
        return None
    return {"truth": statistics.median(r["truth"] for r in told), "worst": {
        k: max((r[k] - r["truth"] for r in told), key=abs) for k in compare.HELD_BY if k != "truth"}, **{
        k: statistics.median(r[k] - r["truth"] for r in told) for k in compare.HELD_BY if k != "truth"}}


def measure(case, python, seconds, keep=None, hz=99):
    """The combined result for one workload; files of the last run stay in `keep` when given."""
    return combine([measure_once(case, python, seconds, keep, hz) for _ in range(RUNS if seconds >= WHOLE_S else 1)])


def measure_once(case, python, seconds, keep=None, hz=99):
    """compare's result."""
    folder = keep or tempfile.mkdtemp(prefix="gilscope-accuracy-")
    os.makedirs(folder, exist_ok=True)
    truth, rec = os.path.join(folder, case[0] + ".truth"), os.path.join(folder, case[0] + ".gilscope")
    if os.path.exists(rec):
        os.unlink(rec)
    workload = harness.Workload(case[1], python, seconds + 4, case[2])
    try:
        time.sleep(0.5)
        # The tracer first: programs run in the order of attaching, so its times are those of the switch, not of gilscope's end.
        tracer = harness.Tracer(workload.pid, truth)
        recorder = harness.Recorder(workload.pid, rec, "-r", hz)
        try:
            time.sleep(seconds)
            summary = tracer.stop()
        finally:
            code, out, err = recorder.stop()
        if code:
            raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        result = compare.compare(truth, rec, (summary["start_ns"], summary["end_ns"]))
        result["truth_lost"] = summary["lost"]
        result["held"] = compare.compare_held(summary, rec)
        result["bad"] += compare.judge_held(result["held"])
        return result
    finally:
        workload.close()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)

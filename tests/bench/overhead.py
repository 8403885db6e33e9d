"""Slow-down of a target while it is observed: pairs of slots (bare, observed) next to each other in the life of one
process, in random order, so that what differs between processes and what drifts slowly cancels out."""
import random
import time

import stats
import targets

harness = targets.harness
# (key, workload, its arguments)
CASES = (
    ("read_zero_1", "read_zero", ["--threads", 1]),
    ("read_zero_3", "read_zero", ["--threads", 3]),
    ("cpu4", "cpu4", []),
    ("mixed_io", "mixed_io", []),
)


def slot(workload, arm, seconds, settle):
    """(operations/s, operations per CPU second, facts) with the arm in place."""
    handle = arm.start(workload)
    try:
        time.sleep(settle)
        t0, n0, c0 = time.monotonic_ns(), workload.total(), workload.cpu_ns()
        time.sleep(seconds)
        t1, n1, c1 = time.monotonic_ns(), workload.total(), workload.cpu_ns()
    finally:
        facts = arm.stop(handle)
    return (n1 - n0) / ((t1 - t0) / 1e9), (n1 - n0) / max(1e-9, (c1 - c0) / 1e9), facts


def start_workload(case, python):
    return harness.Workload(case[1], python, args=case[2])


def measure(case, python, arms, pairs, seconds, settle, log, seed=1):
    """{arm: {rate: slowdown, per_cpu: slowdown, own cost}} for one workload."""
    rng = random.Random(seed)
    schedule = [arm for arm in arms for _ in range(pairs)]
    rng.shuffle(schedule)
    schedule.sort(key=lambda arm: getattr(arm, "python", None) or "")  # arms that need an interpreter of their own last
    runs = {}
    bare = targets.Bare()
    workloads = {}
    try:
        for number, arm in enumerate(schedule):
            who = getattr(arm, "python", None) or python
            if who not in workloads:
                workloads[who] = start_workload(case, who)
                time.sleep(1.0)
            # only one target computes at a time
            stop_others(workloads, who)
            order = [bare, arm]
            rng.shuffle(order)
            pair = {}
            try:
                for a in order:
                    pair[a.name] = slot(workloads[who], a, seconds, settle)
            except RuntimeError as e:
                runs.setdefault(arm.name, {}).setdefault("failed", []).append(str(e))
                continue
            runs.setdefault(arm.name, {}).setdefault("pairs", []).append((pair["bare"], pair[arm.name]))
            log("  %s %d/%d %s: %.4g -> %.4g /s" % (case[0], number + 1, len(schedule), arm.name, pair["bare"][0],
                                                   pair[arm.name][0]))
    finally:
        for w in workloads.values():
            w.close()
    return {name: summarise(r) for name, r in runs.items()}


def stop_others(workloads, who):
    for other in [w for w in workloads if w != who]:
        workloads.pop(other).close()


def summarise(run):
    pairs = run.get("pairs", [])
    result = {"failed": run.get("failed", [])[:3], "failures": len(run.get("failed", []))}
    if pairs:
        result["rate"] = stats.slowdown([(b[0], o[0]) for b, o in pairs])
        result["per_cpu"] = stats.slowdown([(b[1], o[1]) for b, o in pairs])
        result["bare_per_s"] = stats.median([b[0] for b, _ in pairs])
        result["observed_per_s"] = stats.median([o[0] for _, o in pairs])
        for key in ("own_cpu_pct", "rss_bytes"):
            values = [o[2][key] for _, o in pairs if key in o[2]]
            if values:
                result[key] = stats.median(values)
                result[key + "_max"] = max(values)
        result["raw"] = [[b[0], o[0], b[1], o[1]] for b, o in pairs]
    return result

"""Slow-down of a target while it is observed.

A program that fights for a GIL does some 10 to 20 % more or less work from one tenth of a second to the next, and machines
drift; what decides one per cent is therefore very many pairs of windows, bare and observed, next to each other in one life
of the target:

    |<- dark 120 ms ->|<- lit 120 ms ->|<- dark ...      observed in the lit half only
      ##  bare  90 ms    ## observed 90 ms               the first 30 ms of each half are left out: switching, settling,
                                                         and what the observer has yet to do for the half before

Shorter halves would share more of what the target wanders, but they measure the switching: with 60 ms the target of mixed_io seems
slowed by 3 to 7 %, whichever way the recorder is built, with 120 ms and with 240 ms by less than 1 %.

gilscope switches itself by the clock (GILSCOPE_BENCH_BLINK_MS: its programs and samplers are attached and detached, the rest
of it stays as it is); other samplers are stopped and continued by signals; nothing is switched for the noise floor (A/A).
Uprobes take too long to plant: they are started and stopped around windows of a second.

Fixed beforehand: a pair is dropped when the hypervisor took DROP_STEAL_MS or more in either window, or when programs that are
neither the target, nor the observer, nor this script used DROP_OTHERS of a CPU.  All else counts."""
import os
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
HALF_NS = 120 * 1000000
SETTLE_NS = 30 * 1000000
EARLY_NS = 1 * 1000000  # a window ends before the switch
DROP_STEAL_MS = 20
DROP_OTHERS = 0.5
CHUNK_S = 10.0  # arms take turns
RULE = "dropped: pairs with %d ms or more of steal time, or others on the CPU for %d %% of a window" % (
    DROP_STEAL_MS, 100 * DROP_OTHERS)
TICK_NS = 1000000000 // os.sysconf("SC_CLK_TCK")


def busy_and_steal_ns():
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = [int(x) for x in f.readline().split()[1:9]]
    return (user + nice + system + irq + softirq) * TICK_NS, steal * TICK_NS


class Mark:
    """All the counters at one moment."""

    def __init__(self, workload, handle):
        self.ns, self.work, self.cpu = time.monotonic_ns(), workload.total(), workload.cpu_ns()
        self.own = handle.cpu_ns() if handle else 0
        self.busy, self.steal = busy_and_steal_ns()
        self.script = time.process_time_ns()


class Window:
    def __init__(self, a, b):
        self.ns = b.ns - a.ns
        self.rate = (b.work - a.work) / (self.ns / 1e9)
        self.per_cpu = (b.work - a.work) / max(1e-9, (b.cpu - a.cpu) / 1e9)
        self.own_ns = b.own - a.own
        others = (b.busy - a.busy) - (b.cpu - a.cpu) - self.own_ns - (b.script - a.script)
        self.disturbed = b.steal - a.steal >= DROP_STEAL_MS * 1000000 or others > DROP_OTHERS * self.ns
        self.idle = not b.work - a.work


def sleep_until(ns):
    left = ns - time.monotonic_ns()
    if left > 0:
        time.sleep(left / 1e9)


def window(workload, handle, begin_ns, end_ns):
    sleep_until(begin_ns)
    a = Mark(workload, handle)
    sleep_until(end_ns)
    return Window(a, Mark(workload, handle))


def blinking(workload, arm, seconds):
    """[(dark window, lit window)]; halves are even and odd multiples of HALF_NS on the monotonic clock."""
    handle = arm.start(workload, HALF_NS // 1000000)
    pairs = []
    try:
        time.sleep(arm.warm_up_s)
        at = (time.monotonic_ns() // HALF_NS // 2 + 1) * 2 * HALF_NS
        for _ in range(int(seconds * 1e9 / (2 * HALF_NS))):
            pair = []
            for lit in (False, True):
                sleep_until(at)
                arm.switch(handle, lit)
                pair.append(window(workload, handle, at + SETTLE_NS, at + HALF_NS - EARLY_NS))
                at += HALF_NS
            pairs.append(pair)
    finally:
        facts = arm.stop(handle)
    return pairs, facts


def slots(workload, arm, seconds):
    """The same with windows of a second, for what cannot blink."""
    pairs, facts = [], {}
    for _ in range(max(2, int(seconds / 3))):  # a window of each kind, and the planting
        now = time.monotonic_ns()
        bare = window(workload, None, now, now + 10 ** 9)
        handle = arm.start(workload, 0)
        try:
            now = time.monotonic_ns() + 300000000
            pairs.append((bare, window(workload, None, now, now + 10 ** 9)))
        finally:
            facts = arm.stop(handle)
    return pairs, facts


def wait_for_peace(workload, log):
    """Until others leave the machine to us, but not for ever."""
    for i in range(60):
        now = time.monotonic_ns()
        if not window(workload, None, now, now + 500000000).disturbed:
            return
        if not i:
            log("  others compute: waiting for up to 30 s")


def measure(case, python, arms, seconds, log):
    """{arm: raw pairs and facts} of one life of the workload; seconds of each arm, arms in turns of CHUNK_S."""
    runs = {arm.name: {"pairs": [], "dropped": 0, "failed": [], "facts": [], "own_ns": [0, 0], "ns": [0, 0]} for arm in arms}
    with harness.Workload(case[1], python, args=case[2]) as workload:
        time.sleep(1.0)
        left = {arm: seconds * arm.share for arm in arms}
        while any(s > 0 for s in left.values()):
            for arm in [a for a in arms if left[a] > 0]:
                span = min(CHUNK_S, left[arm])
                left[arm] -= span
                wait_for_peace(workload, log)
                try:
                    pairs, facts = (blinking if arm.blinks else slots)(workload, arm, span)
                except RuntimeError as e:
                    runs[arm.name]["failed"].append(str(e))
                    left[arm] = 0
                    continue
                take(runs[arm.name], pairs, facts)
                log("  %s %s: %d pairs" % (case[0], arm.name, len(runs[arm.name]["pairs"])))
    return runs


def take(run, pairs, facts):
    run["facts"].append(facts)
    for pair in pairs:
        if any(w.disturbed or w.idle for w in pair):
            run["dropped"] += 1
            continue
        dark, lit = pair
        run["pairs"].append([dark.rate, lit.rate, dark.per_cpu, lit.per_cpu])
        for i, w in enumerate(pair):
            run["own_ns"][i] += w.own_ns
            run["ns"][i] += w.ns


def add(old, new):
    """Pools two runs of the same arm."""
    if not old or "pairs" not in old:
        return new
    for key in ("pairs", "failed", "facts"):
        new[key] = old[key] + new[key]
    new["dropped"] += old["dropped"]
    for key in ("own_ns", "ns"):
        new[key] = [a + b for a, b in zip(old[key], new[key])]
    return new


def summarise(run):
    pairs = run["pairs"]
    result = dict(run)
    if pairs:
        result["rate"] = stats.slowdown([(p[0], p[1]) for p in pairs])
        result["per_cpu"] = stats.slowdown([(p[2], p[3]) for p in pairs])
        result["bare_per_s"] = stats.median([p[0] for p in pairs])
        result["own_cpu_pct"] = [100.0 * o / n if n else 0.0 for o, n in zip(run["own_ns"], run["ns"])]
    rss = [f["rss_bytes"] for f in run["facts"] if "rss_bytes" in f]
    if rss:
        result["rss_bytes_max"] = max(rss)
    return result


#!/usr/bin/env python3
"""Compares a recording with the truth tracer's file of the same time: compare.py TRUTH RECORDING

Per thread: total GIL wait of both and the error; over all: share of the waits of 50 us and more that were found, error of
their start and end, waits nobody made.  Exit 0 when within the limits (LIMITS), 1 when not, 2 usage.

Truth.  A wait is a call of take_gil in which the thread slept.  When the thread was made to give the GIL up, drop_gil
sleeps too (until another thread has taken it) and take_gil follows at once: both are one episode, as in gilscope.  drop_gil may also
sleep before it has let go, for gil.mutex while a waiter that has it is off its CPU: the thread holds the GIL all that time, nobody can
take it, and so it is a hold, in which the holder is blocked, and no wait; a probe where gil.locked has just become 0 tells them apart.
Start: its first switch-out blocked.  End: when take_gil has just set gil.locked (a probe on the instruction there, sites.h).
Not its return: before it returns, take_gil wakes the thread that was made to let go, which often takes its CPU; it has the GIL all
that time.  The error against the return is shown beside it.  The probe's trap delays that moment in every wait; what it takes until
the clock is read is measured at the start, on a probed function of the tracer's own, and taken off (truth.c, probe_ns: some 0.7 us).
A sleep in drop_gil that no wait follows is neither demanded nor called false.
"""
import argparse
import bisect
import json
import struct
import sys

import recording

CALL = struct.Struct("<6I7Q")  # struct truth_call
TAKE, DROP = 0, 1
JOIN_NS = 10000  # drop_gil to take_gil at once, two probes lie between; a drop before a system call (which may sleep too: the C library
# has locks of its own in a condition) is another matter, the thread runs on without the GIL
LONG_NS = 50000
LIMITS = {"thread_total_pct": 1.0, "found_pct": 99.5, "start_p99_us": 30.0, "end_p99_us": 30.0}
HELD_POINTS = 3.0  # how full the GIL was may be told wrong by so many points of a per cent
MIN_THREAD_NS = 50000000  # threads that waited less in all are shown, not judged by percentage


class Call:
    __slots__ = ("tid", "kind", "sleeps", "entry", "leave", "held", "out", "last_in", "sleep_in", "asleep")

    def __init__(self, fields):
        (_, self.tid, self.kind, self.sleeps, _, _, self.entry, self.leave, self.held, self.out, self.last_in, self.sleep_in,
         self.asleep) = fields

    @property
    def end(self):
        return self.held or self.leave


class Episode:
    """One wait in truth: the take_gil call, and the drop_gil call before it that slept, if any."""
    __slots__ = ("tid", "take", "drop")

    def __init__(self, take, drop=None):
        self.tid, self.take, self.drop = take.tid, take, drop

    @property
    def begin(self):
        return self.drop.out if self.drop else self.take.out

    def starts(self):
        return [c.out for c in (self.drop, self.take) if c]


def read_calls(path):
    with open(path, "rb") as f:
        data = f.read()
    return [Call(fields) for fields in CALL.iter_unpack(data[:len(data) // CALL.size * CALL.size])]


def episodes(calls):
    """(episodes, lone drop_gil sleeps, long take_gil calls without a sleep), each a list by time of start."""
    waits, drops, unslept = [], [], []
    pending = {}
    for c in sorted(calls, key=lambda c: c.entry):
        before = pending.pop(c.tid, None)
        if before is not None and (c.kind == DROP or c.entry - before.leave > JOIN_NS or not c.sleeps):
            drops.append(before)
            before = None
        if c.kind == DROP:
            if c.sleeps:
                pending[c.tid] = c
        elif c.sleeps:
            waits.append(Episode(c, before))
        else:
            unslept.append(c)
    drops.extend(pending.values())
    return waits, drops, unslept


def percentile(values, q):
    if not values:
        return None
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q / 100.0))]


class Index:
    """Intervals (t0, t1, payload) of one thread, found by overlap."""

    def __init__(self, rows):
        self.rows = sorted(rows, key=lambda r: r[0])
        self.starts = [r[0] for r in self.rows]
        self.longest = max((r[1] - r[0] for r in self.rows), default=0)

    def overlapping(self, t0, t1):
        i = bisect.bisect_left(self.starts, t0 - self.longest)
        found = []
        while i < len(self.rows) and self.rows[i][0] <= t1:
            if self.rows[i][1] >= t0:
                found.append(self.rows[i])
            i += 1
        return found


def by_thread(items, key):
    sets = {}
    for item in items:
        sets.setdefault(key(item), []).append(item)
    return sets


def match_thread(truth, found, sums):
    """Matches one thread's episodes with its recorded waits; returns (truth_ns, found_ns, from first to last sleep, used waits)."""
    index = Index([(w.t0, w.t1, w) for w in found])
    truth_ns = found_ns = span_ns = 0
    used = set()
    for e in truth:
        overlaps = index.overlapping(e.begin, e.take.end)
        # the wait that covers most of the episode
        best, cover = None, 0
        for t0, t1, w in overlaps:
            c = min(t1, e.take.end) - max(t0, e.begin)
            used.add(id(w))
            if c > cover:
                best, cover = w, c
        whole = e.take.end - e.begin
        long = whole >= LONG_NS
        sums["long"] += long
        sums["episodes"] += 1
        sums["preempted"] += e.take.last_in > e.take.sleep_in
        truth_ns += whole
        span_ns += (e.take.sleep_in or e.take.end) - e.begin
        found_ns += sum(max(0, min(t1, e.take.end) - max(t0, e.begin)) for t0, t1, _ in overlaps)
        if best is None or cover * 2 < whole:
            sums["missed"] += 1
            if long:
                sums["missed_long"].append((e.tid, e.begin, whole, len(overlaps)))
            continue
        if long:
            sums["start"].append(min(abs(best.t0 - s) for s in e.starts()))
            sums["end"].append(abs(best.t1 - e.take.end))
            sums["end_return"].append(abs(best.t1 - e.take.leave))
            sums["worst"].append((max(sums["start"][-1], sums["end"][-1]), e.tid, e.begin, whole, best.t0 - e.begin,
                                  best.t1 - e.take.end))
            sums["end_in"].append(abs(best.t1 - e.take.last_in))
    return truth_ns, found_ns, span_ns, used


def judge(result):
    """Names of the limits that were missed."""
    bad = []
    for t in result["threads"]:
        if t["truth_ns"] >= MIN_THREAD_NS and t["error_pct"] is not None and abs(t["error_pct"]) > LIMITS["thread_total_pct"]:
            bad.append("thread %d total %.2f %%" % (t["tid"], t["error_pct"]))
    if result["found_pct"] is not None and result["found_pct"] < LIMITS["found_pct"]:
        bad.append("found %.2f %%" % result["found_pct"])
    for key in ("start_p99_us", "end_p99_us"):
        if result[key] is not None and result[key] >= LIMITS[key]:
            bad.append("%s %.1f" % (key, result[key]))
    if not result["episodes"]:
        bad.append("truth holds no wait")
    return bad


def us(value):
    return None if value is None else value / 1000.0


def compare(truth_path, recording_path, window=None):
    calls = read_calls(truth_path)
    rec = recording.Recording(recording_path)
    waits = rec.gil_waits()
    if not calls:
        raise SystemExit("compare: the truth file is empty")
    t0 = max(rec.armed_ns, min(c.entry for c in calls), window[0] if window else 0)
    t1 = min(rec.end_ns, max(c.end for c in calls), window[1] if window else 1 << 63)
    # Waits across the edges are seen by one side only in part.
    all_waits, drops, unslept = episodes(calls)
    inside = [e for e in all_waits if e.begin > t0 and e.take.end < t1]
    recorded = [w for w in waits if w.t1 > t0 and w.t0 < t1]
    sums = {"long": 0, "episodes": 0, "missed": 0, "preempted": 0, "missed_long": [], "start": [], "end": [], "end_in": [],
            "end_return": [],
            "worst": []}
    truth_of, found_of = by_thread(inside, lambda e: e.tid), by_thread(recorded, lambda w: w.tid)
    drops_of = by_thread(drops, lambda c: c.tid)
    other_of = by_thread(unslept + [e.take for e in all_waits], lambda c: c.tid)
    threads, false, in_drop, unslept_waits = [], [], 0, 0
    # waits that were only counted belong to the totals; they are spread evenly over the recording
    tallied, share = rec.tallied_gil_ns(), (t1 - t0) / max(1, rec.end_ns - rec.start_ns)
    for tid in sorted(set(truth_of) | set(found_of)):
        truth_ns, found_ns, span_ns, used = match_thread(truth_of.get(tid, []), found_of.get(tid, []), sums)
        drop_index = Index([(c.entry, c.leave, c) for c in drops_of.get(tid, [])])
        other_index = Index([(c.entry, c.leave, c) for c in other_of.get(tid, [])])
        outside_ns = 0  # inside a recorded wait, outside any wait of truth
        for w in found_of.get(tid, []):
            if id(w) in used:
                spans = [(e.begin, e.take.end) for e in truth_of[tid] if e.begin <= w.t1 and e.take.end >= w.t0] \
                    if len(truth_of[tid]) < 64 else None
                if spans is not None:
                    covered = sum(min(b, w.t1) - max(a, w.t0) for a, b in spans)
                    outside_ns += max(0, w.t1 - w.t0 - covered)
            elif w.t0 <= t0 or w.t1 >= t1:
                continue
            elif drop_index.overlapping(w.t0, w.t1):
                in_drop += 1
            elif other_index.overlapping(w.t0, w.t1):
                unslept_waits += 1
            else:
                false.append((tid, w.t0, w.t1 - w.t0))
        used_ns = sum(w.t1 - w.t0 for w in found_of.get(tid, []) if id(w) in used)
        used_ns += int(tallied.get(tid, 0) * share)
        threads.append({"tid": tid, "waits": len(truth_of.get(tid, [])), "truth_ns": truth_ns, "found_ns": used_ns,
                        "covered_ns": found_ns, "recorded": len(found_of.get(tid, [])),
                        "error_pct": 100.0 * (used_ns - truth_ns) / truth_ns if truth_ns else None,
                        "span_error_pct": 100.0 * (used_ns - span_ns) / span_ns if span_ns else None})
    result = {
        "window_ns": t1 - t0, "episodes": sums["episodes"], "long": sums["long"], "missed": sums["missed"],
        "found_pct": 100.0 * (1 - len(sums["missed_long"]) / sums["long"]) if sums["long"] else None,
        "start_p50_us": us(percentile(sums["start"], 50)), "start_p99_us": us(percentile(sums["start"], 99)),
        "end_p50_us": us(percentile(sums["end"], 50)), "end_p99_us": us(percentile(sums["end"], 99)),
        "end_return_p99_us": us(percentile(sums["end_return"], 99)), "preempted": sums["preempted"],
        "end_switch_in_p99_us": us(percentile(sums["end_in"], 99)),
        "false_waits": len(false), "waits_in_drop": in_drop, "waits_in_unslept_calls": unslept_waits,
        "recorded": len(recorded), "tallied": rec.tallied_gil_waits(), "lost_events": rec.lost_events(),
        "threads": threads, "examples": {"missed": sums["missed_long"][:10], "false": false[:10],
                                                                "worst": [w[1:] for w in sorted(sums["worst"])[:-11:-1]]},
    }
    result["bad"] = judge(result)
    return result


def compare_held(summary, recording_path):
    """Share of the time in which the GIL was held, in per cent: by the tracer's summary, and as the recording tells it by holds, by what the
    threads did, and by samples.  {"all": …, tid: …}; None where the truth does not tell (take_gil alone was traced)."""
    rec = recording.Recording(recording_path)
    t0, t1 = max(rec.armed_ns, summary["start_ns"]), min(rec.end_ns, summary["end_ns"])
    told, whole = rec.held_shares(t0, t1), summary["end_ns"] - summary["start_ns"]
    rows = {}
    for tid, sums in summary["threads"].items():
        shares = told.get(int(tid), {"holds": 0, "states": 0, "samples": 0})
        rows[int(tid)] = {"truth": 100.0 * sums["held_ns"] / whole, **{k: None if v is None else 100.0 * v for k, v in shares.items()}}
    if not any(r["truth"] for r in rows.values()):
        return None
    return {"all": {k: sum(r[k] or 0 for r in rows.values()) for k in HELD_BY}, **rows}


HELD_BY = ("truth", "holds", "states", "samples")


def judge_held(held):
    off = {k: held["all"][k] - held["all"]["truth"] for k in ("holds", "states")} if held else {}
    return ["held by %s %+.1f points" % (k, v) for k, v in off.items() if abs(v) > HELD_POINTS]


def show_held(held):
    print("held, %% of the time: %s" % ", ".join(HELD_BY))
    for who, row in held.items():
        print("%8s %s" % (who, " ".join("-".rjust(6) if row[k] is None else "%6.2f" % row[k] for k in HELD_BY)))


def show(r):
    print("window %.2f s, %d waits in truth (%d of %d us or more), %d recorded, %d only counted, %d events lost" % (
        r["window_ns"] / 1e9, r["episodes"], r["long"], LONG_NS // 1000, r["recorded"], r["tallied"], r["lost_events"]))
    print("%8s %8s %8s %12s %12s %8s %s" % ("tid", "waits", "recorded", "truth ms", "gilscope ms", "error %",
                                            "(against first to last sleep)"))
    for t in r["threads"]:
        error = "-" if t["error_pct"] is None else "%.3f" % t["error_pct"]
        span = "-" if t["span_error_pct"] is None else "%.3f" % t["span_error_pct"]
        print("%8d %8d %8d %12.3f %12.3f %8s %8s" % (t["tid"], t["waits"], t["recorded"], t["truth_ns"] / 1e6,
                                                     t["found_ns"] / 1e6, error, span))

    def f(key):
        return "-" if r[key] is None else "%.2f" % r[key]
    print("found %s %%; start error p50 %s p99 %s us; end error p50 %s p99 %s us (against the switch-in p99 %s, the return %s)" % (
        f("found_pct"), f("start_p50_us"), f("start_p99_us"), f("end_p50_us"), f("end_p99_us"), f("end_switch_in_p99_us"),
        f("end_return_p99_us")))
    print("false waits %d; inside drop_gil only %d; inside calls that did not sleep %d" % (
        r["false_waits"], r["waits_in_drop"], r["waits_in_unslept_calls"]))
    for kind, rows in r["examples"].items():
        for row in rows[:5]:
            off = "; start %+.1f us, end %+.1f us" % (row[3] / 1000.0, row[4] / 1000.0) if kind == "worst" else ""
            print("  %s: tid %d at %d, %.1f us%s" % (kind, row[0], row[1], row[2] / 1000.0, off))
    print("within the limits" if not r["bad"] else "NOT within the limits: " + "; ".join(r["bad"]))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("truth")
    p.add_argument("recording")
    p.add_argument("--json", action="store_true")
    p.add_argument("--summary", help="what the tracer printed: compares the held share too")
    options = p.parse_args()
    result = compare(options.truth, options.recording)
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
    else:
        show(result)
        if options.summary:
            with open(options.summary) as f:
                show_held(compare_held(json.load(f), options.recording))
    return 1 if result["bad"] else 0


if __name__ == "__main__":
    sys.exit(main())

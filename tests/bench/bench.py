#!/usr/bin/env python3
"""gilscope's benchmarks: accuracy, overhead, own cost.  See --help; results go to build/bench/bench.json.

Figures are reported with the limits of docs/benchmarks.md beside them; only --strict makes a missed limit a failure."""
import argparse
import json
import os
import platform
import sys
import time

import accuracy
import costs
import overhead
import preloaded
import sampled
import table
import targets

harness = targets.harness
OUT = os.path.join(harness.ROOT, "build/bench")


def log(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    model = "?"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return "%s, %d CPUs, Linux %s, %s" % (model, os.cpu_count(), platform.release(), time.strftime("%Y-%m-%d"))


def wanted(cases, only):
    return [c for c in cases if not only or c[0] in only]


def do_accuracy(options, pythons, results):
    good = harness.with_symbols(pythons)
    labels = list(good) if options.pythons == "all" else [options.pythons] if options.pythons in good else list(good)[-3:-2]
    if not labels:
        results["skips"].append("accuracy: no interpreter with symbols (pyenv builds have them)")
        return
    for label in labels:
        for case in wanted(accuracy.CASES, options.case):
            key = "%s@%s" % (case[0], label)
            log("accuracy %s" % key)
            try:
                r = accuracy.measure(case, good[label], options.seconds or (4 if options.quick else 10), options.keep)
                log("  found %s %%, start p99 %s us, end p99 %s us, %d false; %s" % (
                    r["found_pct"], r["start_p99_us"], r["end_p99_us"], r["false_waits"], "; ".join(r["bad"]) or "ok"))
            except (RuntimeError, SystemExit) as e:
                r = {"error": str(e), "bad": [str(e)]}
                log("  failed: %s" % e)
            results.setdefault("accuracy", {})[key] = r


def do_overhead(options, pythons, results):
    label = options.pythons if options.pythons in pythons else default_python(harness.with_symbols(pythons) or pythons)
    arms = [targets.Gilscope(options.hz), targets.Gilscope(options.hz, "--native"), targets.Nothing(), targets.Uprobes()]
    others, skips = targets.peers()
    results["skips"] += skips
    arms += others
    if options.arm:
        arms = [a for a in arms if a.name in options.arm]
    seconds = options.seconds or (20 if options.quick else 130)
    log(overhead.RULE)
    for case in wanted(overhead.CASES, options.case):
        section = results.setdefault("overhead", {})
        was = section.get(case[0], {}) if options.add else {}
        for python in dict.fromkeys(a.python or pythons[label] for a in arms):
            here = [a for a in arms if (a.python or pythons[label]) == python]
            log("overhead %s on %s: %s" % (case[0], python, ", ".join("%s %.0f s" % (a.name, seconds * a.share) for a in here)))
            runs = overhead.measure(case, python, here, seconds, log)
            for arm in here:
                r = overhead.summarise(overhead.add(was.get(arm.name), runs[arm.name]))
                r["what"] = arm.what
                section.setdefault(case[0], {})[arm.name] = r
                log("  %s %s: %s, %d pairs, %d dropped, own CPU %s" % (
                    case[0], arm.name, table.interval(r.get("rate")), len(r["pairs"]), r["dropped"], r.get("own_cpu_pct")))


def do_costs(options, pythons, results):
    label = options.pythons if options.pythons in pythons else default_python(pythons)
    rounds = 5 if options.quick else 20
    out = results.setdefault("costs", {})
    seconds = 2 if options.quick else 5
    bystander = out["bystander"] = costs.bystander_ns(pythons[label], overhead.CASES[-1], seconds)
    for case in wanted(overhead.CASES, options.case):
        out.setdefault("switch", {})[case[0]] = r = costs.switch_costs(pythons[label], case, seconds, bystander)
        log("costs: BPF on %s: %.0f ns a switch without stacks" % (case[0], r["without_ns"]))
    for case in wanted(costs.STEADY_CASES, options.case):
        out.setdefault("steady", {})[case[0]] = r = costs.steady(pythons[label], case, 5 if options.quick else 15)
        log("costs: recording %s: %.2f %% of a CPU, %.1f MB" % (case[0], r["own_cpu_pct"], r["rss_bytes"] / 1e6))
    for label in dict.fromkeys([label] + [x for x in pythons if x.endswith("debian")]):
        log("costs: attach and dump on %s" % label)
        for key, function in (("attach_ms", costs.attach_ms), ("dump_ms", costs.dump_ms)):
            try:
                out.setdefault(key, {})[label] = function(pythons[label], rounds)
            except RuntimeError as e:
                results["skips"].append("%s on %s: %s" % (key, label, e))


def do_signal(options, pythons, results):
    out = results.setdefault("signal", {})
    seconds = options.seconds or (10 if options.quick else 60)
    for label in dict.fromkeys([options.pythons if options.pythons in pythons else default_python(pythons), *[
            x for x in pythons if x.endswith("debian")]]):
        for case in wanted(preloaded.OVERHEAD, options.case):
            r = out.setdefault("cost", {})["%s, %s" % (case[0], label)] = preloaded.overhead(case, pythons[label], seconds, options.hz)
            log("signal: %s on %s costs %.2f %%" % (case[0], label, r["cost_pct"]))
    for label in list(harness.with_symbols(pythons))[-3:-2]:
        for case in wanted(preloaded.ACCURACY, options.case):
            r = preloaded.agree(case, pythons[label], 3 if options.quick else 10, options.keep, options.hz)
            out.setdefault("agree", {})["%s, %s" % (case[0], label)] = r = preloaded.worst(r)
            log("signal: %s %s" % (case[0], r))


def do_remote(options, pythons, results):
    observers, skips = sampled.arms()
    results["skips"] += skips
    own = options.pythons if options.pythons in pythons else default_python(pythons)
    for python in dict.fromkeys([pythons[own]] + [a.python for a in observers if a.python]):
        here = [a for a in observers if a.python in (None, python) and (a.name != "austin" or python == pythons[own])]
        label = own if python == pythons[own] else "3.15"
        for case in wanted(sampled.CASES, options.case):
            log("remote: %s on %s" % (case[0], python))
            found = sampled.measure(case, python, here, options.seconds or (6 if options.quick else 20), log, options.keep)
            results.setdefault("remote", {})["%s@%s" % (case[0], label)] = found


def default_python(pythons):
    return "3.11" if "3.11" in pythons else next(iter(pythons))


def missed(results):
    bad = ["accuracy %s: %s" % (k, b) for k, r in results.get("accuracy", {}).items() for b in r["bad"]]
    for case, arms in results.get("overhead", {}).items():
        r = arms.get("gilscope", {}).get("rate")
        if r and r["low"] is not None and r["low"] > 1.0:
            bad.append("overhead %s: %s" % (case, table.interval(r)))
    signal = results.get("signal", {})
    bad += ["signal costs %s: %.2f %%" % (k, r["cost_pct"]) for k, r in signal.get("cost", {}).items() if r["cost_pct"] > 2.0]
    bad += ["signal off %s, %s: %.2f %%" % (who, k, r[who]) for k, r in signal.get("agree", {}).items() for who in ("bpf", "truth")
            if r[who] is not None and r[who] > 2.0]
    bad += ["remote on %s: %s" % (k, r["remote"]) for k, r in results.get("remote", {}).items()
            if "error" in r["remote"] or not sampled.good(r["remote"])]
    return bad


def options_of_line():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--only", action="append", choices=("accuracy", "overhead", "costs", "signal", "remote"), help="sections (default: all)")
    p.add_argument("--case", action="append", help="workloads (default: all of the section)")
    p.add_argument("--arm", action="append", help="overhead: gilscope, uprobes, austin, … (default: all there are)")
    p.add_argument("--pythons", default="3.11", help="label of the interpreter, or 'all' for accuracy (default 3.11)")
    p.add_argument("--seconds", type=float, help="length of a run (accuracy 10, overhead 130, the peers less)")
    p.add_argument("--add", action="store_true", help="overhead: add the pairs to those of the last run")
    p.add_argument("--hz", type=int, default=99, help="gilscope's sampling rate (default 99)")
    p.add_argument("--keep", help="accuracy: leave the files in this folder")
    p.add_argument("--quick", action="store_true", help="a few minutes instead of an hour; the intervals are wide then")
    p.add_argument("--strict", action="store_true", help="exit 1 when a limit is missed")
    p.add_argument("--docs", action="store_true", help="only write docs/benchmarks.md from the last results")
    return p.parse_args()


def main():
    options = options_of_line()
    path = os.path.join(OUT, "bench.json")
    os.makedirs(OUT, exist_ok=True)
    results = {}
    if os.path.exists(path):
        with open(path) as f:
            results = json.load(f)
    if options.docs:
        path = os.path.join(harness.ROOT, "docs/benchmarks.md")
        with open(path) as f:  # the section of report_bench.mjs stays
            report = "".join("\n## Report\n" + p.split("\n## ")[0].rstrip("\n") + "\n" for p in f.read().split("\n## Report\n")[1:])
        with open(path, "w") as f:
            f.write(table.page(results) + report)
        return 0
    results["machine"], results["skips"] = machine(), []
    pythons = harness.interpreters()
    if not pythons:
        log("bench: no interpreter found")
        return 77
    for section, function in (("accuracy", do_accuracy), ("overhead", do_overhead), ("costs", do_costs), ("signal", do_signal),
                              ("remote", do_remote)):
        if options.only and section not in options.only:
            continue
        function(options, pythons, results)
        with open(path, "w") as f:
            json.dump(results, f, indent=1)
    print(table.page(results))
    bad = missed(results)
    for b in bad:
        log("missed: " + b)
    return 1 if bad and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())

"""Results (build/bench/*.json) as the page docs/benchmarks.md: every figure with its limit and the command that makes it."""


def cell(value, form="%.2f"):
    return "-" if value is None else form % value


def mark(ok):
    return "yes" if ok else "**no**"


def accuracy_rows(results):
    yield ["workload", "python", "waits (truth)", "of 50 us or more", "found", "largest error of a thread's total",
           "start p50 / p99", "end p50 / p99", "false waits", "GIL held (truth)", "off: by holds / by states / by samples", "runs within limits"]
    for key, r in sorted(results.items()):
        case, python = key.split("@")
        if "error" in r:
            yield [case, python, "failed: " + r["error"][:60]] + [""] * 9
            continue
        held = r.get("held")

        def worst(name, form):
            return "%s (%s)" % (cell(r[name], form), cell(r["worst"][name], form))
        yield [case, python, cell(r["episodes"], "%d"), cell(r["long"], "%d"), worst("found_pct", "%.2f") + " %",
               worst("total_error_pct", "%.3f") + " %",
               "%s / %s us" % (cell(r["start_p50_us"], "%.1f"), worst("start_p99_us", "%.1f")),
               "%s / %s us" % (cell(r["end_p50_us"], "%.1f"), worst("end_p99_us", "%.1f")),
               worst("false_waits", "%d"), "%.1f %%" % held["truth"] if held else "-",
               " / ".join("%+.1f (%+.1f)" % (held[k], held["worst"][k]) for k in ("holds", "states", "samples")) if held else "-",
               "%d of %d" % (r["runs_good"], r["runs"])]


def interval(x):
    if not x or x["pct"] is None:
        return "-"
    if x["low"] is None:
        return "%+.2f %%" % x["pct"]
    return "%+.2f %% (%+.2f … %+.2f)" % (x["pct"], x["low"], x["high"])


def decided(x):
    if x["low"] is None:
        return "not decided"
    return "yes" if x["high"] <= 1.0 else "**no**" if x["low"] > 1.0 else "not decided"


def overhead_rows(results):
    yield ["workload", "observed by", "pairs (dropped)", "bare, per s", "slow-down, median (95 %)", "the same per CPU second",
           "at most 1 %", "own CPU, observing / not", "RSS"]
    for case, arms in results.items():
        for name, r in arms.items():
            if "rate" not in r:
                yield [case, name, "0", "could not: " + (r["failed"] or ["?"])[0][:60] if r["failed"] else "no pair left"] + ["-"] * 5
                continue
            rss = r.get("rss_bytes_max")
            own = "%.2f / %.2f %%" % (r["own_cpu_pct"][1], r["own_cpu_pct"][0]) if any(r["own_ns"]) else "-"
            yield [case, r.get("what", name), "%d (%d)" % (r["rate"]["pairs"], r["dropped"]), "%.4g" % r["bare_per_s"],
                   interval(r["rate"]), interval(r["per_cpu"]), decided(r["rate"]) if name == "gilscope" else "", own, "-" if rss is None else "%.1f MB" % (rss / 1e6)]


def cost_rows(results):
    yield ["what", "figure", "limit"]
    floor = results.get("bystander")
    if floor:
        yield ["`on_switch`, a switch of other processes", "%.0f ns" % floor["ns_per_run"], ""]
    for case, r in sorted(results.get("switch", {}).items()):
        yield ["`on_switch` on %s, without a stack" % case,
               "%.0f ns, %.0f a second" % (r["without_ns"], r["runs_per_s"] - r["stack_runs_per_s"]), "300 ns"]
        if r.get("floor"):
            yield ["an empty program there", "%.0f ns" % r["floor"]["empty"], ""]
            yield ["the least any recorder must do there", "%.0f ns" % r["floor"]["least"], ""]
        yield ["all programs on %s, of the target's CPU time" % case, "%.2f %%" % r["of_target_pct"], ""]
        if r["with_ns"]:
            yield ["`on_switch` on %s, with stacks" % case, "%.0f ns, %.0f a second" % (r["with_ns"], r["stack_runs_per_s"]), ""]
        for name in ("on_waking", "on_sample"):
            if name in r["programs"]:
                yield ["`%s` on %s" % (name, case), "%.0f ns" % r["programs"][name]["ns_per_run"], ""]
    for case, r in results.get("steady", {}).items():
        strict = case.startswith("read_zero") or case == "cpu4"
        yield ["own CPU while recording %s" % case, "%.2f %% of one" % r["own_cpu_pct"], "2 %" if strict else ""]
        yield ["most memory, %s" % case, "%.1f MB" % (r["rss_bytes"] / 1e6), "40 MB"]
    for key, limit in (("attach_ms", "150 ms"), ("dump_ms", "200 ms")):
        for python, r in sorted(results.get(key, {}).items()):
            what = "exec to first recorded event" if key == "attach_ms" else "dump"
            yield ["%s, %s" % (what, python), "median %.0f ms, longest %.0f ms of %d" % (r["median"], r["max"], r["rounds"]), limit]


def signal_rows(results):
    rows = [("what", "cost %", "worst thread off bpf %", "off truth %", "events lost", "within 2 %")]
    for what, r in results.get("cost", {}).items():
        rows.append((what, "%.2f (quartiles %.2f to %.2f)" % (r["cost_pct"], r["low"], r["high"]), "", "", "", mark(r["cost_pct"] <= 2.0)))
    for what, r in results.get("agree", {}).items():
        off = [r[k] for k in ("bpf", "truth") if r[k] is not None]
        rows.append((what, "", cell(r["bpf"]), cell(r["truth"]), "%d" % r["lost"], mark(bool(off) and max(off) <= 2.0)))
    return rows


def points(r, off, of):
    return "-" if r[off] is None else "%+.1f (of %.1f %%)" % (r[off], r[of])


def remote_rows(results):
    yield ["workload", "python", "observed by", "looks a second", "GIL held: bpf by holds / by states", "off by points",
           "wait share of the worst thread: off by points", "own CPU", "at most 3 points and 5 %"]
    for key, observers in results.items():
        for name, r in observers.items():
            if "error" in r:
                yield [*key.split("@"), r["what"], "failed: " + r["error"][:60]] + [""] * 5
                continue
            ok = mark(all(abs(r[k]) <= 3.0 for k in ("held_off", "thread_off") if r[k] is not None) and r["own_cpu_pct"] <= 5.0)
            yield [*key.split("@"), r["what"], cell(r["looks_per_s"], "%.0f"), "%.1f / %.1f %%" % (r["held_pct"], r["states_pct"]),
                   cell(r["held_off"], "%+.1f"), points(r, "thread_off", "thread_pct"),
                   "%.1f %%" % r["own_cpu_pct"], ok if name == "remote" else ""]


def markdown(rows):
    rows = list(rows)
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    return "\n".join(lines)


def page(results):
    parts = ["# Benchmarks", "",
             "Made by `make bench` (all of it: `tests/bench/run`; a quick look: `tests/bench/run --quick`), which writes "
             "`build/bench/bench.json`; `tests/bench/run --docs` turns that into this page.", "",
             "Machine: %s." % results.get("machine", "?"), ""]
    for key, title, text, rows, command in SECTIONS:
        if results.get(key):
            parts += ["## " + title, "", text, "", "`%s`" % command, "", markdown(rows(results[key])), ""]
    for skip in results.get("skips", []):
        parts.append("* not measured: " + skip)
    return "\n".join(parts).rstrip() + "\n"


SECTIONS = (
    ("accuracy", "Accuracy",
     "Truth: probes on take_gil of an unstripped build (its entry, where it has just set gil.locked, its return) and drop_gil (what it sleeps before it has let go is a hold), on the same process "
     "at the same time (`tests/truth/truth`), compared wait by wait (`tests/truth/compare.py`). Medians of the runs of 10 s, the worst "
     "of them in parentheses. Limits: each thread's total within 1 %, at least 99.5 % of the waits of 50 us and more found, start and "
     "end within 30 us (p99).  How full the GIL was: from take_gil's having it to drop_gil's having let it go; what is told of it by holds, by what "
     "the threads did and by samples alone (each stands for its part of a second; chance alone makes them differ by a point or two of such a run), in "
     "points of a per cent. Limit: 3 by holds and by states.",
     accuracy_rows, "tests/bench/run --only accuracy"),
    ("overhead", "Overhead",
     "Slow-down of the target. Windows of 90 ms, bare and observed in turn in one life of the target (the observer switches on "
     "and off every 120 ms; the first 30 ms of each half are left out), each pair two neighbours; Hodges-Lehmann median of the "
     "paired ratios and Wilcoxon interval. A/A is the same with nothing between the windows: the noise. Dropped are, by a rule "
     "fixed beforehand, pairs with 20 ms of steal time or others on the CPU for half a window. Uprobes take too long to plant: "
     "windows of a second. Limits: at most 1 % at 99 Hz; own CPU at most 2 % of one core in read_zero and cpu4, RSS at most "
     "40 MB. The peers stand beside it with the same work; tachyon's target is python3.15.",
     overhead_rows, "tests/bench/run --only overhead"),
    ("costs", "Own cost and latency", "Mean time of the BPF programs' runs by the kernel's statistics; runs without a stack from a recording that takes none. "
     "Beside them, on the same workload (`tests/bench/switch_floor`): an empty program, which shows what the statistics themselves add "
     "to each figure, and one that only does what every recorder of thread states must, finds what it keeps of both threads, reads the "
     "clock once and the registers of the thread that leaves, and records nothing. Memory is the resident set's peak; times are "
     "wall times.",
     cost_rows, "tests/bench/run --only costs"),
    ("signal", "The signal collector", "Cost: two processes of the same workload, one preloaded and sampled at 99 Hz, run in turn for a quarter of a "
     "second each; work for each second of their own CPU time; the median over several pairs of processes, for where each happens to lie in "
     "memory counts too. Agreement: the signal collector on one process with the bpf collector, then with the truth tracer at the same time; a thread's "
     "total of waiting for the GIL, of threads that waited 50 ms and more. Limits: 2 %.",
     signal_rows, "tests/bench/run --only signal"),
    ("remote", "The remote collector", "One life of the workload, all of which the bpf collector records; the others take turns meanwhile, and what each says of its "
     "time is compared with what the bpf collector says of the same time: the share in which the GIL was held, and of each thread that in "
     "which it waited for the GIL (the thread that is off most). That the GIL was held the bpf collector tells twice, by holds and by what each "
     "thread did; where it thins its detail (short stretches are only counted) both are estimates by the samples, see Accuracy. Limits: 3 points of a per cent each at 1000 looks a second asked for; own CPU "
     "time (with that of the child that looks) 5 % of one.",
     remote_rows, "tests/bench/run --only remote"),
)

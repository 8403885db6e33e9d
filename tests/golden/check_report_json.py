#!/usr/bin/env python3
"""Checks JSON reports against their contract: shape, types, and the sums that must agree.

Usage: check_report_json.py FILE…      (- is standard input)
Prints each breach with its path; exits 1 if there was any.  Standard library only, so that it runs on live recordings
of any machine too.
"""
import json
import sys

COUNT = "count"  # a whole number, 0 or more
STATES = ["gil", "nogil", "wait_gil", "wait_lock", "blocked", "sleep", "runnable", "unknown"]
KINDS = ["gil", "futex", "mutex", "mp_semaphore", "thread_lock", "rlock", "semaphore", "import", "condition", "event", "barrier",
         "queue_get", "queue_put", "queue_join", "join", "future", "pymutex", "object", "critical_section", "stw", "stw_request"]


class Null:
    """A value that may be null, for what was not measured."""

    def __init__(self, shape):
        self.shape = shape


class OneOf:
    def __init__(self, *words):
        self.words = words


FRAME = {"function": str, "file": Null(str), "line": Null(COUNT)}
LOCK = {
    "id": COUNT, "kind": OneOf(*KINDS), "interpreter": Null(COUNT), "address": str, "name": Null(str),
    "waits": COUNT, "wait_ns": COUNT, "wait_p50_ns": Null(COUNT), "wait_p99_ns": Null(COUNT),
    "wait_max_ns": Null(COUNT), "handoffs": Null(COUNT), "forced_handoffs": Null(COUNT), "utilisation": Null(float),
    "held_ns": Null(COUNT), "contended_ns": COUNT, "forced_waits": COUNT, "forced_wait_ns": COUNT, "recorded_waits": COUNT,
    "wait_histogram": [{"from_ns": COUNT, "to_ns": Null(COUNT), "waits": COUNT, "wait_ns": COUNT, "multiple": COUNT}],
}
THREAD = {
    "tid": COUNT, "name": str, "main": bool, "states_ns": {state: COUNT for state in STATES},
    "gil_held_ns": COUNT, "gil_held_blocked_ns": COUNT, "gil_held_preempted_ns": COUNT,
    "gil_waits": COUNT, "gil_wait_ns": COUNT, "gil_wait_p50_ns": Null(COUNT), "gil_wait_p99_ns": Null(COUNT),
    "gil_wait_max_ns": Null(COUNT), "caused_wait_ns": COUNT, "gil_spin_ns": Null(COUNT),
}
OTHER_LOCK = {
    "kind": OneOf(*KINDS[1:]), "unknown": bool, "idle": bool, "name": Null(str), "address": Null(str), "shared": Null(str), "where": Null(FRAME),
    "waits": COUNT, "wait_ns": COUNT, "wait_p50_ns": COUNT, "wait_p99_ns": COUNT, "wait_max_ns": COUNT, "contended_ns": COUNT,
    "pauses": Null(COUNT), "pause_max_ns": Null(COUNT), "holder_known_ns": COUNT, "holder_inferred": bool,
    "waiters": [{"tid": Null(COUNT), "wait_ns": COUNT, "stack": [FRAME]}],
    "holders": [{"pid": Null(COUNT), "tid": Null(COUNT), "wait_ns": COUNT, "stack": [FRAME]}],
}
BLAME = {
    "lock": COUNT, "wait_ns": COUNT, "waits": COUNT,
    "waiter": {"tids": [COUNT], "stack": [FRAME]},
    "holder": {"tids": [COUNT], "stack": [FRAME], "state": OneOf("running", "blocked", "preempted", "unknown"),
               "syscall": Null(str)},
}
PLACE = {"from_ns": COUNT, "to_ns": COUNT, "tid": Null(COUNT), "lock": Null(COUNT)}
FINDING = {"id": str, "severity": OneOf("info", "warning", "critical"), "title": str, "detail": str,
           "wait_ns": Null(COUNT), "certainty": OneOf("measured", "inferred", "sampled"), "advice": str,
           "share": Null(float), "place": Null(PLACE)}
PAIR = {
    "lock": COUNT, "waiter": Null(FRAME), "holder": Null(FRAME), "wait_ns": COUNT, "waits": COUNT,
    "states_ns": {state: COUNT for state in ("running", "blocked", "preempted", "unknown")},
    "syscall": Null(str), "syscall_ns": COUNT, "stacks": COUNT, "waiter_tids": [COUNT], "holder_tids": [COUNT],
}
LONG_HOLD = {"stack": [FRAME], "holds": COUNT, "excess_wait_ns": COUNT, "max_ns": COUNT, "place": Null(PLACE)}
WHAT_IF = {
    "pairs": [{"waiter": Null(FRAME), "holder": Null(FRAME), "wait_ns": COUNT, "saved_ns": COUNT,
               "queue_ns": COUNT, "holds": COUNT}],
    "bounds": [{"id": str, "title": str, "speedup": float, "assumes": [str]}],
    "replay": {"recorded_wait_ns": COUNT, "replayed_wait_ns": COUNT, "error": float, "trusted": bool,
               "until_ns": Null(COUNT)},
}
LOOKS = {"n": COUNT, "distance_p50_ns": COUNT, "distance_p99_ns": COUNT, "distance_max_ns": COUNT, "handoffs": COUNT, "handoffs_unseen": COUNT}
REPORT = {
    "format": OneOf(1), "gilscope": str,
    "recording": {
        "collector": str, "collector_choice": Null(str), "estimated": bool, "start_realtime_ns": COUNT, "duration_ns": COUNT, "complete": bool,
        "levels": [{"from_ns": COUNT, "level": OneOf(0, 1, 2, 3), "reason": str}],
        "lost_events": COUNT, "torn_stacks": COUNT, "truncated_stacks": COUNT, "notes": [str],
        "own": {"cpu_ns": Null(COUNT), "bpf_run_ns": Null(COUNT), "bpf_runs": Null(COUNT), "max_rss_bytes": Null(COUNT)},
    },
    "processes": [{
        "pid": COUNT, "parent": Null(COUNT), "name": str, "command": str, "runtime": Null(str), "collector": Null(str), "estimated": bool, "looks": Null(LOOKS), "free_threaded": bool,
        "switch_interval_ns": Null(COUNT), "locks": [LOCK], "other_locks": [OTHER_LOCK], "threads": [THREAD], "blame": [BLAME],
        "findings": [FINDING], "pairs": [PAIR], "long_holds": [LONG_HOLD], "what_if": Null(WHAT_IF),
    }],
    "shared_locks": [{"shared": str, "pids": [COUNT], "waits": COUNT, "wait_ns": COUNT}],
}

# Control characters and what reorders or hides text must never come through unescaped.
FORBIDDEN = {chr(c) for c in [*range(0x20), *range(0x7F, 0xA0), 0x061C, *range(0x200B, 0x2010), *range(0x2028, 0x202F),
                              *range(0x2060, 0x2070), 0xFEFF]}


class Checker:
    def __init__(self):
        self.breaches = []

    def breach(self, path, why):
        self.breaches.append(f"{path}: {why}")

    def shape(self, path, value, shape):
        if isinstance(shape, Null):
            if value is not None:
                self.shape(path, value, shape.shape)
        elif isinstance(shape, OneOf):
            if value not in shape.words or isinstance(value, bool):
                self.breach(path, f"{value!r} is none of {shape.words}")
        elif isinstance(shape, dict):
            self.members(path, value, shape)
        elif isinstance(shape, list):
            if not isinstance(value, list):
                self.breach(path, f"{type(value).__name__} is no list")
                return
            for i, item in enumerate(value):
                self.shape(f"{path}[{i}]", item, shape[0])
        elif shape is COUNT:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                self.breach(path, f"{value!r} is no whole number")
        elif shape is str:
            self.text(path, value)
        elif not isinstance(value, shape):
            self.breach(path, f"{value!r} is no {shape.__name__}")

    def members(self, path, value, shape):
        if not isinstance(value, dict):
            self.breach(path, f"{type(value).__name__} is no object")
            return
        for key, inner in shape.items():
            if key in value:
                self.shape(f"{path}.{key}", value[key], inner)
            else:
                self.breach(path, f"has no '{key}'")

    def text(self, path, value):
        if not isinstance(value, str):
            self.breach(path, f"{value!r} is no text")
        elif FORBIDDEN & set(value):
            self.breach(path, f"unescaped {sorted(FORBIDDEN & set(value))!r}")

    def process(self, path, process, duration):
        locks = {lock["id"]: lock for lock in process["locks"]}
        tids = {thread["tid"] for thread in process["threads"]}
        for i, thread in enumerate(process["threads"]):
            self.thread(f"{path}.threads[{i}]", thread, duration)
        for i, lock in enumerate(process["locks"]):
            self.lock(f"{path}.locks[{i}]", lock)
        blamed = dict.fromkeys(locks, 0)
        previous = None
        for i, pair in enumerate(process["blame"]):
            where = f"{path}.blame[{i}]"
            if pair["lock"] not in locks:
                self.breach(where, f"lock {pair['lock']} is not among the locks")
                continue
            blamed[pair["lock"]] += pair["wait_ns"]
            if previous is not None and pair["wait_ns"] > previous:
                self.breach(where, "is larger than the one before it")
            previous = pair["wait_ns"]
            unknown = {*pair["waiter"]["tids"], *pair["holder"]["tids"]} - tids
            if unknown:
                self.breach(where, f"tids {unknown} are not among the threads")
            if not pair["holder"]["tids"] and pair["holder"]["state"] != "unknown":
                self.breach(where, "has no holder, but knows its state")
        for lock_id, lock in locks.items():
            if blamed[lock_id] != lock["wait_ns"]:
                self.breach(path, f"blame over lock {lock_id} adds up to {blamed[lock_id]}, not to {lock['wait_ns']}")
        gil_waits = sum(lock["wait_ns"] for lock in process["locks"] if lock["kind"] == "gil")
        thread_waits = sum(thread["gil_wait_ns"] for thread in process["threads"])
        if gil_waits != thread_waits:
            self.breach(path, f"threads waited {thread_waits} for GILs, GILs were waited for {gil_waits}")

        self.pairs(path, process)
        for i, finding in enumerate(process["findings"]):
            self.place(f"{path}.findings[{i}].place", finding["place"], tids, locks, duration)
        for i, hold in enumerate(process["long_holds"]):
            self.place(f"{path}.long_holds[{i}].place", hold["place"], tids, locks, duration)
        if process["what_if"]:
            self.what_if(f"{path}.what_if", process["what_if"], gil_waits)

    def pairs(self, path, process):
        gils = {lock["id"]: lock["wait_ns"] for lock in process["locks"] if lock["kind"] == "gil"}
        for i, pair in enumerate(process["pairs"]):
            if sum(pair["states_ns"].values()) != pair["wait_ns"]:
                self.breach(f"{path}.pairs[{i}]", "its states do not add up to its waiting")
            if pair["syscall_ns"] > pair["states_ns"]["blocked"]:
                self.breach(f"{path}.pairs[{i}]", "more in one system call than in all")
            gils[pair["lock"]] -= pair["wait_ns"]
        if any(gils.values()):
            self.breach(path, f"pairs leave {gils} of the waiting for GILs")

    def place(self, path, place, tids, locks, duration):
        if place is None:
            return
        if not place["from_ns"] <= place["to_ns"] <= duration:
            self.breach(path, f"{place['from_ns']} to {place['to_ns']} is not within {duration}")
        if place["tid"] is not None and place["tid"] not in tids:
            self.breach(path, f"tid {place['tid']} is not among the threads")
        if place["lock"] is not None and place["lock"] not in locks:
            self.breach(path, f"lock {place['lock']} is not among the locks")

    def what_if(self, path, what_if, gil_waits):
        if what_if["pairs"] and not what_if["replay"]["trusted"]:
            self.breach(path, "predicts by a replay that it does not trust")
        for i, pair in enumerate(what_if["pairs"]):
            if pair["saved_ns"] > pair["wait_ns"] or pair["saved_ns"] + pair["queue_ns"] > gil_waits:
                self.breach(f"{path}.pairs[{i}]", f"saves more than is there to save ({gil_waits} in all)")
        for i, bound in enumerate(what_if["bounds"]):
            if bound["speedup"] < 1 or not bound["assumes"]:
                self.breach(f"{path}.bounds[{i}]", "is below 1, or assumes nothing")

    def thread(self, path, thread, duration):
        total = sum(thread["states_ns"].values())
        if "first_ns" in thread:
            life = thread["last_ns"] - thread["first_ns"]
            if abs(total - life) > life * 0.001:
                self.breach(path, f"states add up to {total}, its life was {life}")
        if total > duration * 1.001:
            self.breach(path, f"states add up to {total}, the recording was {duration} long")
        if thread["gil_held_blocked_ns"] + thread["gil_held_preempted_ns"] > thread["gil_held_ns"]:
            self.breach(path, "held more while off the CPU than in all")
        self.percentiles(path, thread, "gil_wait", thread["gil_waits"])

    def lock(self, path, lock):
        if lock["utilisation"] is not None and not 0 <= lock["utilisation"] <= 1:
            self.breach(path, f"utilisation {lock['utilisation']}")
        if lock["handoffs"] is not None and lock["forced_handoffs"] > lock["handoffs"]:
            self.breach(path, "more forced hand-offs than hand-offs")
        if not lock["address"].startswith("0x"):
            self.breach(path, f"address {lock['address']!r}")
        self.percentiles(path, lock, "wait", lock["waits"])

    def percentiles(self, path, row, prefix, n):
        p50, p99, longest = (row[f"{prefix}_{key}_ns"] for key in ("p50", "p99", "max"))
        if n == 0 and (p50, p99, longest) != (None, None, None):
            self.breach(path, "percentiles of no waits")
        if n > 0 and not p50 <= p99 <= longest:
            self.breach(path, f"p50 {p50}, p99 {p99}, max {longest} are out of order")

    def report(self, report):
        self.shape("$", report, REPORT)
        if self.breaches:
            return  # what follows trusts the shape
        duration = report["recording"]["duration_ns"]
        for i, process in enumerate(report["processes"]):
            self.process(f"$.processes[{i}]", process, duration)


def no_doubles(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key appears twice among {keys}")
    return dict(pairs)


def main():
    failed = False
    for name in sys.argv[1:]:
        with (sys.stdin.buffer if name == "-" else open(name, "rb")) as file:
            text = file.read().decode("utf-8")  # strict: invalid UTF-8 is a failure
        checker = Checker()
        checker.report(json.loads(text, object_pairs_hook=no_doubles))
        for breach in checker.breaches[:50]:
            print(f"{name}: {breach}")
        failed = failed or bool(checker.breaches)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

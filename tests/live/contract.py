"""The JSON report's contract: every key it must have, its type, and the sums that must hold."""
NUMBER = (int, float)
LOCK_KINDS = ("gil", "futex", "mutex", "mp_semaphore", "thread_lock", "rlock", "semaphore", "import", "condition", "event", "barrier",
              "queue_get", "queue_put", "queue_join", "join", "future", "pymutex", "object", "critical_section", "stw", "stw_request")
STATES = {"gil", "nogil", "wait_gil", "wait_lock", "blocked", "sleep", "runnable", "unknown"}
HOLDER_STATES = {"running", "blocked", "preempted", "unknown"}

FRAME = {"function": str, "file": (str, type(None)), "line": (int, type(None))}  # null: could not be resolved
SHAPE = {
    "format": int, "gilscope": str,
    "recording": {
        "collector": str, "start_realtime_ns": int, "duration_ns": int, "complete": bool,
        "levels": [{"from_ns": int, "level": int, "reason": str}],
        "lost_events": int, "torn_stacks": int, "truncated_stacks": int, "notes": [str],
        "own": {"cpu_ns": (int, type(None)), "bpf_run_ns": (int, type(None)), "bpf_runs": (int, type(None)),
                "max_rss_bytes": (int, type(None))},
    },
    "processes": [{
        "pid": int, "name": (str, type(None)), "command": (str, type(None)), "runtime": (str, type(None)),
        "free_threaded": (bool, type(None)), "switch_interval_ns": (int, type(None)),
        "locks": [{"id": int, "kind": str, "interpreter": (int, type(None)), "address": str, "name": (str, type(None)),
                   "waits": int, "wait_ns": int, "wait_p50_ns": (int, type(None)), "wait_p99_ns": (int, type(None)),
                   "wait_max_ns": (int, type(None)), "handoffs": (int, type(None)),
                   "forced_handoffs": (int, type(None)), "utilisation": NUMBER + (type(None),)}],
        "threads": [{"tid": int, "name": (str, type(None)), "main": bool,
                     "states_ns": {key: (int, type(None)) for key in STATES},
                     "gil_held_ns": (int, type(None)), "gil_held_blocked_ns": (int, type(None)),
                     "gil_held_preempted_ns": (int, type(None)), "gil_waits": int, "gil_wait_ns": int,
                     "gil_wait_p50_ns": (int, type(None)), "gil_wait_p99_ns": (int, type(None)),
                     "gil_wait_max_ns": (int, type(None)), "caused_wait_ns": (int, type(None)),
                     "gil_spin_ns": (int, type(None))}],
        "blame": [{"lock": int, "wait_ns": int, "waits": int, "waiter": {"tids": [int], "stack": [FRAME]},
                   "holder": {"tids": [int], "stack": [FRAME], "state": str, "syscall": (str, type(None))}}],
        "findings": [{"id": str, "severity": str, "title": str, "detail": str, "wait_ns": (int, type(None))}],
    }],
}


def shape(value, wanted, where=""):
    """Names of the places where value is not as wanted."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [where + ": not an object"]
        bad = []
        for key, inner in wanted.items():
            absent = key not in value
            if absent and not (isinstance(inner, tuple) and type(None) in inner):
                bad.append("%s.%s: missing" % (where, key))
            elif not absent:
                bad += shape(value[key], inner, where + "." + key)
        return bad
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [where + ": not a list"]
        return [b for i, item in enumerate(value) for b in shape(item, wanted[0], "%s[%d]" % (where, i))]
    if isinstance(value, bool) and wanted in (int, NUMBER):
        return [where + ": a boolean"]
    return [] if isinstance(value, wanted) else ["%s: %r" % (where, value)]


def check(report):
    """All of the contract; returns the list of what is wrong."""
    bad = shape(report, SHAPE)
    if bad:
        return bad
    if report["format"] != 1:
        bad.append("format is not 1")
    for p in report["processes"]:
        bad += check_process(p)
    return bad


def check_process(p):
    bad = []
    locks = {lock["id"]: lock for lock in p["locks"]}
    for lock in p["locks"]:
        if lock["kind"] not in LOCK_KINDS:
            bad.append("lock kind %r" % lock["kind"])
        if not lock["address"].startswith("0x"):
            bad.append("lock address %r" % lock["address"])
        if lock["utilisation"] is not None and not 0 <= lock["utilisation"] <= 1:
            bad.append("utilisation %r" % lock["utilisation"])
        blamed = sum(b["wait_ns"] for b in p["blame"] if b["lock"] == lock["id"])
        if lock["kind"] == "gil" and blamed != lock["wait_ns"]:
            bad.append("blame of lock %d: %d, its wait_ns %d" % (lock["id"], blamed, lock["wait_ns"]))
    for b in p["blame"]:
        if b["lock"] not in locks:
            bad.append("blame names lock %d" % b["lock"])
        if b["holder"]["state"] not in HOLDER_STATES:
            bad.append("holder state %r" % b["holder"]["state"])
    waits = [b["wait_ns"] for b in p["blame"]]
    if waits != sorted(waits, reverse=True):
        bad.append("blame is not sorted")
    gil_waits = sum(lock["wait_ns"] for lock in p["locks"] if lock["kind"] == "gil")
    if sum(t["gil_wait_ns"] for t in p["threads"]) != gil_waits:
        bad.append("gil_wait_ns of threads %d, of locks %d" % (sum(t["gil_wait_ns"] for t in p["threads"]), gil_waits))
    return bad

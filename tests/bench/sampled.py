"""The remote collector, measured: how the shares it estimates agree with those of the bpf collector on the same process at the same time,
and its own CPU time.  Peers that sample from outside take their turn in the same life of the process, each against the bpf collector."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import targets
import recording

harness = targets.harness
CASES = (("cpu4", "cpu4", []), ("mixed_io", "mixed_io", []), ("cpu_io", "cpu_io", []), ("read_zero_3", "read_zero", ["--threads", 3]))
HZ, CPU_LIMIT_PCT, POINTS = 1000, 5.0, 3.0
WARM_UP_S = 1.0


class Remote:
    name = "remote"
    what = "gilscope record --collector remote -r %d" % HZ
    python = None

    def run(self, pid, seconds, folder):
        path = os.path.join(folder, "remote.gilscope")
        recorder = harness.Recorder(pid, path, "--collector", "remote", "--force", "-r", HZ)
        try:
            time.sleep(WARM_UP_S)
            cpu, t0 = harness.tree_cpu_ns(recorder.process.pid), time.monotonic_ns()
            time.sleep(seconds)
            cpu, t1 = harness.tree_cpu_ns(recorder.process.pid) - cpu, time.monotonic_ns()
        finally:
            code, _, err = recorder.stop()
        if code:
            raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        rec = recording.Recording(path)
        looks = rec.one("SELECT sum(n) FROM looks") / ((rec.end_ns - rec.start_ns) / 1e9)
        waits, held = rec.gil_shares(t0, t1)
        return {"window": (t0, t1), "waits": waits, "held": held, "looks_per_s": looks, "own_cpu_pct": 100.0 * cpu / (t1 - t0)}


class Peer:
    python = None
    ends = False  # by itself, some seconds after the time that is asked for

    def command(self, pid, seconds, folder):
        raise NotImplementedError

    def said(self, folder):
        """({tid: share in which it waited for the GIL}, share in which it was held, samples a second), each None if it does not say."""
        return None, None, None

    def run(self, pid, seconds, folder):
        process = subprocess.Popen(self.command(pid, seconds + WARM_UP_S, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   stdin=subprocess.DEVNULL)
        try:
            time.sleep(WARM_UP_S)
            cpu, t0 = harness.tree_cpu_ns(process.pid), time.monotonic_ns()
            time.sleep(seconds)
            cpu, t1 = harness.tree_cpu_ns(process.pid) - cpu, time.monotonic_ns()
            if process.poll() is not None:
                raise RuntimeError("%s ended early with %d" % (self.name, process.returncode))
        finally:
            if process.poll() is None and not self.ends:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        waits, held, looks = self.said(folder)
        return {"window": (t0, t1), "waits": waits, "held": held, "looks_per_s": looks, "own_cpu_pct": 100.0 * cpu / (t1 - t0)}


class Austin(Peer):
    name = "austin"
    what = "austin 3.7 -i 1ms -p (says nothing of the GIL)"

    def __init__(self, program):
        self.program = program

    def command(self, pid, seconds, folder):
        return [self.program, "-i", "1ms", "-p", str(pid), "-o", "/dev/null"]


class Tachyon(Peer):
    """Its Gecko output marks when a thread has the GIL and when it waits for it."""
    name = "tachyon"
    what = "python3.15 -m profiling.sampling attach -a -r %d --gecko" % HZ

    ends = True

    def __init__(self, program):
        self.program = self.python = program

    def command(self, pid, seconds, folder):
        return [self.program, "-m", "profiling.sampling", "attach", "-a", "-r", str(HZ), "-d", str(int(seconds + 2)), "--gecko",
                "-o", os.path.join(folder, "gecko.json"), str(pid)]

    def said(self, folder):
        with open(os.path.join(folder, "gecko.json")) as f:
            profile = json.load(f)
        words, marked = profile["shared"]["stringArray"], {}
        for thread in profile["threads"]:
            m = thread["markers"]
            for i in range(m["length"]):
                key = (thread["tid"], words[m["name"][i]])
                marked[key] = marked.get(key, 0.0) + (m["endTime"][i] or m["startTime"][i]) - m["startTime"][i]
        whole = max(max(t["markers"]["endTime"][i] or 0 for i in range(t["markers"]["length"])) for t in profile["threads"])
        samples = max(t["samples"]["length"] for t in profile["threads"])
        waits = {t["tid"]: marked.get((t["tid"], "Waiting for GIL"), 0.0) / whole for t in profile["threads"]}
        return waits, sum(ms for (_, word), ms in marked.items() if word == "Has GIL") / whole, samples / whole * 1e3


def arms():
    """(arms, named skips)"""
    found, skips = [Remote()], []
    for where, make in (("austin/usr/bin/austin-host", Austin), ("python3.15/usr/bin/python3.15-host", Tachyon)):
        path = os.path.join(targets.PEERS, where)
        if os.path.exists(path):
            found.append(make(path))
        else:
            skips.append("%s: not in %s (tests/bench/get-peers)" % (make.name, targets.PEERS))
    return found, skips


def compare(said, rec):
    """Differences in points of a per cent: of the share in which the GIL was held, and of the thread whose wait share is off most."""
    waits, held = rec.gil_shares(*said["window"])
    off = {tid: 100.0 * (said["waits"].get(tid, 0.0) - share) for tid, share in waits.items()} if said["waits"] is not None else {}
    worst = max(off, key=lambda tid: abs(off[tid]), default=None)
    return {"held_pct": 100.0 * held, "states_pct": 100.0 * rec.held_by_states(*said["window"]), "held_off": None if said["held"] is None else 100.0 * (said["held"] - held),
            "thread_pct": None if worst is None else 100.0 * waits[worst], "thread_off": None if worst is None else off[worst],
            "threads": len(waits), "looks_per_s": said["looks_per_s"], "own_cpu_pct": said["own_cpu_pct"]}


def measure(case, python, observers, seconds, log, keep=None):
    """{arm name: compare's result} of one life of the workload, which the bpf collector records from begin to end."""
    folder = keep or tempfile.mkdtemp(prefix="gilscope-sampled-")
    os.makedirs(folder, exist_ok=True)
    exact, said, results = os.path.join(folder, case[0] + ".bpf"), {}, {}
    try:
        with harness.Workload(case[1], python, args=case[2]) as workload:
            time.sleep(0.5)
            recorder = harness.Recorder(workload.pid, exact, "--collector", "bpf", "--force")
            try:
                time.sleep(WARM_UP_S)
                for arm in observers:
                    try:
                        said[arm.name] = arm.run(workload.pid, seconds, folder)
                    except RuntimeError as e:
                        results[arm.name] = {"what": arm.what, "error": str(e)}
                        log("  %s %s: %s" % (case[0], arm.name, e))
            finally:
                code, _, err = recorder.stop()
            if code:
                raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        rec = recording.Recording(exact)
        for arm in observers:
            if arm.name in said:
                results[arm.name] = dict(compare(said[arm.name], rec), what=arm.what)
                log("  %s %s: %s" % (case[0], arm.name, results[arm.name]))
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def good(r):
    return all(abs(r[k]) <= POINTS for k in ("held_off", "thread_off") if r[k] is not None) and r["own_cpu_pct"] <= CPU_LIMIT_PCT


def main():
    import argparse
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--seconds", type=float, default=6)
    p.add_argument("--python", default="/usr/bin/python3.11")
    p.add_argument("--keep")
    p.add_argument("case", nargs="*")
    o = p.parse_args()
    for case in CASES:
        if not o.case or case[0] in o.case:
            measure(case, o.python, [a for a in arms()[0] if not a.python or a.python == o.python], o.seconds, print, o.keep)


if __name__ == "__main__":
    main()

"""The ways a target is observed while its speed is measured ("arms"), each started and stopped around a slot of time.

An arm has start(workload) -> handle or None when it cannot run here, and stop(handle) -> facts about its own cost."""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "truth"))
import harness  # noqa: E402

PEERS = os.environ.get("GILSCOPE_PEERS", os.path.expanduser("~/.cache/gilscope/peers"))


class Bare:
    name = "bare"
    what = "nothing"

    def start(self, workload):
        return None

    def stop(self, handle):
        return {}


class Gilscope:
    def __init__(self, hz=99):
        self.name = "gilscope"
        self.what = "gilscope record -r %d" % hz
        self.hz = hz

    def start(self, workload):
        folder = tempfile.mkdtemp(prefix="gilscope-bench-")
        recorder = harness.Recorder(workload.pid, os.path.join(folder, "r.gilscope"), "-r", self.hz)
        recorder.folder = folder
        recorder.mark = (time.monotonic_ns(), recorder.cpu_ns())
        return recorder

    def stop(self, recorder):
        t, cpu = recorder.mark
        own = 100.0 * (recorder.cpu_ns() - cpu) / (time.monotonic_ns() - t)
        rss = recorder.peak_rss()
        code, _, err = recorder.stop()
        for name in os.listdir(recorder.folder):
            os.unlink(os.path.join(recorder.folder, name))
        os.rmdir(recorder.folder)
        if code:
            raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        return {"own_cpu_pct": own, "rss_bytes": rss}


class Uprobes:
    name = "uprobes"
    what = "entry and return uprobe on take_gil (tests/truth/truth --probes-only)"

    def start(self, workload):
        return harness.Tracer(workload.pid, None, "--probes-only", "--min-us", "1000000")

    def stop(self, tracer):
        tracer.stop()
        return {}


class Command:
    """A peer as a command line with {pid}; its output goes nowhere."""

    def __init__(self, name, what, argv, python=None):
        self.name, self.what, self.argv, self.python = name, what, argv, python

    def start(self, workload):
        argv = [a.format(pid=workload.pid) for a in self.argv]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        process.mark = (time.monotonic_ns(), 0)
        time.sleep(0.7)  # they have no way to say that they are attached
        if process.poll() is not None:
            raise RuntimeError("%s ended at once with %d" % (self.name, process.returncode))
        process.mark = (time.monotonic_ns(), harness.thread_cpu_ns(process.pid))
        return process

    def stop(self, process):
        t, cpu = process.mark
        if process.poll() is not None:
            raise RuntimeError("%s ended early with %d" % (self.name, process.returncode))
        own = 100.0 * (harness.thread_cpu_ns(process.pid) - cpu) / (time.monotonic_ns() - t)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return {"own_cpu_pct": own}


def peers():
    """(arms, named skips)"""
    arms, skips = [], []
    austin = os.path.join(PEERS, "austin/usr/bin/austin-host")
    if os.path.exists(austin):
        arms.append(Command("austin", "austin 3.7 -i 10ms -p", [austin, "-i", "10ms", "-p", "{pid}", "-o", "/dev/null"]))
        arms.append(Command("austin-default", "austin 3.7 -p (every 100 us)", [austin, "-p", "{pid}", "-o", "/dev/null"]))
    else:
        skips.append("austin: not in %s (tests/bench/get-peers)" % PEERS)
    python = os.path.join(PEERS, "python3.15/usr/bin/python3.15-host")
    if os.path.exists(python):
        for rate in ("100", "1000"):
            arms.append(Command(
                "tachyon-" + rate, "python3.15 -m profiling.sampling attach -a -r %s" % rate,
                [python, "-m", "profiling.sampling", "attach", "-a", "-r", rate, "--binary", "-o", "/dev/null", "{pid}"], python))
    else:
        skips.append("python3.15: not in %s (tests/bench/get-peers)" % PEERS)
    return arms, skips

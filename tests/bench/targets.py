"""The ways a target is observed while its speed is measured ("arms").

An arm has start(workload, half_ms) -> handle (RuntimeError when it cannot run here), switch(handle, lit) if it blinks, and
stop(handle) -> facts about its own cost.  share: its part of the time given to gilscope; see overhead.py."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "truth"))
import harness  # noqa: E402

PEERS = os.environ.get("GILSCOPE_PEERS", os.path.expanduser("~/.cache/gilscope/peers"))


class Arm:
    blinks = True
    warm_up_s = 0.5
    share = 0.2
    python = None  # an interpreter of its own for the target

    def switch(self, handle, lit):
        pass


class Nothing(Arm):
    """The noise floor: pairs of windows between which nothing differs."""
    name = "nothing"
    what = "nothing (A/A: the noise)"
    share = 0.4

    def start(self, workload, half_ms):
        return None

    def stop(self, handle):
        return {}


class Gilscope(Arm):
    warm_up_s = 1.0
    share = 1.0

    def __init__(self, hz=99, *args):
        self.name = "gilscope" + "".join(args).replace("--", "-")
        self.what = " ".join(("gilscope record -r %d" % hz,) + args)
        self.args = ("-r", hz) + args

    def start(self, workload, half_ms):
        folder = tempfile.mkdtemp(prefix="gilscope-bench-")
        os.environ["GILSCOPE_BENCH_BLINK_MS"] = str(half_ms)
        try:
            recorder = harness.Recorder(workload.pid, os.path.join(folder, "r.gilscope"), *self.args)
            recorder.cpu_ns = lambda: harness.tree_cpu_ns(recorder.process.pid)  # what reads and unwinds for it too
        finally:
            del os.environ["GILSCOPE_BENCH_BLINK_MS"]
        recorder.folder = folder
        return recorder

    def stop(self, recorder):
        rss = recorder.peak_rss()
        code, _, err = recorder.stop()
        shutil.rmtree(recorder.folder, ignore_errors=True)
        if code:
            raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        return {"rss_bytes": rss}


class Uprobes(Arm):
    name = "uprobes"
    what = "entry and return uprobe on take_gil (tests/truth/truth --probes-only)"
    blinks = False

    def start(self, workload, half_ms):
        return harness.Tracer(workload.pid, None, "--probes-only", "--min-us", "1000000")

    def stop(self, tracer):
        tracer.stop()
        return {}


class Command(Arm):
    """A peer as a command line with {pid}; its output goes nowhere.  It reads the target from outside: stopped, it does not."""
    warm_up_s = 1.0

    def __init__(self, name, what, argv, python=None):
        self.name, self.what, self.argv, self.python = name, what, argv, python

    def start(self, workload, half_ms):
        argv = [a.format(pid=workload.pid) for a in self.argv]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        process.cpu_ns = lambda: harness.thread_cpu_ns(process.pid)
        return process

    def switch(self, process, lit):
        if process.poll() is not None:
            raise RuntimeError("%s ended early with %d" % (self.name, process.returncode))
        process.send_signal(signal.SIGCONT if lit else signal.SIGSTOP)

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return {}


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

"""Accuracy: gilscope and the truth tracer on the same process at the same time, compared wait by wait."""
import os
import shutil
import tempfile
import time

import targets  # noqa: F401  (puts tests/truth on the path)
import compare
import harness

CASES = (
    ("read_zero_3", "read_zero", ["--threads", 3]),
    ("mixed_io", "mixed_io", []),
    ("cpu4", "cpu4", []),
    ("cpu_io", "cpu_io", []),
    ("echo_hogs", "echo_hogs", []),
    ("threads32", "threads32", []),
)


def measure(case, python, seconds, keep=None, hz=99):
    """compare's result for one workload; files stay in `keep` when given."""
    folder = keep or tempfile.mkdtemp(prefix="gilscope-accuracy-")
    os.makedirs(folder, exist_ok=True)
    truth, rec = os.path.join(folder, case[0] + ".truth"), os.path.join(folder, case[0] + ".gilscope")
    if os.path.exists(rec):
        os.unlink(rec)
    workload = harness.Workload(case[1], python, seconds + 4, case[2])
    try:
        time.sleep(0.5)
        # The tracer first: programs run in the order of attaching, so its times are those of the switch, not of gilscope's end.
        tracer = harness.Tracer(workload.pid, truth)
        recorder = harness.Recorder(workload.pid, rec, "-r", hz)
        try:
            time.sleep(seconds)
            summary = tracer.stop()
        finally:
            code, out, err = recorder.stop()
        if code:
            raise RuntimeError("gilscope record ended with %d: %s" % (code, err))
        result = compare.compare(truth, rec, (summary["start_ns"], summary["end_ns"]))
        result["truth_lost"] = summary["lost"]
        return result
    finally:
        workload.close()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)

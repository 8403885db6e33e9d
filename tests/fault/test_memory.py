"""gilscope's own memory stays small on workloads that are hard on it."""
import time

import pytest

import faults
import harness

LIMIT = 40 * 1000 * 1000
SECONDS = 20 if faults.FULL else 5


@pytest.mark.parametrize("workload, args", [("deep", ["--depth", 100000]), ("threads32", []), ("read_zero", ["--threads", 8]),
                                            ("churn", [])])
def test_resident_set_is_bounded(workload, args, any_python, can_record, tmp_path):
    with harness.Workload(workload, any_python, 60, args) as target:
        time.sleep(1.5)
        recorder = harness.Recorder(target.pid, str(tmp_path / "r"))
        time.sleep(SECONDS)
        peak = recorder.peak_rss()
        code, _, err = recorder.stop()
    assert code == 0, err
    assert peak <= LIMIT, "%.1f MB" % (peak / 1e6)

"""The matrix: each interpreter of this machine with each workload (matrix.py); what each cell proved goes to build/matrix.json."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "live")]
from live import can_record, open_folder  # noqa: E402, F401  (fixtures)
import cells  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" or not report.passed:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        cells.note(params.get("label", cells.DEBIAN), item.function.__name__, report)


def pytest_sessionfinish(session):
    cells.save()

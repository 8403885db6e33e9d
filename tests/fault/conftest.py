"""Fault tests: what must not be harmed is not harmed (faults.py has the long and the short form)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "live"))
from faults import rng  # noqa: E402, F401  (fixtures)
from live import any_python, can_record, python  # noqa: E402, F401

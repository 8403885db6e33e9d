"""Live tests: gilscope on real interpreters (live.py has the fixtures)."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from live import any_python, can_record, open_folder, python, recorded  # noqa: E402, F401  (fixtures)

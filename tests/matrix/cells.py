"""The cells of the matrix: what a run proved of a feature (a test's docstring) with an interpreter.  Kept in build/matrix.json, where a run
replaces the cells it ran; tests/matrix/table shows them."""
import ast
import json
import os
import subprocess

import harness

RESULTS = os.path.join(harness.ROOT, "build", "matrix.json")
TESTS = ("test_matrix.py", "test_servers.py")
DEBIAN = "3.11-debian"  # what is tested with Debian's packages alone
OF = dict({label: " with its GIL on" for label in harness.FREE_THREADED}, **{label: " with musl 1.2.3" for label in harness.MUSL})
noted = {}


def features():
    """[(test function, its docstring)]: the rows."""
    rows = []
    for name in TESTS:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding="utf-8") as f:
            functions = [n for n in ast.parse(f.read()).body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        rows += [(f.name, ast.get_docstring(f)) for f in functions]
    return rows


def columns():
    """The interpreters, here or not."""
    return ["%d.%d" % v for v in harness.WANTED] + list(harness.FREE_THREADED) + list(harness.MUSL) + ["PyPy " + v for v in harness.PYPY_WANTED]


def others():
    """{label: path} of those that only the matrix has beside the CPythons of harness.interpreters()."""
    return dict(harness.free_threaded(), **harness.musls(), **{"PyPy " + v: path for v, path in harness.pypys().items()})


def column(label):
    """3.11-debian and 3.11: two that prove the same column."""
    return label if label in harness.MUSL else label.split("-")[0]


def note(label, test, report):
    if report.skipped:
        result = report.longrepr[2].replace("Skipped: ", "", 1)
        if result == "no python%s here" % label:
            return
    else:
        result = "yes" if report.passed else "FAILS"
    noted[label, test] = result


def named(label, python):
    """The interpreter's own version, and whose it is."""
    code = "import sys; print('.'.join(map(str, getattr(sys, 'pypy_version_info', sys.version_info)[:3])))"
    version = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    return version + (OF.get(label) or (" (Debian)" if "-" in label else ""))


def load():
    """{(label, test): (result, interpreter)}"""
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS) as f:
        return {(row["label"], row["test"]): (row["result"], row["python"]) for row in json.load(f)}


def save():
    if not noted:
        return
    pythons = dict(harness.interpreters(), **others())
    names = {label: named(label, pythons[label]) for label in {label for label, _ in noted} if label in pythons}
    rows = load()
    rows.update({(label, test): (result, names.get(label, "")) for (label, test), result in noted.items()})
    with open(RESULTS, "w") as f:
        json.dump([{"label": key[0], "python": value[1], "test": key[1], "result": value[0]} for key, value in sorted(rows.items())], f, indent=1)

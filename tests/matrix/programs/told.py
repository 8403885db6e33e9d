"""What a program of the matrix tells of itself: for each thread rows of (kind, begin, end, ns that it waited or held), by CLOCK_MONOTONIC.

A thread begins with `rows = told.begin()` and appends to it; `told.serve(__file__, workers)` starts the threads, says that it is ready, and
writes all rows to the file named on the command line once its input ends.  Usable on python 2.7 and 3.6 to 3.15."""
import ctypes
import io
import json
import os
import re
import sys
import threading
import time

libc = getattr(ctypes, "PyDLL", ctypes.CDLL)(None)  # keeps the GIL: asking for the time makes nobody wait (PyPy has none, and asks time)
usleep = libc.usleep
NAP_S = 0.004
threads = []


class Timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


def clock(number):
    now = Timespec()
    libc.clock_gettime(number, ctypes.byref(now))
    return now.s * 10 ** 9 + now.ns


now = getattr(time, "monotonic_ns", lambda: clock(1))  # 3.6 has none, and both are missing from 2.7
cpu = getattr(time, "thread_time_ns", lambda: clock(3))


class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


class RowsUntilTheEnd(list):
    """2.7's GIL lets threads that compute pass over the main one, which waits for the end of its input, for minutes: they look themselves."""
    def append(self, row):
        list.append(self, row)
        if libc.poll(ctypes.byref(Pollfd(0, 1, 0)), 1, 0) > 0:  # readable, or hung up
            raise SystemExit


def begin(name=None):
    """The rows of the calling thread."""
    rows = RowsUntilTheEnd() if sys.version_info[0] == 2 and hasattr(ctypes, "PyDLL") else []
    threads.append({"name": name or threading.current_thread().name, "tid": libc.gettid(), "rows": rows})
    return rows


def compute():
    """All its time is wanted for computing: what of it was no CPU time was waited."""
    rows = begin()
    began, used = now(), cpu()
    while True:
        x = 0
        while x < 20000: x += 1  # COMPUTE
        ended, by_now = now(), cpu()  # CLOCK
        rows.append(("compute", began, ended, ended - began - (by_now - used)))
        began, used = ended, by_now


def nap():
    """Wants to sleep for NAP_S at a time: what is beyond was waited."""
    rows = begin()
    began = now()
    while True:
        time.sleep(NAP_S)  # NAP
        ended = now()
        rows.append(("nap", began, ended, ended - began - int(NAP_S * 1e9)))
        began = ended


def hold(rows, us):
    """Sleeps in a C function that keeps the GIL, so long and no longer: on its return it is asked to give it up, before it can look at a clock."""
    began = now()
    usleep(us)  # HOLD
    rows.append(("held", began, now(), us * 1000))


def lines_of(path):
    """{mark: line}, of lines that end with a mark."""
    found = {}
    with io.open(path, encoding="utf-8") as f:
        for number, text in enumerate(f, 1):
            mark = re.search("# ([A-Z]+)$", text.rstrip())
            if mark:
                found[mark.group(1)] = number
    return found


def tell(path, program):
    said = {"program": os.path.basename(program), "file": program, "pid": os.getpid(), "implementation": "PyPy" if hasattr(sys, "pypy_version_info") else "CPython",
            "version": list(getattr(sys, "pypy_version_info", sys.version_info)[:3]),
            "lines": dict(lines_of(os.path.splitext(__file__)[0] + ".py"), **lines_of(program)),
            "threads": [dict(t, rows=list(t["rows"])) for t in list(threads)]}
    with open(path, "w") as f:
        json.dump(said, f)


def serve(program, workers, at_end=None, until_ready=None):
    """workers: [(thread name, function)]"""
    for name, function in workers:
        t = threading.Thread(target=function, name=name)
        t.daemon = True
        t.start()
    if until_ready:
        until_ready()
    sys.stdout.write(json.dumps({"pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    if at_end:
        at_end()
    tell(sys.argv[1], program)
    os._exit(0)

"""Checks itself for harm: three threads repeat one computation and compare the result with the first, one does system
calls with time limits.  At the end: mismatches, signals received, interrupted calls, errors.  Ends at --seconds or when
a line (or the end) comes on standard input."""
import hashlib
import os
import select
import signal
import sys
import threading
import time

import _load

signals = []
trouble = {"mismatches": 0, "eintr": 0, "errors": []}


def one_unit():
    d = {}
    for i in range(300):
        d["key%d" % i] = hashlib.sha256(b"%d" % i).hexdigest()
    text = "".join(sorted(d.values()))
    return hashlib.sha256(text.encode()).hexdigest()


def compute(work, counter, reference):
    try:
        while not work.stop:
            if one_unit() != reference:
                trouble["mismatches"] += 1
            counter[0] += 1
    except BaseException as e:  # noqa: B902  (whatever it was, it is harm)
        trouble["errors"].append(repr(e))


def calls(work, counter):
    r, w = os.pipe()
    try:
        while not work.stop:
            try:
                select.select([r], [], [], 0.001)
            except InterruptedError:
                trouble["eintr"] += 1
            os.write(w, b"x")
            if os.read(r, 1) != b"x":
                trouble["mismatches"] += 1
            counter[0] += 1
    except BaseException as e:  # noqa: B902
        trouble["errors"].append(repr(e))


def wait_for_line(options):
    select.select([sys.stdin], [], [], options.seconds)


def main():
    options = _load.parse("self_check")
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, 32, 33):
            try:
                signal.signal(number, lambda n, frame: signals.append(n))
            except (OSError, ValueError):
                pass
    work = _load.Work("self_check", options)
    reference = one_unit()
    for i in range(3):
        work.thread("compute-%d" % i, compute, reference)
    work.thread("calls", calls)
    for t in work.threads:
        t.start()
    _load.say(ready=True, pid=os.getpid(), name="self_check")
    begin = time.monotonic()
    wait_for_line(options)
    work.stop = True
    for t in work.threads:
        t.join()
    _load.say(name="self_check", seconds=time.monotonic() - begin, units=sum(work.snapshot().values()), reference=reference,
              signals=signals, threads=threading.active_count(), **trouble)


main()

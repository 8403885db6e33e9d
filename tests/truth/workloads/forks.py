"""Forks --forks children (each computes for a moment and ends) at even times while two CPU threads run; with --exec the
process itself becomes another program half way: "python" (the same interpreter) or "sleep"."""
import os
import sys
import time

import _load


def forker(work, counter):
    pause = work.options.seconds / (work.options.forks + 1)
    while not work.stop:
        time.sleep(pause)
        pid = os.fork()
        if pid == 0:
            _load.spin(200000)
            os._exit(0)
        os.waitpid(pid, 0)
        counter[0] += 1


def becomer(work, counter):
    time.sleep(work.options.seconds / 2)
    left = str(work.options.seconds / 2)
    sys.stdout.flush()
    if work.options.exec == "python":
        here = os.path.dirname(os.path.abspath(__file__))
        os.execv(sys.executable, [sys.executable, os.path.join(here, "cpu4.py"), "--seconds", left])
    os.execv("/bin/sleep", ["sleep", left])


options = _load.parse("forks", forks=(int, 10), exec=(str, ""))
work = _load.Work("forks", options)
for i in range(2):
    work.thread("cpu-%d" % i, _load.burn)
work.thread("forker", forker)
if options.exec:
    work.thread("becomer", becomer)
work.run()

"""What threads wait for without a GIL, each measured by the thread that waits or makes others wait.

The stopper collects garbage, which stops all threads, and times each collection; the sorter keeps the lock of one list while it sorts it and
the appender times its appends to that list; the holder keeps a Lock, an RLock, and the waiters time their way in.  At the end a JSON line
has all times that took a millisecond or more as [begin, end] of CLOCK_MONOTONIC in ns, by what they are."""
import gc
import threading
import time

import _load

now_ns = time.monotonic_ns
SHARED = [(i * 7919) % 400009 for i in range(400000)]
LOCK = threading.Lock()
RLOCK = threading.RLock()
KEPT = [[i] for i in range(200000)]
times = {}


def timed(what, began):
    ended = now_ns()
    if ended - began >= 1000000:
        times.setdefault(what, []).append((began, ended))


def stopper():
    while True:
        began = now_ns()
        gc.collect()
        timed("stopper", began)
        time.sleep(0.05)


def spinner():
    while True:
        sum(range(1000))


def sorter():
    while True:
        SHARED.sort(reverse=True)
        SHARED.sort()
        time.sleep(0.002)


def appender():
    while True:
        began = now_ns()
        SHARED.append(1)
        timed("appender", began)
        time.sleep(0.001)


def holder():
    while True:
        with LOCK:
            time.sleep(0.03)
        with RLOCK:
            time.sleep(0.03)


def lock_waiter():
    while True:
        began = now_ns()
        with LOCK:
            timed("lock_waiter", began)
        time.sleep(0.002)


def rlock_waiter():
    while True:
        began = now_ns()
        with RLOCK:
            timed("rlock_waiter", began)
        time.sleep(0.002)


gc.disable()  # but for the stopper
options = _load.parse("no_gil")
work = _load.Work("no_gil", options)
for function in (stopper, spinner, sorter, appender, holder, lock_waiter, rlock_waiter):
    threading.Thread(target=function, name=function.__name__, daemon=True).start()
_load.say(ready=True, pid=_load.os.getpid())
time.sleep(options.seconds)
_load.say(name="no_gil", times=times)
_load.os._exit(0)

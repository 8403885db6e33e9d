"""Each kind of lock, each with a holder that keeps it about 30 ms a round and waiters that measure how long they wait.

Every waiter adds up the time its call took in `truth`, by kind; it is printed as the last JSON line."""
import os
import queue
import sys
import threading
import time

import _load

now_ns = getattr(time, "monotonic_ns", lambda: int(time.monotonic() * 1e9))  # 3.6 has none
LOCK = threading.Lock()
JOBS = queue.Queue()
FULL = queue.Queue(1)
truth = {}


class Account:
    def __init__(self):
        self.guard = threading.RLock()
        self.changed = threading.Condition()
        self.places = threading.Semaphore(1)
        self.opened = threading.Event()


ACCOUNT = Account()


def waited(kind, began):
    ns = now_ns() - began
    n, total = truth.get(kind, (0, 0))
    truth[kind] = (n + 1, total + ns)


def lock_holder():
    while True:
        with LOCK:
            time.sleep(0.03)
        time.sleep(0.003)


def lock_waiter():
    while True:
        time.sleep(0.002)
        began = now_ns()
        with LOCK:
            waited("lock", began)


def rlock_holder():
    while True:
        with ACCOUNT.guard:
            time.sleep(0.03)
        time.sleep(0.003)


def rlock_waiter():
    while True:
        time.sleep(0.002)
        began = now_ns()
        with ACCOUNT.guard:
            waited("rlock", began)


def semaphore_holder():
    while True:
        with ACCOUNT.places:
            time.sleep(0.03)
        time.sleep(0.003)


def semaphore_waiter():
    while True:
        time.sleep(0.002)
        began = now_ns()
        with ACCOUNT.places:
            waited("semaphore", began)


def notifier():
    while True:
        time.sleep(0.03)
        with ACCOUNT.changed:
            ACCOUNT.changed.notify_all()


def condition_waiter():
    while True:
        with ACCOUNT.changed:
            began = now_ns()
            ACCOUNT.changed.wait()
            waited("condition", began)


def opener():
    while True:
        time.sleep(0.03)
        ACCOUNT.opened.set()


def event_waiter():
    while True:
        ACCOUNT.opened.clear()
        began = now_ns()
        ACCOUNT.opened.wait()
        waited("event", began)


def producer():
    while True:
        time.sleep(0.03)
        JOBS.put(1)


def consumer():
    while True:
        began = now_ns()
        JOBS.get()
        waited("queue_get", began)


def slow_consumer():
    while True:
        FULL.get()
        time.sleep(0.03)


def fast_producer():
    while True:
        began = now_ns()
        FULL.put(1)
        waited("queue_put", began)


def short():
    time.sleep(0.03)


def joiner():
    while True:
        t = threading.Thread(target=short)
        t.start()
        began = now_ns()
        t.join()
        waited("join", began)


WORKERS = [lock_holder, lock_waiter, rlock_holder, rlock_waiter, semaphore_holder, semaphore_waiter, notifier, condition_waiter,
           opener, event_waiter, producer, consumer, slow_consumer, fast_producer, joiner]


options = _load.parse("locks")
_load.Work("locks", options)
for worker in WORKERS:
    threading.Thread(target=worker, name=worker.__name__, daemon=True).start()
_load.say(ready=True, pid=os.getpid(), name="locks")
time.sleep(options.seconds)
_load.say(name="locks", truth=truth)
sys.stdout.flush()
os._exit(0)

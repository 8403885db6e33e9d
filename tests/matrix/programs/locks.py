"""Each kind of lock, each with a holder that keeps it about 30 ms a round and a waiter that says how long it waited."""
import queue
import threading
import time

import told

LOCK = threading.Lock()
JOBS = queue.Queue()
FULL = queue.Queue(1)
KEEP_S, REST_S = 0.03, 0.002


class Account:
    def __init__(self):
        self.guard = threading.RLock()
        self.changed = threading.Condition()
        self.places = threading.Semaphore(1)
        self.opened = threading.Event()


ACCOUNT = Account()


def keep(lock):
    while True:
        with lock:
            time.sleep(KEEP_S)
        time.sleep(REST_S)


def lock_holder():
    keep(LOCK)


def rlock_holder():
    keep(ACCOUNT.guard)


def semaphore_holder():
    keep(ACCOUNT.places)


def waited(rows, kind, began):
    ended = told.now()
    rows.append((kind, began, ended, ended - began))


def lock_waiter():
    rows = told.begin()
    while True:
        time.sleep(REST_S)
        began = told.now()
        with LOCK:
            waited(rows, "thread_lock", began)


def rlock_waiter():
    rows = told.begin()
    while True:
        time.sleep(REST_S)
        began = told.now()
        with ACCOUNT.guard:
            waited(rows, "rlock", began)


def semaphore_waiter():
    rows = told.begin()
    while True:
        time.sleep(REST_S)
        began = told.now()
        with ACCOUNT.places:
            waited(rows, "semaphore", began)


def notifier():
    while True:
        time.sleep(KEEP_S)
        with ACCOUNT.changed:
            ACCOUNT.changed.notify_all()


def condition_waiter():
    rows = told.begin()
    with ACCOUNT.changed:
        while True:
            began = told.now()
            ACCOUNT.changed.wait()
            waited(rows, "condition", began)


def opener():
    while True:
        time.sleep(KEEP_S)
        ACCOUNT.opened.set()


def event_waiter():
    rows = told.begin()
    while True:
        ACCOUNT.opened.clear()
        began = told.now()
        ACCOUNT.opened.wait()
        waited(rows, "event", began)


def producer():
    while True:
        time.sleep(KEEP_S)
        JOBS.put(1)


def consumer():
    rows = told.begin()
    while True:
        began = told.now()
        JOBS.get()
        waited(rows, "queue_get", began)


def slow_consumer():
    while True:
        FULL.get()
        time.sleep(KEEP_S)


def fast_producer():
    rows = told.begin()
    while True:
        began = told.now()
        FULL.put(1)
        waited(rows, "queue_put", began)


def short():
    time.sleep(KEEP_S)


def joiner():
    rows = told.begin()
    while True:
        t = threading.Thread(target=short)
        t.start()
        began = told.now()
        t.join()
        waited(rows, "join", began)


WORKERS = [lock_holder, lock_waiter, rlock_holder, rlock_waiter, semaphore_holder, semaphore_waiter, notifier, condition_waiter,
           opener, event_waiter, producer, consumer, slow_consumer, fast_producer, joiner]
told.serve(__file__, [(worker.__name__, worker) for worker in WORKERS])

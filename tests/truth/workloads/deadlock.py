"""Threads that wait for each other, by --sort: lock (two threading.Locks in with blocks), rlock, self (a Lock taken twice), mixed (a Lock and
an RLock), native (a pthread mutex against the GIL), none (one waits, the other merely takes its time)."""
import ctypes
import os
import threading
import time

import _load


class Store:
    def __init__(self, kind):
        self.guard = kind()


A = threading.Lock()
B = threading.Lock()
FIRST = Store(threading.RLock)
SECOND = Store(threading.RLock)


def inner(lock):
    with lock:
        pass


def outer(first, second, barrier):
    with first:
        barrier.wait()
        inner(second)


def twice():
    with A:
        with A:
            pass


def patient(lock):
    with lock:
        time.sleep(3600)


def waiter(lock):
    time.sleep(0.2)
    with lock:
        pass


def native():
    """Thread 1 has the mutex and wants the GIL; thread 2 has the GIL and wants the mutex."""
    free, held = ctypes.CDLL(None), ctypes.PyDLL(None)  # CDLL lets go of the GIL around a call, PyDLL does not
    mutex = ctypes.create_string_buffer(64)
    taken = threading.Event()

    def has_mutex():
        free.pthread_mutex_lock(mutex)
        taken.set()
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            time.sleep(0.001)
        free.pthread_mutex_unlock(mutex)

    def has_gil():
        taken.wait()
        time.sleep(0.3)
        held.pthread_mutex_lock(mutex)

    return [has_mutex, has_gil]


def pair(a, b):
    barrier = threading.Barrier(2)
    return [lambda: outer(a, b, barrier), lambda: outer(b, a, barrier)]


SORTS = {
    "lock": lambda: pair(A, B), "rlock": lambda: pair(FIRST.guard, SECOND.guard), "mixed": lambda: pair(A, FIRST.guard),
    "self": lambda: [twice], "native": native, "none": lambda: [lambda: patient(A), lambda: waiter(A)],
}

options = _load.parse("deadlock", sort=(str, "lock"))
_load.Work("deadlock", options)
_load.say(ready=True, pid=os.getpid(), name="deadlock")
for i, run in enumerate(SORTS[options.sort]()):
    threading.Thread(target=run, name="dead-%d" % i, daemon=True).start()
time.sleep(options.seconds)

"""A multiprocessing pool: three workers that share memory and one multiprocessing.Lock, which each holds 20 ms at a time."""
import ctypes
import multiprocessing
import os
import threading
import time

import told


def prepare(lock, counts, stop):
    global LOCK, COUNTS, STOP
    LOCK, COUNTS, STOP = lock, counts, stop


def work(number):
    rows = told.begin()
    while not STOP.value:
        began = told.now()
        with LOCK:  # LOCK
            ended = told.now()
            COUNTS[number] += 1
            time.sleep(0.02)
        rows.append(("mp", began, ended, ended - began))
        time.sleep(0.001)
    return {"pid": os.getpid(), "tid": told.libc.gettid(), "name": "MainThread", "rows": rows, "counted": COUNTS[number]}


fork = multiprocessing.get_context("fork")
stop, counts = fork.RawValue(ctypes.c_int, 0), fork.RawArray(ctypes.c_long, 3)
pool = fork.Pool(3, prepare, (fork.Lock(), counts, stop))
result = pool.map_async(work, range(3), 1)


def end():
    stop.value = 1
    told.threads.extend(result.get(30))


time.sleep(0.2)  # until each has its part
told.serve(__file__, [], end)

"""The same work twice: a C call that keeps the GIL (ctypes.PyDLL), or the same call that lets it go (--release, ctypes.CDLL).
Each thread does a fixed number of rounds, so that the waiting of the two can be compared.  What there is (--kind):
sleep: one thread sleeps in C beside one that computes; pool: three sleep in C, two answer short requests;
crc: one computes in C beside one that computes in Python; hog: one computes in C all the time, one in Python, and one answers
requests; mixed: one computes in C and one sleeps in C beside one that answers requests, only the sleep lets go."""
import ctypes
import ctypes.util
import json
import os
import threading
import time

import _load

options = _load.parse("release_gil", kind=(str, "sleep"), release=(int, 0), rounds=(int, 60))
load = ctypes.CDLL if options.release else ctypes.PyDLL
usleep = load(None).usleep
usleep.argtypes = [ctypes.c_uint]
zlib = (ctypes.PyDLL if options.kind == "mixed" else load)(ctypes.util.find_library("z") or "libz.so.1")
zlib.crc32.argtypes = [ctypes.c_ulong, ctypes.c_void_p, ctypes.c_uint]
buffer = ctypes.create_string_buffer(12 << 20)


def sleep_in_c(rounds):
    for _ in range(rounds):
        usleep(20000)
        time.sleep(0.01)


def sleep_shortly_in_c(rounds):
    for _ in range(rounds):
        usleep(3000)
        time.sleep(0.012)


def compute_in_c(rounds):
    for _ in range(rounds):
        zlib.crc32(0, buffer, len(buffer))
        time.sleep(0.01)


def compute_on_in_c(rounds):
    for _ in range(rounds * 3):
        zlib.crc32(0, buffer, len(buffer))


def compute(rounds):
    for _ in range(rounds * 6):
        _load.spin(50000)


def answer(rounds):
    for _ in range(rounds * 8):
        time.sleep(0.002)
        _load.spin(300)


KINDS = {
    "sleep": [sleep_in_c, compute],
    "pool": [sleep_shortly_in_c, sleep_shortly_in_c, sleep_shortly_in_c, answer, answer],
    "crc": [compute_in_c, compute],
    "hog": [compute_on_in_c, compute, answer],
    "mixed": [compute_in_c, sleep_in_c, answer],
}

threads = [threading.Thread(target=f, args=(options.rounds,), name=f.__name__) for f in KINDS[options.kind]]
_load.Work("release_gil", options)  # makes the file of counters, though nothing is counted
_load.say(ready=True, pid=os.getpid(), name="release_gil")
time.sleep(2.0)  # until it is recorded
begin = time.monotonic()
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps({"name": "release_gil", "seconds": time.monotonic() - begin}), flush=True)

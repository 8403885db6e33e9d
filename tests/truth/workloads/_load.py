"""What the workloads share: a stop time, counters per thread, one JSON line at the end.

Usable on python 2.7 and 3.6 to 3.15, standard library only.  Each workload takes --seconds (default 10) and prints, first,
{"ready": true, "pid": ...} and at the end {"name": ..., "seconds": ..., "work": {...}}; with --ticks also one line a second.
Hot loops check the time only every so often, so that what is measured is the work.  With --counters FILE the counters
are words of that file, so that another process can read them at any moment without disturbing this one.
"""
import argparse
import json
import mmap
import os
import sys
import threading
import time

now = getattr(time, "monotonic", time.time)  # 2.7 has none


def parse(name, **extra):
    """Options common to all; extra: name=(type, default)."""
    p = argparse.ArgumentParser(prog=name)
    p.add_argument("--seconds", type=float, default=10.0)
    p.add_argument("--ticks", action="store_true", help="a JSON line with the counters every second")
    p.add_argument("--counters", help="file for the counters (64-bit words, one a thread)")
    for key, (kind, default) in extra.items():
        p.add_argument("--" + key, type=kind, default=default)
    return p.parse_args()


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


class Work:
    """Counters by name; each slot is written by one thread only."""

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.counts = {}
        self.map = self._map(options.counters)
        self.threads = []
        self.stop = False
        self.begin = now()

    @staticmethod
    def _map(path):
        if not path:
            return mmap.mmap(-1, 4096)
        with open(path, "w+b") as f:
            f.truncate(4096)
            return mmap.mmap(f.fileno(), 4096)

    def slot(self, key):
        """One word; a second thread of the same name shares it."""
        if key not in self.counts:
            n = len(self.counts)
            if sys.version_info >= (3, 0):
                self.counts[key] = memoryview(self.map).cast("Q")[n:n + 1]
            else:
                import ctypes
                self.counts[key] = (ctypes.c_uint64 * 1).from_buffer(self.map, 8 * n)
        return self.counts[key]

    def thread(self, key, function, *args):
        """A thread called `key` that runs function(work, counter, *args) until work.stop."""
        counter = self.slot(key)
        t = threading.Thread(target=function, args=(self, counter) + args, name=key)
        t.daemon = True
        self.threads.append(t)
        return t

    def snapshot(self):
        return {key: value[0] for key, value in self.counts.items()}

    def run(self, on_end=None):
        self.begin = now()
        for t in self.threads:
            t.start()
        say(ready=True, pid=os.getpid(), name=self.name)
        end = self.begin + self.options.seconds
        while True:
            left = end - now()
            if left <= 0:
                break
            time.sleep(min(1.0, left))
            if self.options.ticks:
                say(tick=round(now() - self.begin, 3), work=self.snapshot())
        counts = self.snapshot()
        seconds = now() - self.begin
        self.stop = True
        if on_end:
            on_end()
        for t in self.threads:
            t.join(2.0)
        say(name=self.name, seconds=seconds, total=sum(counts.values()), work=counts)
        sys.stdout.flush()
        os._exit(0)


def spin(rounds):
    """Pure Python work that never gives the GIL up by itself."""
    x = 0
    for i in range(rounds):
        x += i
    return x


def burn(work, counter, rounds=2000):
    """A hog: computes until told to stop; counts blocks of `rounds`."""
    while not work.stop:
        spin(rounds)
        counter[0] += 1

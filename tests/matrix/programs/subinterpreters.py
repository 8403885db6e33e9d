"""Three subinterpreters with a GIL of their own and one that follows the main one's, two threads that compute in each; 3.12 and newer."""
import glob
import json
import os
import sys
import threading
import time

import told

STOP = sys.argv[1] + ".stop"
CODE = """
import json, os, threading, time
def burn_in_{name}():
    rows = []
    tid = threading.get_native_id()
    open({stop!r} + ".begun.%d" % tid, "w").close()
    began, used = time.monotonic_ns(), time.thread_time_ns()
    while not os.path.exists({stop!r}):
        for _ in range(20):
            x = 0
            while x < 10000: x += 1
            {pause}
        ended, by_now = time.monotonic_ns(), time.thread_time_ns()
        rows.append(("compute", began, ended, ended - began - (by_now - used)))
        began, used = ended, by_now
    with open({stop!r} + ".said.%d" % tid, "w") as f:
        json.dump({{"name": {name!r}, "tid": tid, "rows": rows}}, f)
a = threading.Thread(target=burn_in_{name})
a.start()
burn_in_{name}()
a.join()
"""
THREADS = {"sub_0": True, "sub_1": True, "sub_2": True, "shared": False}  # name: with a GIL of its own


def run(name):
    own = THREADS[name]
    # a drop request of another interpreter does not reach it in 3.12: it lets go by itself
    code = CODE.format(name=name, stop=STOP, pause="" if own else "time.sleep(0)")
    try:
        import _interpreters as interpreters  # 3.13
        number = interpreters.create("isolated" if own else "legacy")
    except ImportError:
        import _xxsubinterpreters as interpreters
        number = interpreters.create(isolated=own)
    interpreters.run_string(number, code)


def main_too():
    while True:
        x = 0
        while x < 10000: x += 1
        time.sleep(0)


def all_have(what):
    """The files with which they say so, once all have, or after 20 s."""
    deadline, found = time.monotonic() + 20, []
    while len(found) < 2 * len(THREADS) and time.monotonic() < deadline:
        time.sleep(0.1)
        found = glob.glob(STOP + what + "*")
    time.sleep(0.2)
    return found


def end():
    with open(STOP, "w"):
        pass
    for path in all_have(".said."):
        with open(path) as f:
            told.threads.append(json.load(f))


workers = [(name.replace("_", "-"), lambda name=name: run(name)) for name in THREADS]
told.serve(__file__, workers + [("main-0", main_too), ("main-1", main_too)], end, lambda: all_have(".begun."))

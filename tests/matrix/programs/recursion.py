"""A thread that holds the GIL 20000 Python frames deep, another one that naps."""
import sys
import threading
import time

import told

DEPTH = 20000


def bottom():
    rows = told.begin()
    while True:
        told.hold(rows, 10000)
        time.sleep(0.01)


def down(n):
    if n:
        down(n - 1)  # DOWN
    else:
        bottom()


sys.setrecursionlimit(DEPTH + 1000)
threading.stack_size(512 << 20)
told.serve(__file__, [("diver", lambda: down(DEPTH)), ("napper", told.nap)])

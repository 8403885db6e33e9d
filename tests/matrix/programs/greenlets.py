"""Two greenlets of one thread hand over to each other: one keeps the GIL in a system call, the other computes; and a thread that naps."""
import time

from greenlet import greenlet

import told


def ping():
    while True:
        told.hold(rows, 10000)
        time.sleep(0.002)
        b.switch()  # PING


def pong():
    while True:
        began = told.now()
        while told.now() < began + 3000000: pass  # SPIN
        a.switch()


def deeper(n, call):
    return deeper(n - 1, call) if n else call()


def switcher():
    global rows, a, b
    rows = told.begin()
    a, b = greenlet(lambda: deeper(5, ping)), greenlet(lambda: deeper(20, pong))
    a.switch()


told.serve(__file__, [("switcher", switcher), ("napper", told.nap)])

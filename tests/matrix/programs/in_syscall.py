"""A thread sleeps in a system call with the GIL, another one wants to compute."""
import time

import told


def sleeper():
    rows = told.begin()
    while True:
        told.hold(rows, 20000)
        time.sleep(0.01)


told.serve(__file__, [("sleeper", sleeper), ("victim", told.compute)])

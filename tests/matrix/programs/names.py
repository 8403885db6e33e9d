# -*- coding: utf-8 -*-
"""A holder and a napper; the matrix copies this file to a folder, and gives it and its functions names, that are not ASCII."""
import time

import told


def the_holder():
    rows = told.begin("the-holder-thread")
    while True:
        told.hold(rows, 10000)  # HERE
        time.sleep(0.01)


told.serve(__file__, [("the-holder-thread", the_holder), ("napper", told.nap)])

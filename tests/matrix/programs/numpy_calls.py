"""numpy: adding Python objects keeps the GIL, the sine of floats lets it go; a thread each, and one that naps."""
import time

import numpy

import told

OBJECTS = numpy.array([0.5] * 400000, dtype=object)
FLOATS = numpy.linspace(0, 1, 1000000)


def keeper():
    rows = told.begin()
    while True:
        began = told.now()
        OBJECTS.sum()  # KEEPS
        ended = told.now()
        rows.append(("kept", began, ended, ended - began))
        time.sleep(0.01)


def releaser():
    into = numpy.empty_like(FLOATS)
    while True:
        numpy.sin(FLOATS, out=into)  # RELEASES
        time.sleep(0.01)


told.serve(__file__, [("keeper", keeper), ("releaser", releaser), ("napper", told.nap)])

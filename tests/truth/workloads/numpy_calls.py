"""numpy: a sum of Python objects keeps the GIL, products of matrices on two threads let it go, and a thread wants it now and then."""
import time

import numpy

import _load

OBJECTS = numpy.array([0.5] * 200000, dtype=object)
MATRIX = numpy.random.rand(400, 400)


def keeps_it(work, counter):
    while not work.stop:
        OBJECTS.sum()
        counter[0] += 1
        time.sleep(0.004)


def multiplies(work, counter):
    into = numpy.empty_like(MATRIX)
    while not work.stop:
        numpy.dot(MATRIX, MATRIX, out=into)
        counter[0] += 1


def wants_it(work, counter):
    while not work.stop:
        _load.spin(200)
        counter[0] += 1
        time.sleep(0.004)


def main():
    work = _load.Work("numpy_calls", _load.parse("numpy_calls"))
    for name, function in (("keeps", keeps_it), ("product-1", multiplies), ("product-2", multiplies), ("wants", wants_it)):
        work.thread(name, function)
    work.run()


main()

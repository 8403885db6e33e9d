"""C functions that keep the GIL, of a library built for the test (tests/live/native_hold.c): one asleep, one at work, one that comes back
into Python before it sleeps.  A thread beside them wants the GIL now and then."""
import ctypes
import time

import _load

options = _load.parse("native_hold", library=(str, None), only=(str, None))
library = ctypes.PyDLL(options.library)
CALLBACK = ctypes.PYFUNCTYPE(ctypes.c_int)


def pause():
    time.sleep(0.004)


def keeps_asleep(work, counter):
    while not work.stop:
        library.hold_asleep(12000)
        counter[0] += 1
        pause()


def keeps_busy(work, counter):
    while not work.stop:
        library.hold_busy(12)
        counter[0] += 1
        pause()


def keeps_unnamed(work, counter):
    while not work.stop:
        library.hold_within(12000)
        counter[0] += 1
        pause()


def called_back():
    return library.hold_asleep(8000)


def goes_through_c(work, counter):
    function = CALLBACK(called_back)
    while not work.stop:
        library.call_through(function)
        counter[0] += 1
        pause()


def wants_it(work, counter):
    while not work.stop:
        _load.spin(200)
        counter[0] += 1
        pause()


def main():
    work = _load.Work("native_hold", options)
    functions = [globals()[options.only]] if options.only else [keeps_asleep, keeps_busy, goes_through_c, wants_it]
    for function in functions:
        work.thread(function.__name__.replace("_", "-"), function)
    work.run()


main()

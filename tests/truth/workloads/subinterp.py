"""Subinterpreters (3.12 and newer): --interpreters (2) interpreters with a GIL of their own, two CPU threads in each,
and two in the main one.  Contention stays inside each interpreter."""
import sys
import threading

import _load

CODE = """
import threading, time
def burn_in_sub_{number}():
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        x = 0
        for i in range(2000):
            x += i
a = threading.Thread(target=burn_in_sub_{number})
a.start()
burn_in_sub_{number}()
a.join()
"""


def interpreters():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return __import__(name)
        except ImportError:
            continue
    return None


def own_gil(module, code):
    try:
        number = module.create("isolated") if sys.version_info >= (3, 13) else module.create(isolated=True)
    except TypeError:
        number = module.create()
    module.run_string(number, code)


def main():
    options = _load.parse("subinterp", interpreters=(int, 2))
    module = interpreters()
    if sys.version_info < (3, 12) or module is None:
        _load.say(skip="needs subinterpreters with a GIL of their own (3.12)")
        return
    work = _load.Work("subinterp", options)
    for i in range(2):
        work.thread("main-%d" % i, _load.burn)
    for i in range(options.interpreters):
        code = CODE.format(number=i, seconds=options.seconds)
        threading.Thread(target=own_gil, args=(module, code), name="sub-%d" % i, daemon=True).start()
    work.run()


main()

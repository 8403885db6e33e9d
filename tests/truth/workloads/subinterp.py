"""Subinterpreters (3.12 and newer): --interpreters (2) with a GIL of their own, --shared (0) that follow the main one's, two CPU threads
in each, and two in the main one.  Contention stays among those that share a GIL.  Each thread sub-N works on two thread states:
the one it was started on, and one of the interpreter it runs."""
import sys
import threading

import _load

CODE = """
import threading, time
def burn_in_{name}():
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        x = 0
        for i in range(2000):
            x += i
        {pause}
a = threading.Thread(target=burn_in_{name})
a.start()
burn_in_{name}()
a.join()
"""


def module():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return __import__(name)
        except ImportError:
            continue
    return None


def run(interpreters, own_gil, code):
    try:
        from concurrent.interpreters import create  # 3.14
        if own_gil:
            create().exec(code)
            return
    except ImportError:
        pass
    if sys.version_info >= (3, 13):
        number = interpreters.create("isolated" if own_gil else "legacy")
    else:
        number = interpreters.create(isolated=own_gil)
    interpreters.run_string(number, code)


def main():
    options = _load.parse("subinterp", interpreters=(int, 2), shared=(int, 0))
    interpreters = module()
    if sys.version_info < (3, 12) or interpreters is None:
        _load.say(skip="needs subinterpreters with a GIL of their own (3.12)")
        return
    work = _load.Work("subinterp", options)
    for i in range(2):
        work.thread("main-%d" % i, _load.burn)
    for i in range(options.interpreters + options.shared):
        own = i < options.interpreters
        name = "sub_%d" % i if own else "shared_%d" % (i - options.interpreters)
        # a drop request of another interpreter does not reach it in 3.12: it lets go by itself
        code = CODE.format(name=name, seconds=options.seconds, pause="" if own else "time.sleep(0)")
        thread = threading.Thread(target=run, args=(interpreters, own, code), name=name.replace("_", "-"), daemon=True)
        thread.start()
    work.run()


main()

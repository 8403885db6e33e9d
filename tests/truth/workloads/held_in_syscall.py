"""A thread that sleeps holding the GIL (usleep through ctypes.PyDLL), beside a CPU thread that has to wait for it."""
import ctypes
import time

import _load


def hold_asleep(work, counter):
    usleep = ctypes.PyDLL(None).usleep
    while not work.stop:
        usleep(20000)  # 20 ms, nobody else may run Python
        counter[0] += 1
        time.sleep(0.01)


options = _load.parse("held_in_syscall")
work = _load.Work("held_in_syscall", options)
work.thread("sleeper", hold_asleep)
work.thread("victim", _load.burn)
work.run()

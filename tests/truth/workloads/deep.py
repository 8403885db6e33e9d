"""A thread --depth (100000) Python frames deep that computes there, beside one that waits: stacks must be truncated, not lost."""
import sys
import threading

import _load


def dive(work, counter, depth):
    if depth > 0:
        return dive(work, counter, depth - 1)
    return _load.burn(work, counter)


options = _load.parse("deep", depth=(int, 100000))
sys.setrecursionlimit(options.depth + 1000)
try:
    threading.stack_size(1 << 30)
except ValueError:
    threading.stack_size(256 << 20)
work = _load.Work("deep", options)
work.thread("diver", dive, options.depth)
work.thread("shallow", _load.burn)
work.run()

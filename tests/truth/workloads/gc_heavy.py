"""A thread that does little but collect garbage (gc.collect over many small containers), beside one that computes."""
import gc

import _load


def collect(work, counter):
    keep = [[i] for i in range(200000)]
    while not work.stop:
        gc.collect()
        counter[0] += 1
    return keep


options = _load.parse("gc_heavy")
work = _load.Work("gc_heavy", options)
work.thread("collector", collect)
work.thread("victim", _load.burn)
work.run()

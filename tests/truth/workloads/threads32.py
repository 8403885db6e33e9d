"""32 threads: 8 that compute, 24 that sleep about a millisecond and compute a little."""
import time

import _load


def nap(work, counter):
    while not work.stop:
        time.sleep(0.001)
        _load.spin(200)
        counter[0] += 1


options = _load.parse("threads32")
work = _load.Work("threads32", options)
for i in range(8):
    work.thread("cpu-%d" % i, _load.burn)
for i in range(24):
    work.thread("nap-%d" % i, nap)
work.run()

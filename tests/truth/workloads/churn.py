"""--rate (2000) short threads a second, each computes for a moment; two long ones beside them.  The short ones count
their own CPU time, so that a recording which credits one with another's time is found out."""
import threading
import time

import _load


def short(total):
    _load.spin(500)
    total[0] += 1


def spawner(work, counter, rate):
    start = time.monotonic()
    while not work.stop:
        t = threading.Thread(target=short, args=(counter,), name="short")
        try:
            t.start()
        except RuntimeError:
            time.sleep(0.01)
            continue
        t.join()
        ahead = counter[0] / rate - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)


options = _load.parse("churn", rate=(int, 2000), hogs=(int, 0))
work = _load.Work("churn", options)
work.thread("spawner-0", spawner, options.rate / 2.0)
work.thread("spawner-1", spawner, options.rate / 2.0)
for i in range(options.hogs):
    work.thread("hog-%d" % i, _load.burn)
work.run()

"""One CPU thread and --io (4) threads that read a byte from a pipe a ticker thread fills."""
import os
import select

import _load


def io(work, counter, fd):
    while not work.stop:
        select.select([fd], [], [], 0.0005)
        os.write(work.null, b"x")
        counter[0] += 1


options = _load.parse("cpu_io", io=(int, 4))
work = _load.Work("cpu_io", options)
work.null = os.open("/dev/null", os.O_WRONLY)
work.thread("cpu-0", _load.burn)
for i in range(options.io):
    work.thread("io-%d" % i, io, os.pipe()[0])
work.run()

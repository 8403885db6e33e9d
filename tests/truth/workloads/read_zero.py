"""--threads (1) threads that os.read() /dev/zero, so give the GIL up and take it about a million times a second."""
import os

import _load


def reader(work, counter):
    fd = os.open("/dev/zero", os.O_RDONLY)
    read = os.read
    block = range(1000)
    while not work.stop:
        for _ in block:
            read(fd, 1)
        counter[0] += 1000


options = _load.parse("read_zero", threads=(int, 1))
work = _load.Work("read_zero", options)
for i in range(options.threads):
    work.thread("reader-%d" % i, reader)
work.run()

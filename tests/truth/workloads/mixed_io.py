"""Mixed I/O with many hand-offs: --pairs (3) pairs of threads that play ping-pong through socket pairs and compute
--spin (2000) rounds for each message, two threads that write and read a file, one that computes in short bursts.
Counts operations; some 7,000 hand-offs a second, with --spin 20 five times as many."""
import os
import socket
import tempfile
import time

import _load


def ping(work, counter, s):
    while not work.stop:
        s.send(b"x" * 64)
        s.recv(64)
        _load.spin(work.options.spin)
        counter[0] += 1


def pong(work, counter, s):
    while not work.stop:
        data = s.recv(64)
        if not data:
            return
        _load.spin(work.options.spin)
        s.send(data)


def files(work, counter):
    with tempfile.TemporaryFile() as f:
        fd = f.fileno()
        data = b"y" * 4096
        while not work.stop:
            os.pwrite(fd, data, 0)
            os.pread(fd, 4096, 0)
            counter[0] += 1
            time.sleep(0.0005)


def bursts(work, counter):
    while not work.stop:
        _load.spin(300)
        time.sleep(0.002)
        counter[0] += 1


options = _load.parse("mixed_io", pairs=(int, 3), spin=(int, 2000))
work = _load.Work("mixed_io", options)
keep = []
for i in range(options.pairs):
    a, b = socket.socketpair()
    keep.extend((a, b))  # open until the end: nobody finds the other side gone
    work.thread("ping-%d" % i, ping, a)
    work.thread("pong-%d" % i, pong, b)
for i in range(2):
    work.thread("file-%d" % i, files)
work.thread("burst", bursts)
work.run()

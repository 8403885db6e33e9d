"""One thread computes, another asks a child for the time and waits for the answer: the child's clock says when the answer was
there, its own when it could go on."""
import os
import struct
import time

import told

CHILDS, REQUEST = os.pipe()
ANSWER, CHILDS_ANSWER = os.pipe()


def child():
    os.close(REQUEST)
    while os.read(CHILDS, 1):
        time.sleep(0.002)
        os.write(CHILDS_ANSWER, struct.pack("q", told.now()))
    os._exit(0)


def asker():
    rows = told.begin()
    while True:
        began = told.now()
        os.write(REQUEST, b"?")  # ASK
        asked = told.now()
        rows.append(("ask", began, asked, asked - began))
        there, = struct.unpack("q", os.read(ANSWER, 8))  # WAIT
        ended = told.now()
        there = max(there, asked)  # it waited in asking until after the answer was there
        rows.append(("answer", there, ended, ended - there))


def holder():
    told.begin()
    numbers = list(range(20000))
    while True:
        sum(numbers)  # SUM


if os.fork() == 0:
    child()
os.close(CHILDS)
told.serve(__file__, [("asker", asker), ("holder", holder)])

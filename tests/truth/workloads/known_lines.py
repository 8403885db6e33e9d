"""Two threads whose place is known: `holder` keeps the GIL at the line marked HOLD, `waiter` needs it back at the line
marked WAIT after a short sleep.  --print-lines prints those line numbers and ends."""
import sys
import time

import _load

SELF = __file__


def line_of(mark):
    with open(SELF) as f:
        for number, text in enumerate(f, 1):
            if text.rstrip().endswith("# " + mark):
                return number


def the_holder(work, counter):
    numbers = list(range(20000))
    while not work.stop:
        sum(numbers, 0); counter[0] += 1  # HOLD


def the_waiter(work, counter):
    while not work.stop:
        time.sleep(0.001)  # WAIT
        counter[0] += 1


def main():
    if "--print-lines" in sys.argv:
        print("%d %d" % (line_of("HOLD"), line_of("WAIT")))
        return
    options = _load.parse("known_lines")
    work = _load.Work("known_lines", options)
    work.thread("the-holder", the_holder)
    work.thread("the-waiter", the_waiter)
    work.run()


main()

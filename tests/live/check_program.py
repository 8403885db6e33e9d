"""A contended program of known work for the tests of `gilscope check`: check_program.py [--hold MS] [--seconds S] [--servers N].

One thread computes in stretches of MS milliseconds with the GIL and then rests; the servers do short units of work after a short
rest each: a stretch makes all of them wait for its end."""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
import gilscope_mark  # noqa: E402

TEXT = b"gil" * 200000


def hog(ms, stop):
    """Holds the GIL for about ms at a time; rests long enough for all who wait to come to their turn."""
    while not stop.is_set():
        end = time.perf_counter() + ms / 1e3
        while time.perf_counter() < end:
            TEXT.count(b"x")
        time.sleep(0.0005)


def serve(stop):
    while not stop.is_set():
        with gilscope_mark.region("unit"):
            time.sleep(0.0002)
            sum(range(100))
        gilscope_mark.op()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hold", type=float, default=1)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--servers", type=int, default=6)  # so many that a second of long stretches has waits enough to be judged
    parser.add_argument("--fail", type=int, default=0)
    args = parser.parse_args()
    stop = threading.Event()
    threads = [threading.Thread(target=hog, args=(args.hold, stop), name="hog")]
    threads += [threading.Thread(target=serve, args=(stop,), name="server-%d" % i) for i in range(args.servers)]
    sys.setswitchinterval(1)  # stretches end when they end
    time.sleep(0.1)
    for thread in threads:
        thread.start()
    try:
        time.sleep(args.seconds)
    finally:
        stop.set()  # after Ctrl-C too
    for thread in threads:
        thread.join()
    return args.fail


if __name__ == "__main__":
    sys.exit(main())

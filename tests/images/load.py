"""The program whose memory is recorded by scripts/record-image, and what it says of itself (the truth).

Two threads spin (one holds the GIL), others are blocked at known lines, below methods, a generator, a closure, a deep
recursion, and in files whose names need every kind of str.  Truth, one line each, on the path given:
    T ident name            a thread; its stack follows, leaf first
    F function file line    tab separated; line 0: any (it runs)

Python 2.7 has bytes where others have str, and no names of functions beyond ASCII."""
from __future__ import print_function
import io
import sys
import threading
import time

OLD = sys.version_info < (3, 0)
QUALIFIED = sys.version_info >= (3, 11)
STREET = "strasse" if OLD else u"stra\u00dfe"
release = threading.Event()


def spin():
    x = 0
    while True:
        for i in range(1000):
            x += i


def block():
    release.wait()


def generate(call):
    call()
    yield 1


class Worker:
    def run_generator(self):
        for _ in generate(block):
            pass

    def closure(self):
        def inner():
            block()
        inner()


def recurse(depth):
    if depth == 0:
        block()
    else:
        recurse(depth - 1)


def in_file(name):
    # blank lines move the call away from the first line, and a table needs more than one entry
    source = "def %s(block):\n" % STREET + "    a = 1\n" * 300 + "    block()\n"
    scope = {}
    exec(compile(source, native(name), "exec"), scope)
    return lambda: scope[STREET](block)


def native(text):
    return text.encode("utf-8") if OLD else text


def shown(text):
    return text.decode("utf-8") if OLD else text


def qualified_names():
    names = {}
    for k in (spin, block, generate, recurse, main, qualified_names, in_file, Worker.run_generator, Worker.closure):
        names[k.__code__] = k.__qualname__
    for k in vars(threading.Thread).values():
        if hasattr(k, "__code__"):
            names[k.__code__] = k.__qualname__
    for owner in (threading.Condition, threading.Event):
        names[owner.wait.__code__] = owner.wait.__qualname__
    return names


def write_truth(path):
    names = qualified_names() if QUALIFIED else {}
    frames = sys._current_frames()
    with io.open(path, "w", encoding="utf-8") as out:
        for thread in threading.enumerate():
            if thread is threading.current_thread():
                continue
            out.write(u"T %d %s\n" % (thread.ident, shown(thread.name)))
            frame, spins = frames[thread.ident], thread.name.startswith("spin")
            while frame:
                code = frame.f_code
                name = code.co_name
                if QUALIFIED:
                    name = getattr(code, "co_qualname", None) or names[code]
                line = 0 if code is spin.__code__ else frame.f_lineno
                out.write(u"F %s\t%s\t%d\n" % (shown(name), shown(code.co_filename), line))
                frame = frame.f_back


def main():
    work = [
        ("spin 1", spin), ("spin 2", spin), ("generator", Worker().run_generator), ("closure", Worker().closure),
        ("deep", lambda: recurse(60)), (u"w\u00e4rter", in_file(u"/tmp/latin-\u00e9.py")),
        (u"\u4e2d\u6587", in_file(u"/tmp/\u4e2d\u6587.py")), (u"\U0001d4b3", in_file(u"/tmp/\U0001d4b3.py")),
    ]
    for name, call in work:
        thread = threading.Thread(target=call, name=native(name))
        thread.daemon = True
        thread.start()
    time.sleep(0.5)
    write_truth(sys.argv[1])
    print("ready")
    sys.stdout.flush()
    time.sleep(60)


main()

"""Units of work and regions, for `gilscope check` to judge waiting by.

    import gilscope_mark
    gilscope_mark.op()                      # one unit of work is done (op(n): n of them)
    with gilscope_mark.region("parse"):     # or @gilscope_mark.region("parse")
        ...

Without GILSCOPE_MARKS in the environment nothing is counted and nothing is written.  With it, each process keeps a file
marks.PID in that directory, mapped into memory; each thread counts in a slot of its own, so that counting needs no lock.
A forked child (os.fork, multiprocessing) begins a file of its own.  Copy this file into your project or put its directory on
PYTHONPATH; it needs nothing but Python 3.7 or newer.

Layout, in words of 8 bytes, native byte order:
    0   "GSMARKS\\0"       1  version (1)      2  slots        3  marks that found no room      4-7  0
    8   64 names of regions, 64 bytes each, UTF-8, padded with zeros; the last one takes all that come after it
    520 slots of 130 words each: units of work, 0, then for each region: entries, ns in it
"""
import contextlib
import os
import sys
import threading
import time

_VERSION, _SLOTS, _REGIONS, _NAME = 1, 1024, 64, 64
_HEADER_WORDS = 8
_SLOTS_AT = _HEADER_WORDS + _REGIONS * _NAME // 8
_SLOT_WORDS = 2 + 2 * _REGIONS
_DROPPED = 3
_OTHERS = "(others)"


class _Slot:
    """A thread's place in the file; free for another thread when the thread is gone."""

    def __init__(self, book):
        self.book = book
        with book.lock:
            if book.free:
                self.at = book.free.pop()
            elif book.used < _SLOTS:
                self.at = _SLOTS_AT + book.used * _SLOT_WORDS
                book.used += 1
            else:
                self.at = 0

    def __del__(self):
        if self.at:
            self.book.free.append(self.at)


class _Book:
    """The file of this process."""

    def __init__(self, directory):
        import mmap

        self.lock = threading.RLock()  # a signal handler may mark too
        self.local = threading.local()
        self.names = {}
        self.free = []
        self.used = 0
        size = 8 * (_SLOTS_AT + _SLOTS * _SLOT_WORDS)
        fd = self._create(directory)
        try:
            os.ftruncate(fd, size)
            memory = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        self.memory = memory
        self.words = memoryview(memory).cast("Q")
        memory[0:8] = b"GSMARKS\0"
        self.words[1] = _VERSION
        self.words[2] = _SLOTS

    @staticmethod
    def _create(directory):
        path = os.path.join(directory, "marks.%d" % os.getpid())
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for n in range(100):  # a process that executed another program keeps its pid
            try:
                return os.open(path + (".%d" % n if n else ""), flags, 0o600)
            except FileExistsError:
                continue
        raise OSError("too many files of this process")

    def at(self):
        """This thread's slot, 0 when there is no more room."""
        try:
            return self.local.slot.at
        except AttributeError:
            self.local.slot = _Slot(self)
            return self.local.slot.at

    def drop(self):
        with self.lock:
            self.words[_DROPPED] += 1

    def region(self, name):
        index = self.names.get(name)
        if index is not None:
            return index
        with self.lock:
            index = self.names.get(name)
            if index is None:
                index = min(len(self.names), _REGIONS - 1)
                last = index == _REGIONS - 1
                text = (_OTHERS if last else str(name)).encode("utf-8", "replace")[: _NAME - 1]
                at = 8 * _HEADER_WORDS + index * _NAME
                self.memory[at : at + len(text)] = text
                if not last:
                    self.names[name] = index
        return index


_directory = os.environ.get("GILSCOPE_MARKS", "")
_book = None
_opening = threading.RLock()


def _get():
    """The book of this process, opened by the first mark; None when it could not be."""
    global _book, _directory
    if _book is None and _directory:
        with _opening:
            if _book is None and _directory:
                try:
                    _book = _Book(_directory)
                except OSError as error:
                    print("gilscope_mark: could not count in %r: %s" % (_directory, error), file=sys.stderr)
                    _directory = ""
    return _book


def _after_fork():
    global _book, _opening
    _book = None  # the parent's file stays the parent's
    _opening = threading.RLock()


if _directory:
    os.register_at_fork(after_in_child=_after_fork)

    def op(n=1):
        """n units of work are done."""
        book = _book or _get()
        if book is not None:
            at = book.at()
            if at:
                book.words[at] += n
            else:
                book.drop()

    class region(contextlib.ContextDecorator):
        """Counts entries and time of a part of the program: with region("name"): …, or as a decorator."""

        def __init__(self, name):
            self.name = name
            self.began = []

        def _recreate_cm(self):
            return region(self.name)

        def __enter__(self):
            self.began.append(time.perf_counter_ns())
            return self

        def __exit__(self, *_):
            ns = time.perf_counter_ns() - self.began.pop()
            book = _book or _get()
            if book is not None:
                at = book.at()
                if at:
                    at += 2 + 2 * book.region(self.name)
                    book.words[at] += 1
                    book.words[at + 1] += ns
                else:
                    book.drop()

else:

    def op(n=1):
        """n units of work are done (not counted: GILSCOPE_MARKS is not set)."""

    class region(contextlib.ContextDecorator):
        """A part of the program (not counted: GILSCOPE_MARKS is not set)."""

        def __init__(self, name):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

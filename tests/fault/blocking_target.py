"""A Python whose memory does not answer: a reader from outside waits for a userfaultfd that nobody serves.

  filename: three threads compete for the GIL; the file name of what two of them run lies in such memory, the rest does not
  fuse:     the same, but that the file name lies in a mapped file (second argument) which is never handed out
  frames:   the frames of a thread that sleeps for ever do; three others compete
  tstate:   the state of a thread does, which is read in order to attach
Prints "up" when ready, "skip: …" when the kernel does not let it.  Then until killed."""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading
import time

SYS_USERFAULTFD, UFFDIO_API, UFFDIO_REGISTER, MISSING = 323, 0xC018AA3F, 0xC020AA00, 1
PAGE = mmap.PAGESIZE
SIZE_OF_STACK = 16384
libc = ctypes.CDLL(None, use_errno=True)


def open_faults():
    fd = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
    if fd < 0:
        print("skip: userfaultfd: %s" % os.strerror(ctypes.get_errno()), flush=True)
        sys.exit(0)
    fcntl.ioctl(fd, UFFDIO_API, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
    return fd


def register(fd, start, size):
    fcntl.ioctl(fd, UFFDIO_REGISTER, bytearray(struct.pack("QQQQ", start, size, MISSING, 0)))


def spin_in_the_open():
    while True:
        sum(range(1000))


def spin_unnamed():
    while True:
        sum(range(1000))


def hide_file_name(code, address):
    """The code object's pointer to its file name, found by its value, now points at address."""
    words = (ctypes.c_uint64 * (sys.getsizeof(code) // 8)).from_address(id(code))
    slot = [i for i, word in enumerate(words) if word == id(code.co_filename)]
    words[slot[0]] = address


def filename():
    fd = open_faults()
    region = mmap.mmap(-1, PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    register(fd, start, PAGE)
    compete(start)


def fuse():
    region = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), PAGE, mmap.MAP_PRIVATE)
    compete(ctypes.addressof(ctypes.c_char.from_buffer(region)))


def compete(start=None):
    threads = [threading.Thread(target=f, daemon=True) for f in (spin_in_the_open, spin_unnamed, spin_unnamed)]
    if start:
        hide_file_name(spin_unnamed.__code__, start)
    for t in threads:
        t.start()
    print("up", flush=True)
    threading.Event().wait()


def park():
    """The state of a thread that sleeps from then on."""
    found, parked = [], threading.Event()
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_uint64
    threading.Thread(target=lambda: (found.append(get()), parked.wait()), name="parked", daemon=True).start()
    while not found:
        pass
    return found[0]


def data_stack(state):
    """Its frames lie in pages of their own since 3.11: (chunk, top, limit) in the state, 16 KiB from the first to the last."""
    words = (ctypes.c_uint64 * 64).from_address(state)
    for chunk, top, limit in zip(words, words[1:], words[2:]):
        if chunk and limit - chunk == SIZE_OF_STACK and chunk <= top <= limit:
            return chunk
    print("skip: no data stack found", flush=True)
    sys.exit(0)


def frames():
    fd = open_faults()
    state = park()
    time.sleep(0.2)  # until it sleeps
    start = data_stack(state)
    register(fd, start, SIZE_OF_STACK)
    libc.madvise(ctypes.c_void_p(start), SIZE_OF_STACK, mmap.MADV_DONTNEED)
    compete()


def tstate():
    fd = open_faults()
    start = park() // PAGE * PAGE
    register(fd, start, PAGE)
    print("up", flush=True)
    libc.madvise(ctypes.c_void_p(start), PAGE, mmap.MADV_DONTNEED)
    libc.pause()


{"filename": filename, "frames": frames, "fuse": fuse, "tstate": tstate}[sys.argv[1]]()

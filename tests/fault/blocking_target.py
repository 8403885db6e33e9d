"""A Python whose memory does not answer: a reader from outside waits for a userfaultfd that nobody serves.

  filename: three threads compete for the GIL; the file name of what two of them run lies in such memory, the rest does not
  fuse:     the same, but that the file name lies in a mapped file (second argument) which is never handed out
  tstate:   the state of a thread does, which is read in order to attach
Prints "up" when ready, "skip: …" when the kernel does not let it.  Then until killed."""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading

SYS_USERFAULTFD, UFFDIO_API, UFFDIO_REGISTER, MISSING = 323, 0xC018AA3F, 0xC020AA00, 1
PAGE = mmap.PAGESIZE
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


def compete(start):
    threads = [threading.Thread(target=f, daemon=True) for f in (spin_in_the_open, spin_unnamed, spin_unnamed)]
    hide_file_name(spin_unnamed.__code__, start)
    for t in threads:
        t.start()
    print("up", flush=True)
    threading.Event().wait()


def tstate():
    fd = open_faults()
    found, parked = [], threading.Event()
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_uint64
    threading.Thread(target=lambda: (found.append(get()), parked.wait()), daemon=True).start()
    while not found:
        pass
    start = found[0] // PAGE * PAGE
    register(fd, start, PAGE)
    print("up", flush=True)
    libc.madvise(ctypes.c_void_p(start), PAGE, mmap.MADV_DONTNEED)
    libc.pause()


{"filename": filename, "fuse": fuse, "tstate": tstate}[sys.argv[1]]()

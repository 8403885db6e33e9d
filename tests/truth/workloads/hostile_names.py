"""Functions, files and threads with names nobody wants on a terminal or in a page: control characters, invalid UTF-8
(lone surrogates), 1 MB long, </script>, right-to-left marks."""
import ctypes
import sys

import _load

NAMES = [
    "</script><script>alert(1)</script>",
    "\x1b]0;owned\x07\x1b[31mred",
    "right\u202eto\u2066left",
    "line\nfeed\ttab\rreturn",
    "lone\udc80surrogate",
    "nul\x00inside",
    "L" * 1000000,
    "'; DROP TABLE waits; --",
]


def named(name):
    code = _load.burn.__code__
    code = code.replace(co_name=name, co_filename="/tmp/" + name[:300])
    if hasattr(code, "co_qualname"):
        code = code.replace(co_qualname=name)
    return type(_load.burn)(code, _load.burn.__globals__, name, _load.burn.__defaults__)


def with_comm(work, counter, function, comm):
    ctypes.CDLL(None).prctl(15, ctypes.c_char_p(comm), 0, 0, 0)  # PR_SET_NAME
    function(work, counter)


options = _load.parse("hostile_names")
work = _load.Work("hostile_names", options)
COMMS = [b"\x1b[31mred", b"\xff\xfe\x80", b"</script>", b"a\nb\tc", "\u202ertl".encode(), b'"quote\\', b"%s%n", b"x" * 15]
for i, name in enumerate(NAMES):
    work.thread("hostile-%d" % i, with_comm, named(name), COMMS[i])
sys.setswitchinterval(0.001)
work.run()

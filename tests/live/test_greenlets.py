"""Stacks of a thread that switches between greenlets: of one greenlet each, from its own first function on."""
import json
import subprocess

import pytest

import harness
import recording


GREENLETS = """
import sys, threading, time
sys.path.append("/usr/lib/python3/dist-packages")
from greenlet import greenlet
end = time.monotonic() + 20
def spin(n):
    for i in range(n): pass
def ping_inner():
    while time.monotonic() < end:
        spin(300)
        b.switch()
def ping(): ping_inner()
def pong_inner():
    while True:
        spin(300)
        a.switch()
def pong(): pong_inner()
def switcher():
    global a, b
    a, b = greenlet(ping), greenlet(pong)
    a.switch()
threading.Thread(target=switcher, name="switcher", daemon=True).start()
threading.Thread(target=spin, args=(10 ** 12,), name="other", daemon=True).start()
print("ready", flush=True)
time.sleep(20)
"""
GEVENT = """
import sys, time
sys.path.append("/usr/lib/python3/dist-packages")
from gevent import monkey; monkey.patch_all()
import gevent
from gevent.threadpool import ThreadPool
def spin(n):
    for i in range(n): pass
def ping_inner():
    while True:
        spin(3000)
        gevent.sleep(0)
def ping(): ping_inner()
def pong_inner():
    while True:
        spin(3000)
        time.sleep(0.0005)  # gevent's, by now
def pong(): pong_inner()
def pool_inner():
    while True: spin(10000)
def in_pool(): pool_inner()
gevent.spawn(ping)
gevent.spawn(pong)
pool = ThreadPool(1)
pool.spawn(in_pool)
print("ready", flush=True)
gevent.sleep(30)
"""
CALLERS = {"spin": {"ping_inner", "pong_inner", "pool_inner", "Thread.run"}, "ping_inner": {"ping"}, "pong_inner": {"pong"}, "ping": {None}, "pong": {None},
           "pool_inner": {"in_pool"}, "sleep": {"ping_inner", "pong_inner", "<module>"}, "Hub.run": {None}, "_WorkerGreenlet.run": {None},
           "switcher": {"Thread.run"}, "Thread.run": {"Thread._bootstrap_inner"}, "Thread._bootstrap_inner": {"Thread._bootstrap"}, "Thread._bootstrap": {None}}


@pytest.fixture(scope="module", params=["greenlet", "gevent"])
def greenlets(request):
    python, module = "/usr/bin/python3", request.param
    if subprocess.run([python, "-c", "import " + module], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no %s here (Debian package python3-%s)" % (module, module))
    process = subprocess.Popen([python, "-c", GEVENT if module == "gevent" else GREENLETS], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def is_possible(stack, cut):
    """Leaf first: does each function have a caller that it can have?  A stack of a greenlet may end at its first function."""
    for i, function in enumerate(stack):
        caller = stack[i + 1] if i + 1 < len(stack) else None
        if function in CALLERS and caller not in CALLERS[function] and not (cut and caller is None):
            return False
    return True


@pytest.mark.parametrize("collector", ["bpf", "remote"])
def test_stacks_of_greenlets_are_never_mixed(collector, greenlets, can_record, tmp_path):
    path = str(tmp_path / "g.gilscope")
    done = harness.gilscope("record", "--collector", collector, "-p", greenlets, "-d", 1.5, "-r", 499, "-o", path)
    assert done.returncode == 0, done.stderr
    rec = recording.Recording(path)
    torn = {row[0] for row in rec.db.execute("SELECT id FROM stack WHERE flags")}
    stacks = {key: [f[0] for f in reversed(frames)] for key, frames in rec.stacks().items()}
    seen = {f for stack in stacks.values() for f in stack}
    assert {"ping_inner", "pong_inner", "spin"} <= seen, seen
    for key, stack in stacks.items():
        assert is_possible(stack, key in torn), stack


def test_dump_of_greenlets(greenlets):
    for _ in range(30):
        done = harness.gilscope("dump", "-p", greenlets, "--json")
        assert done.returncode == 0, done.stderr
        for thread in json.loads(done.stdout)["threads"]:
            stack = [f["function"] for f in thread["stack"]]
            assert is_possible(stack, thread["torn"] or thread["truncated"]), stack

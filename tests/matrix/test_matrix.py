"""Each interpreter with each workload.  A docstring is a row of the table in docs/interpreters.md; a skip's reason is what the table shows."""
import concurrent.futures
import json

import pytest

import cells
import harness
import live
import matrix
import test_lines

BUSY = ["cpu.py", "io_and_cpu.py", "garbage.py"]
ASLEEP = ["in_syscall.py", "recursion.py", "names.py"]
NOT_OF_2_7 = ["aio.py"]
LOCKING = ["locks.py", "pool.py"]
PYTHONS = dict(live.FOUND, **cells.others())
LABELS = live.LABELS + [label for label in cells.columns() if label not in live.LABELS]


@pytest.fixture(scope="module", params=LABELS)
def label(request):
    reason = live.why_no_recording()
    if reason:
        pytest.skip(reason)
    if request.param not in PYTHONS:
        pytest.skip("no python%s here" % request.param)
    return request.param


@pytest.fixture(scope="module")
def version(label):
    return harness.version_of(PYTHONS[label])


@pytest.fixture(scope="module")
def recordings(label, version, tmp_path_factory):
    """The three groups, recorded at once by a gilscope each; whoever asks for one is told what went wrong with it, and with no other."""
    def begin(pool, name, programs, **how):
        return pool.submit(matrix.record, PYTHONS[label], programs, tmp_path_factory.mktemp(name), **how)
    old, pypy = version < (3, 0), label.startswith("PyPy")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return {"busy": begin(pool, "busy", BUSY[:2] if pypy else BUSY, attach=False),
                "asleep": None if pypy else begin(pool, "asleep", ASLEEP if old else ASLEEP + NOT_OF_2_7, attach=True, shots=["names.py"]),
                "locking": None if old or pypy else begin(pool, "locking", LOCKING, attach=True, seconds=3.5)}


@pytest.fixture(scope="module")
def busy(recordings):
    return matrix.Group(*recordings["busy"].result())


@pytest.fixture(scope="module")
def asleep(recordings):
    if not recordings["asleep"]:
        pytest.skip("only threads and totals are read")
    return matrix.Group(*recordings["asleep"].result())


@pytest.fixture(scope="module")
def locking(recordings):
    if not recordings["locking"]:
        pytest.skip("its locks are not read")
    return matrix.Group(*recordings["locking"].result())


def not_2_7(version, why):
    if version < (3, 0):
        pytest.skip(why)


def test_cpu_threads(busy):
    """CPU threads: how long each waits, at which line, for which line"""
    p = busy["cpu.py"]
    for t in p.said["threads"]:
        p.agree(t)
    assert p.process["runtime"].split()[0] == p.said["implementation"]
    assert p.process["runtime"].split()[1].split(".")[:2] == [str(n) for n in p.said["version"][:2]], p.process["runtime"]
    waiting = {t["tid"] for t in p.process["threads"] if not t["main"] and t["gil_waits"] > 10}
    assert waiting == {t["tid"] for t in p.said["threads"]}, (waiting, p.said["threads"])
    p.check_blame(p.said["threads"], matrix.COMPUTING, p.said["threads"], matrix.COMPUTING)


def test_forced_hand_offs(busy, version):
    """forced hand-offs"""
    if version < (3, 0) or busy["cpu.py"].said["implementation"] == "PyPy":
        pytest.skip("no such thing")
    p = busy["cpu.py"]
    gil, = [lock for lock in p.process["locks"] if lock["kind"] == "gil"]
    assert gil["forced_handoffs"] > 0.7 * gil["handoffs"] > 20, gil  # none of the three gives it up by himself


def test_io_and_cpu(busy):
    """I/O beside CPU: how long an answer waits for the GIL, at which line, for which line"""
    p = busy["io_and_cpu.py"]
    p.agree(p.told("asker"))
    p.check_blame([p.told("asker")], [("asker", "ASK"), ("asker", "WAIT")], [p.told("holder")], [("holder", "SUM")])
    stack = p.holder_stack([("holder", "SUM")])
    assert stack[0]["file"].endswith("io_and_cpu.py") and stack[-1]["function"].endswith("_bootstrap"), stack
    text = harness.gilscope("report", busy.path)
    assert text.returncode == 0 and "holder" in text.stdout and "io_and_cpu.py:%d" % p.lines["SUM"] in text.stdout, text.stdout
    assert max(len(line) for line in text.stdout.splitlines()) <= 100, max(text.stdout.splitlines(), key=len)


def test_held_in_a_system_call(asleep):
    """the GIL held in a system call (ctypes.PyDLL): which call, how long, who waits"""
    p = asleep["in_syscall.py"]
    sleeper, victim = p.told("sleeper"), p.told("victim")
    held = p.agree(sleeper, states=("sleep",), share=0.02, held=True)
    matrix.near(p.thread(sleeper["tid"])["gil_held_blocked_ns"], held, 0.1)
    p.agree(victim)
    p.check_blame([victim], matrix.COMPUTING, [sleeper], matrix.HOLDING)
    blocked = next(b for b in p.blame() if b["holder"]["state"] == "blocked")["holder"]
    assert "nanosleep" in blocked["syscall"] and blocked["tids"] == [sleeper["tid"]], blocked
    assert [f["function"] for f in blocked["stack"][:2]] == ["hold", "sleeper"], blocked


MARKED = " flags & (SELECT bit FROM flag WHERE of = '%s' AND name = 'gc')"


def test_garbage_collection(busy):
    """garbage collection: holds and samples marked, how long others wait for it"""
    if "garbage.py" not in busy.programs:
        pytest.skip("its collections are not read")
    p = busy["garbage.py"]
    collector, victim = p.told("collector"), p.told("victim")
    of_collector = " FROM %s x JOIN thread t ON t.id = x.thread WHERE t.tid = %d AND"
    p.agree(collector, states=("gil",))
    marked, held = (p.rec.one("SELECT sum(dur_ns)" + of_collector % ("hold", collector["tid"]) + which) for which in (MARKED % "hold", " true"))
    assert marked > 0.8 * held, (marked, held)
    marked, samples = (p.rec.one("SELECT count(*)" + of_collector % ("sample", collector["tid"]) + which) for which in (MARKED % "sample", " true"))
    assert marked > 0.7 * samples > 5, (marked, samples)
    p.agree(victim)
    p.check_blame([victim], matrix.COMPUTING, [collector], [("collector", "COLLECT")])


# kind: idle, name of the lock, the function that waits, the one that had it or ended the wait
LOCKS = {
    "thread_lock": (False, "__main__.LOCK", "lock_waiter", "lock_holder"),
    "rlock": (False, "__main__.ACCOUNT.guard", "rlock_waiter", "rlock_holder"),
    "semaphore": (False, None, "semaphore_waiter", "semaphore_holder"),
    "condition": (True, None, "condition_waiter", "notifier"),
    "event": (True, None, "event_waiter", "opener"),
    "join": (True, None, "joiner", None),
}
QUEUES = {"queue_get": (True, None, "consumer", "producer"), "queue_put": (True, None, "fast_producer", "slow_consumer")}


def check_locks(p, kinds):
    for kind, (idle, name, waiter, holder) in kinds.items():
        of_kind = [lock for lock in p.process["other_locks"] if lock["kind"] == kind]
        assert of_kind, (kind, [lock["kind"] for lock in p.process["other_locks"]])
        lock = max(of_kind, key=lambda lock: lock["wait_ns"])
        assert (lock["idle"], lock["name"], lock["where"]["function"].split(".")[-1]) == (idle, name, waiter), lock
        p.agree_on_lock(p.told(waiter), lock)
        if holder:
            assert holder in [f["function"].split(".")[-1] for f in lock["holders"][0]["stack"]], (kind, lock["holders"][0])
            assert lock["holder_known_ns"] > 0.5 * lock["wait_ns"], lock


def test_locks(locking):
    """threading's Lock, RLock, Semaphore, Condition, Event and join: name, how long, who had it"""
    p = locking["locks.py"]
    check_locks(p, LOCKS)
    contended = {f["title"].split(" ")[-1] for f in p.process["findings"] if f["id"] == "lock_contention"}
    assert {"__main__.LOCK", "__main__.ACCOUNT.guard"} <= contended, contended
    assert p.rec.one("SELECT count(*) FROM v_other_locks WHERE kind = 'thread_lock' AND name = '__main__.LOCK' AND NOT idle") >= 1


def test_queues(locking):
    """queue.Queue: put and get, how long, for whom"""
    p = locking["locks.py"]
    check_locks(p, QUEUES)
    assert not any("queue" in f["title"] for f in p.process["findings"])


def test_multiprocessing(locking):
    """a multiprocessing pool, its shared memory and Lock: one lock in all processes, how long each waits, for whom"""
    p = locking["pool.py"]
    workers = [t for t in p.said["threads"] if t["rows"]]
    assert len({w["pid"] for w in workers}) == 3 and min(w["counted"] for w in workers) > 20, [(w["pid"], w["counted"]) for w in workers]
    shared = {}
    for w in workers:
        lock = max((x for x in p.of(locking.report, w["pid"])["other_locks"] if x["kind"] == "mp_semaphore"), key=lambda x: x["wait_ns"])
        p.agree_on_lock(w, lock)
        assert lock["where"]["function"] in ("work", "__enter__"), lock["where"]
        others = [h for h in lock["holders"] if h["pid"] != w["pid"]]  # null: both others, at the same place
        assert sum(h["wait_ns"] for h in others) > 0.5 * lock["wait_ns"], json.dumps(lock)[:600]
        shared.setdefault(lock["shared"], set()).add(w["pid"])
    (name, pids), = shared.items()
    one, = [x for x in locking.report["shared_locks"] if x["shared"] == name]
    assert set(one["pids"]) >= pids and name.count(":") == 2, one


def test_asyncio_and_threads(asleep, version):
    """asyncio beside threads: a coroutine that keeps the GIL, and its executor's threads that wait for it"""
    not_2_7(version, "no such thing")
    p = asleep["aio.py"]
    waiters = [t for t in p.said["threads"] if t["name"] != "loop"]
    assert len(waiters) == 2
    for t in waiters:
        p.agree(t)
    p.check_blame(waiters, matrix.NAPPING, [p.told("loop")], matrix.HOLDING)
    stack = p.holder_stack(matrix.HOLDING)
    assert (stack[1]["function"], stack[1]["line"]) == ("stall", p.lines["STALL"]), stack
    assert "run" in [f["function"] for f in stack], stack


def test_deep_recursion(asleep):
    """20000 Python frames: the innermost 128, marked as cut"""
    p = asleep["recursion.py"]
    p.agree(p.told("napper"))
    p.check_blame([p.told("napper")], matrix.NAPPING, [p.told("diver")], matrix.HOLDING)
    stack = p.holder_stack(matrix.HOLDING)
    assert [f["function"] for f in stack] == ["hold", "bottom"] + 126 * ["down"], (len(stack), stack[:4])
    assert {f["line"] for f in stack[3:]} == {p.lines["DOWN"]}
    assert asleep.report["recording"]["truncated_stacks"] > 0


def test_names_beyond_ascii(asleep, version):
    """names that are not ASCII, of functions, files and threads"""
    p = asleep["names.py"]
    function = matrix.NAMES["the_holder"] if version > (3, 0) else "the_holder"
    p.agree(p.told("napper"))
    p.check_blame([p.told("napper")], matrix.NAPPING, [p.told(matrix.NAMES["the-holder-thread"])], matrix.HOLDING)
    stack = p.holder_stack(matrix.HOLDING)
    assert (stack[1]["function"], stack[1]["line"]) == (function, p.lines["HERE"]), stack
    assert stack[1]["file"].endswith("/größe/мир.py"), stack[1]
    holder = next(t for t in p.said["threads"] if t["name"] != "napper")
    assert p.thread(holder["tid"])["name"] == holder["name"] == matrix.NAMES["the-holder-thread"]


def test_names_of_threads(busy, asleep):
    """names of threads, and what each did all the time"""
    for group in (busy, asleep):
        for name, p in group.programs.items():
            for t in p.said["threads"]:
                if "pid" not in t:
                    assert p.thread(t["tid"])["name"] == t["name"], (name, t["name"])
            assert sum(t["main"] for t in p.process["threads"]) == 1
        test_lines.partition(group.path)


def test_snapshot(asleep, version):
    """a snapshot (gilscope dump)"""
    done, = asleep.shots["names.py"]
    assert done.returncode == 0, done.stderr
    p, shot = asleep["names.py"], json.loads(done.stdout)
    gil, = shot["gils"]
    stacks = {t["name"]: [f["function"] for f in t["stack"]] for t in shot["threads"]}
    assert stacks["napper"][0] == "nap" and gil["address"], shot
    assert (matrix.NAMES["the_holder"] if version > (3, 0) else "the_holder") in stacks[matrix.NAMES["the-holder-thread"]], stacks
    assert {t["tid"] for t in p.said["threads"]} <= {t["tid"] for t in shot["threads"]}


def test_subinterpreters(label, version, tmp_path):
    """several GILs in a process: three subinterpreters with their own, one that shares the main one's"""
    if version < (3, 12):
        pytest.skip("no such thing")
    group = matrix.recorded(PYTHONS[label], ["subinterpreters.py"], tmp_path, attach=True)
    p = group["subinterpreters.py"].process
    gils = [lock for lock in p["locks"] if lock["kind"] == "gil" and lock["waits"] > 10]
    assert len(gils) == 4 == len({lock["address"] for lock in gils}), p["locks"]
    assert len({lock["interpreter"] for lock in gils}) == 4, [lock["interpreter"] for lock in gils]
    tids = [t["tid"] for t in p["threads"]]
    assert len(tids) == len(set(tids))  # also of threads with two thread states
    told = group["subinterpreters.py"].said["threads"]
    assert len(told) == 8, [t["name"] for t in told]
    own = {}
    for lock in gils:
        blame = [b for b in p["blame"] if b["lock"] == lock["id"] and b["holder"]["tids"]]
        tids = {t for b in blame for side in (b["waiter"], b["holder"]) for t in side["tids"]}
        functions = {f["function"] for b in blame for f in b["holder"]["stack"]} & {"burn_in_sub_0", "burn_in_sub_1", "burn_in_sub_2",
                                                                                    "burn_in_shared", "main_too"}
        subs = functions - {"burn_in_shared", "main_too"}
        if subs:  # two threads of an own interpreter, and nobody else's
            (function,) = subs
            own[function] = tids
            assert functions == subs and tids == {t["tid"] for t in told if "burn_in_" + t["name"] == function}, (functions, tids)
        else:  # two of the one that shares it, two of the main one, and now and then the main thread
            assert functions == {"burn_in_shared", "main_too"} and 4 <= len(tids) <= 5, (functions, tids)
    assert len(own) == 3 == len(set.union(*own.values())) / 2, own
    for t in told:
        if t["name"] != "shared":  # which also asks the file system, and waits at other lines
            group["subinterpreters.py"].agree(t)

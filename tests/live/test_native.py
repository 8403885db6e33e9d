"""Native frames: the C function that kept the GIL has its name, and stands where it was called from."""
import glob
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest

import contract
import harness
import live
import recording

SOURCE = os.path.join(live.HERE, "native_hold.c")
LABELS = ["3.11-debian", "2.7", "3.10", "3.12", "3.14"]  # each way of finding the calls of the evaluation loop; the first is stripped


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("native") / "libkeeps.so")
    subprocess.run([os.environ.get("CC_TARGET", "cc"), "-O2", "-shared", "-fPIC", "-o", path, SOURCE], check=True)
    return path


@pytest.fixture(params=[x for x in LABELS if x in live.LABELS] or LABELS[:1])
def some_python(request):
    return live.interpreter(request.param)


def names(side):
    return [f["function"].split(".")[-1] for f in side["stack"]]


def gil_blame(report):
    p = report["processes"][0]
    gils = {lock["id"] for lock in p["locks"] if lock["kind"] == "gil"}
    return [b for b in p["blame"] if b["lock"] in gils and b["holder"]["tids"]]


def seconds(blame, leaf, below):
    """Waiting for holders in C function `leaf`, called (through others) from Python function `below`."""
    return sum(b["wait_ns"] for b in blame if names(b["holder"])[:1] == [leaf] and below in names(b["holder"])) / 1e9


def in_order(lines, *wanted):
    """Is there a stack with these functions in this order, outermost first?"""
    for line in lines:
        at = iter(line.rsplit(" ", 1)[0].split(";"))
        if all(any(frame.split(" ")[0].split(".")[-1] == w for frame in at) for w in wanted):
            return True
    return False


def test_c_functions_that_keep_the_gil(some_python, can_record, recorded, library, tmp_path):
    report, path = recorded("native_hold", some_python, 3, ["--library", library], ["--native"])
    assert contract.check(report) == []
    blame = gil_blame(report)
    shown = [(names(b["holder"])[:3], b["wait_ns"] // 1000000) for b in blame[:8]]
    total = sum(b["wait_ns"] for b in blame) / 1e9
    asleep, busy = seconds(blame, "hold_asleep", "keeps_asleep"), seconds(blame, "hold_busy", "keeps_busy")
    back = seconds(blame, "hold_asleep", "called_back")
    assert asleep > 0.1 and busy > 0.1 and back > 0.1, shown
    assert asleep + busy + back > 0.75 * total, (shown, asleep, busy, back, total)
    worst = blame[0]["holder"]
    assert worst["stack"][0]["native"] and worst["stack"][0]["file"] == library and worst["stack"][0]["line"] is None
    assert not any("native" in f for f in worst["stack"] if f["line"])
    # a waiter is named by its Python line, whatever C function wants the GIL there
    assert all("native" not in b["waiter"]["stack"][0] for b in blame if b["waiter"]["stack"]), shown

    out = str(tmp_path / "stacks")
    assert harness.gilscope("export", path, "--to", "collapsed", "--weight", "blame", "-o", out).returncode == 0
    with open(out) as f:
        lines = f.read().splitlines()
    assert in_order(lines, "run", "goes_through_c", "call_through", "called_back", "hold_asleep")
    assert in_order(lines, "keeps_busy", "hold_busy")
    assert not any("_PyEval_EvalFrameDefault" in line for line in lines)

    text = harness.gilscope("report", path).stdout
    assert "hold_" in text and "libkeeps.so" in text, text
    rec = recording.Recording(path)
    assert rec.integrity() == "ok"
    done = [n for n in report["recording"]["notes"] if n.startswith("native frames: ")]
    assert len(done) == 1, report["recording"]["notes"]


def test_dump(some_python, library):
    """Of threads that sleep, in one piece with their Python frames: what sleeps in C stands below the line that called it."""
    callers = {"hold_asleep": {"keeps_asleep", "called_back"}}
    seen = 0
    with harness.Workload("native_hold", some_python, 60, ["--library", library]) as workload:
        for _ in range(12):
            done = harness.gilscope("dump", "-p", workload.pid, "--native", "--json")
            assert done.returncode == 0, done.stderr
            for thread in json.loads(done.stdout)["threads"]:
                below = [f["function"] for f in thread["stack"] if "native" in f]
                python = [f["function"].split(".")[-1] for f in thread["stack"] if "native" not in f]
                for name in set(below) & set(callers):
                    seen += 1
                    assert python[0] in callers[name], thread["stack"]
        assert workload.alive()
    assert seen > 0


def test_only_where_it_can_be_had(any_python, tmp_path):
    done = harness.gilscope("record", "--native", "--collector", "remote", "-p", os.getpid(), "-d", "1", "-o", tmp_path / "r")
    assert done.returncode != 0 and "no native frames" in done.stderr, done.stderr
    assert not os.path.exists(str(tmp_path / "r"))


def read(path):
    """"" of what is gone."""
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def unwinder(recorder, but=None):
    """The process that unwinds for it, another one than `but`."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for task in glob.glob("/proc/%d/task/*/children" % recorder.process.pid):
            for child in read(task).split():
                if read("/proc/%s/comm" % child) == "gilscope-unwind\n" and int(child) != but:
                    return int(child)
        time.sleep(0.02)
    pytest.fail("nobody unwinds")


def test_goes_on_when_the_unwinder_dies(any_python, can_record, library, tmp_path):
    path = str(tmp_path / "r.gilscope")
    with harness.Workload("native_hold", any_python, 60, ["--library", library]) as workload:
        recorder = harness.Recorder(workload.pid, path, "--native")
        first = unwinder(recorder)
        os.kill(first, signal.SIGSTOP)
        time.sleep(0.7)  # some hundred stacks come: it has one of them in hand, and keeps it
        os.kill(first, signal.SIGKILL)
        killed_ns = time.monotonic_ns()
        unwinder(recorder, but=first)
        time.sleep(1.2)
        code, _, err = recorder.stop()
        assert code == 0 and workload.alive(), err
    rec = recording.Recording(path)
    lost = rec.one("SELECT coalesce(sum(count), 0) FROM native_loss l JOIN loss_class c ON c.id = l.class WHERE c.name = 'unwind'")
    assert lost > 0
    later = rec.one("SELECT count(*) FROM sample s JOIN stack k ON k.id = s.stack JOIN node n ON n.id = k.node"
                    " JOIN native_frame f ON f.frame = n.frame WHERE s.t_ns > ?", killed_ns - rec.start_ns)
    assert later > 5
    report = live.report(path)
    assert any("started again: 1 times" in note for note in report["recording"]["notes"]), report["recording"]["notes"]
    said = harness.gilscope("report", path).stdout
    assert re.search(r"C stacks that could not be unwound", said), said


@pytest.fixture
def stripped(library, tmp_path):
    """(a library without names of its own, their file apart, its build id, where its function without a name begins)"""
    names = subprocess.run(["nm", library], stdout=subprocess.PIPE, check=True, text=True).stdout
    start = int(re.search("([0-9a-f]+) t hold_unnamed", names).group(1), 16)
    bare, debug = str(tmp_path / "libbare.so"), str(tmp_path / "names.debug")
    subprocess.run(["objcopy", "--only-keep-debug", library, debug], check=True)
    subprocess.run(["strip", "--strip-all", "-o", bare, library], check=True)
    notes = subprocess.run(["readelf", "-n", bare], stdout=subprocess.PIPE, check=True, text=True).stdout
    return bare, debug, re.search("Build ID: ([0-9a-f]+)", notes).group(1), start


def sleeping_in(pid, python_function):
    """The C functions below that Python function, in a snapshot."""
    for _ in range(30):
        done = harness.gilscope("dump", "-p", pid, "--native", "--json")
        assert done.returncode == 0, done.stderr
        for thread in json.loads(done.stdout)["threads"]:
            stack = [f["function"].split(".")[-1] if "native" not in f else f["function"] for f in thread["stack"]]
            if python_function in stack[1:] and thread["stack"][stack.index(python_function) - 1].get("native"):
                return stack[:stack.index(python_function)]
    pytest.fail("nobody was seen asleep below " + python_function)


def test_running_with_the_gil(any_python, library):
    """The C function of a thread that is on a CPU."""
    with harness.Workload("native_hold", any_python, 60, ["--library", library, "--only", "keeps_busy"]) as workload:
        assert "hold_busy" in sleeping_in(workload.pid, "keeps_busy")


def test_function_without_a_name(any_python, stripped, monkeypatch):
    """… is shown by where it begins, wherever in it a thread stands; the network is not asked for it."""
    bare, _, _, start = stripped
    with socket.create_server(("127.0.0.1", 0)) as server:  # who has debug files for those who ask
        monkeypatch.setenv("DEBUGINFOD_URLS", "http://127.0.0.1:%d" % server.getsockname()[1])
        with harness.Workload("native_hold", any_python, 60, ["--library", bare, "--only", "keeps_unnamed"]) as workload:
            assert "libbare.so+0x%x" % start in sleeping_in(workload.pid, "keeps_unnamed")
        assert not select.select([server], [], [], 0)[0], "somebody asked"


def test_names_from_a_separate_debug_file(any_python, stripped):
    """… that lies where the process sees it, and nowhere else; without the network."""
    bare, debug, build_id, _ = stripped
    place = "/usr/lib/debug/.build-id/%s" % build_id[:2]
    script = "mkdir -p /usr/lib/debug && mount -t tmpfs tmpfs /usr/lib/debug && mkdir -p {0} && cp {1} {0}/{2}.debug && exec \"$@\"".format(
        place, debug, build_id[2:])
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a mount namespace of one's own cannot be had")
    with harness.Workload("native_hold", any_python, 60, ["--library", bare, "--only", "keeps_unnamed"], prefix=prefix) as workload:
        below = sleeping_in(workload.pid, "keeps_unnamed")
    assert "hold_unnamed" in below and "hold_within" in below, below
    assert not os.path.exists("%s/%s.debug" % (place, build_id[2:]))


def test_names_from_a_linked_debug_file(any_python, stripped, tmp_path):
    """… that a library without a build id names itself (.gnu_debuglink), with its checksum: another file of that name is passed over."""
    bare, debug, _, _ = stripped
    linked = str(tmp_path / "liblinked.so")
    subprocess.run(["objcopy", "--remove-section", ".note.gnu.build-id", "--add-gnu-debuglink", debug, bare, linked], check=True)
    (tmp_path / ".debug").mkdir()
    os.rename(debug, str(tmp_path / ".debug" / "names.debug"))
    subprocess.run(["objcopy", "--only-keep-debug", bare, debug], check=True)  # beside it, where it is looked for first
    with harness.Workload("native_hold", any_python, 60, ["--library", linked, "--only", "keeps_unnamed"]) as workload:
        below = sleeping_in(workload.pid, "keeps_unnamed")
    assert "hold_unnamed" in below and "hold_within" in below, below


def test_numpy(can_record, recorded, monkeypatch):
    """A stripped library of others: the function of it that keeps the GIL is one, and those that let it go are not blamed."""
    python = live.interpreter("3.11-debian")
    if subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no numpy here (Debian package python3-numpy)")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    report, path = recorded("numpy_calls", python, 2.5, (), ["--native"])
    by_leaf, all_ns = {}, 0
    for b in gil_blame(report):
        if "keeps_it" in names(b["holder"]):
            leaf = b["holder"]["stack"][0]
            by_leaf[leaf["function"]] = by_leaf.get(leaf["function"], 0) + b["wait_ns"]
            all_ns += b["wait_ns"]
    blame = sum(b["wait_ns"] for b in gil_blame(report))
    assert all_ns > 0.6 * blame > 0.06e9, (all_ns, blame)
    # DOUBLE's or OBJECT's add, and what it calls in the interpreter
    numpys = sum(ns for name, ns in by_leaf.items() if re.fullmatch(r"_multiarray_umath\+0x[0-9a-f]+|\w*OBJECT_add\w*", name))
    assert numpys > 0.3 * all_ns, by_leaf
    assert len(by_leaf) < 20, by_leaf
    rec = recording.Recording(path)
    texts = [row[0] for row in rec.db.execute("SELECT v.text FROM sample s JOIN v_stack v ON v.stack = s.stack JOIN thread t ON t.id = s.thread"
                                              " WHERE v.text LIKE '%multiplies%'")]
    products = [text for text in texts if re.search(r"multiplies .* > \S*gemm\S* \(\S*blas", text)]
    assert len(texts) > 20 and len(products) > 0.8 * len(texts), texts[:3]

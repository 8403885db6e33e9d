"""Commands and their process trees: `record -- COMMAND`, children by fork, exec and pools, exit codes, signals, users."""
import glob
import json
import os
import signal
import subprocess
import time

import pytest

import contract
import harness
import live
import recording

# Each process writes who it is and what its threads measured: how long they computed, and how long of that they had a CPU.
SELF = """
import json, os, sys, threading, time
def burn(seconds, into):
    wall, cpu = time.monotonic(), time.thread_time()
    while time.monotonic() - wall < seconds:
        sum(range(200))
    into.append([threading.get_native_id(), time.monotonic() - wall, time.thread_time() - cpu])
def work(threads, seconds, folder):
    rows = []
    pool = [threading.Thread(target=burn, args=(seconds, rows)) for _ in range(threads)]
    [t.start() for t in pool], [t.join() for t in pool]
    with open(os.path.join(folder, "%d.json" % os.getpid()), "w") as f:
        json.dump({"pid": os.getpid(), "parent": os.getppid(), "uid": os.getuid(), "groups": os.getgroups(), "threads": rows}, f)
"""
POOL = SELF + """
import multiprocessing
if __name__ == "__main__":
    how, n, threads, seconds, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    start = multiprocessing.get_context(how).Process
    children = [start(target=work, args=(threads, seconds, folder)) for _ in range(n)]
    [c.start() for c in children], [c.join() for c in children]
"""
ALONE = SELF + "work(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])\n"


class Tree:
    """A folder with the programs, and gilscope run on them."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.said = os.path.join(self.folder, "said")
        os.mkdir(self.said)
        os.chmod(self.said, 0o777)
        for name, text in (("pool.py", POOL), ("alone.py", ALONE)):
            with open(self.path(name), "w") as f:
                f.write(text)
        self.file = self.path("tree.gilscope")

    def path(self, name):
        return os.path.join(self.folder, name)

    def record(self, *command, options=(), **kwargs):
        return harness.gilscope("record", "-o", self.file, "--force", *options, "--", *command, **kwargs)

    def own_words(self):
        rows = [json.load(open(path)) for path in glob.glob(os.path.join(self.said, "*.json"))]
        return {row["pid"]: row for row in rows}

    def check(self, expected):
        """Every process that said something is there, forked or started by whom it says, and waited as long as it says."""
        report, words = live.report(self.file), self.own_words()
        assert contract.check(report) == []
        assert len(words) == expected, words
        seen = {p["pid"]: p for p in report["processes"]}
        parents = dict(recording.Recording(self.file).db.execute(
            "SELECT e.other_pid, p.pid FROM process_event e JOIN process p ON p.id = e.process"
            " JOIN process_event_kind k ON k.id = e.kind WHERE k.name = 'fork'"))
        for pid, row in words.items():
            assert pid in seen, (pid, sorted(seen))
            assert seen[pid]["runtime"], seen[pid]
            if row["parent"] in seen:
                assert parents.get(pid) == row["parent"], (pid, parents)
            compare_waits(row, seen[pid])
        return report


def compare_waits(row, process):
    """What a thread did not compute while it wanted to, it waited: for the GIL or for a CPU."""
    threads = {t["tid"]: t["states_ns"] for t in process["threads"]}
    for tid, wall, cpu in row["threads"]:
        states = threads[tid]
        waited = (states["wait_gil"] + states["runnable"]) / 1e9
        # its first and last moments, which it does not measure, are waiting too: the more, the more the machine has to do
        assert -0.05 * wall - 0.03 < waited - (wall - cpu) < 0.25 * wall + 0.03, (row["pid"], tid, waited, wall - cpu, states)
    if len(row["threads"]) > 1:
        gil = sum(t["gil_wait_ns"] for t in process["threads"]) / 1e9
        assert gil > 0.2 * row["threads"][0][1], (row["pid"], gil)


@pytest.fixture
def tree(tmp_path, can_record):
    return Tree(tmp_path)


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_pools(tree, any_python, how):
    done = tree.record(any_python, tree.path("pool.py"), how, 3, 2, 1.0, tree.said)
    assert done.returncode == 0, done.stderr
    report = tree.check(3)
    # their code has names, be it forked or started anew
    for p in report["processes"]:
        if p["pid"] in tree.own_words():
            assert any(f["function"] == "burn" for b in p["blame"] for f in b["waiter"]["stack"]), p["blame"]


def test_fork_and_threads_at_once(tree, any_python):
    """The child begins to contend in its first millisecond: nothing of that is lost."""
    with open(tree.path("fork.py"), "w") as f:
        f.write(SELF + "for _ in range(3):\n    if os.fork() == 0:\n        work(2, 0.3, sys.argv[1])\n        os._exit(0)\n    os.wait()\n")
    done = tree.record(any_python, tree.path("fork.py"), tree.said)
    assert done.returncode == 0, done.stderr
    tree.check(3)


def test_subprocess_and_shell(tree, any_python):
    alone = "%s %s 2 0.5 %s" % (any_python, tree.path("alone.py"), tree.said)
    with open(tree.path("outer.py"), "w") as f:
        f.write("import subprocess, sys\nsubprocess.run(['sh', '-c', sys.argv[1]], check=True)\n")
    done = tree.record(any_python, tree.path("outer.py"), "%s; %s; true" % (alone, alone))
    assert done.returncode == 0, done.stderr
    report = tree.check(2)
    assert any("no Python" in note for note in report["recording"]["notes"]), report["recording"]["notes"]


def test_short_lived_children_are_all_there(tree, any_python):
    with open(tree.path("short.py"), "w") as f:
        f.write("import os, sys\nfor _ in range(100):\n    pid = os.fork()\n    if pid == 0:\n        os._exit(0)\n"
                "    os.waitpid(pid, 0)\n    print(pid)\n")
    done = tree.record(any_python, tree.path("short.py"))
    assert done.returncode == 0, done.stderr
    children = {int(x) for x in done.stdout.split()}
    assert len(children) == 100
    assert children - {p["pid"] for p in live.report(tree.file)["processes"]} == set()


def test_pool_of_64_by_4(tree, any_python):
    done = tree.record(any_python, tree.path("pool.py"), "fork", 64, 4, 2.0, tree.said, timeout=300)
    assert done.returncode == 0, done.stderr
    report, words = live.report(tree.file), tree.own_words()
    assert len(words) == 64
    seen = {p["pid"]: p for p in report["processes"]}
    assert set(words) - set(seen) == set()
    for pid in words:
        assert sum(t["gil_waits"] for t in seen[pid]["threads"]) > 0, pid
    waited = sum(s[k] for p in words for t in seen[p]["threads"] for s in [t["states_ns"]] for k in ("wait_gil", "runnable")
                 if t["tid"] in {r[0] for r in words[p]["threads"]}) / 1e9
    truth = sum(wall - cpu for row in words.values() for _, wall, cpu in row["threads"])
    # their first and last moments, which they do not measure, are waiting too: the more, the more the machine has to do
    assert -0.02 * truth < waited - truth < 0.15 * truth, (waited, truth)
    assert not any("not recorded" in note for note in report["recording"]["notes"]), report["recording"]["notes"]
    text = harness.gilscope("report", tree.file, "--color", "never").stdout
    assert text.count("\nFindings") <= 4 and "65 processes" in text
    assert len(text.splitlines()) < 700


def test_children_of_a_running_process(tree, any_python):
    process = subprocess.Popen([any_python, tree.path("pool.py"), "fork", "3", "2", "7.0", tree.said])
    try:
        time.sleep(1.0)
        done = harness.gilscope("record", "--children", "-p", process.pid, "-d", 1, "-o", tree.file)
        assert done.returncode == 0, done.stderr
    finally:
        process.wait()
    report = live.report(tree.file)
    assert contract.check(report) == []
    busy = [p for p in report["processes"] if sum(t["gil_waits"] for t in p["threads"]) > 20]
    assert {p["pid"] for p in busy} == set(tree.own_words()), report["processes"]


def test_no_children(tree, any_python):
    done = tree.record(any_python, tree.path("pool.py"), "fork", 2, 2, 0.3, tree.said, options=["--no-children"])
    assert done.returncode == 0, done.stderr
    assert len(live.report(tree.file)["processes"]) == 1


def test_exit_status_and_streams(tree):
    done = tree.record("sh", "-c", "cat; echo to stderr >&2; exit 9", input="through\n")
    assert done.returncode == 9
    assert done.stdout == "through\n"
    assert "to stderr\n" in done.stderr and "recorded " in done.stderr
    assert tree.record("sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_what_cannot_be_run(tree):
    with open(tree.path("data"), "w") as f:
        f.write("no program")
    with open(tree.path("broken"), "w") as f:
        f.write("#!/no/such/interpreter\n")
    os.chmod(tree.path("broken"), 0o755)
    for command, code, word in (("no-such-command-here", 127, "command not found"), (tree.path("absent"), 127, "No such file"),
                                (tree.path("data"), 126, "Permission denied"), (tree.folder, 126, "directory"),
                                (tree.path("broken"), 127, "No such file")):
        done = tree.record(command)
        assert done.returncode == code, (command, done.stderr)
        assert word in done.stderr and not os.path.exists(tree.file), (command, done.stderr)


def test_our_own_failure_is_125(tree):
    done = harness.gilscope("record", "-o", "/no/such/folder/x.gilscope", "--", "sh", "-c", "echo ran")
    assert done.returncode == 125, done.stderr
    assert done.stdout == "", "it ran although it could not be recorded"
    assert harness.gilscope("record", "--no-such-option", "--", "true").returncode == 125
    assert harness.gilscope("record", "python3").returncode == 2


@pytest.mark.parametrize("number,to_group", [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGINT, False)])
def test_signals_reach_the_command(tree, any_python, number, to_group):
    with open(tree.path("wait.py"), "w") as f:
        f.write("import signal, sys, time\n"
                "def end(*_):\n    print('ended', flush=True)\n    time.sleep(0.3)\n    sys.exit(5)\n"
                "signal.signal(signal.SIGTERM, end), signal.signal(signal.SIGINT, end)\n"
                "print('ready', flush=True)\nwhile True:\n    time.sleep(0.1)\n")
    recorder = subprocess.Popen([harness.GILSCOPE, "record", "-o", tree.file, "--", any_python, tree.path("wait.py")],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # in the background it is ignored
    try:
        assert recorder.stdout.readline() == b"ready\n"
        (os.killpg if to_group else os.kill)(recorder.pid, number)
        out, err = recorder.communicate(timeout=20)
    finally:
        if recorder.poll() is None:
            os.killpg(recorder.pid, signal.SIGKILL)
    assert recorder.returncode == 5, err
    assert b"ended\n" in out
    assert live.report(tree.file)["recording"]["complete"] is True


def test_duration_ends_the_recording_not_the_command(tree):
    done = tree.record("sh", "-c", "sleep 1.5; echo done", options=["-d", "0.5"])
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
    assert live.report(tree.file)["recording"]["duration_ns"] < 1.2e9


def test_sudo_gives_the_command_to_the_user(tree):
    if os.geteuid():
        pytest.skip("needs root to become another user")
    os.chmod(tree.folder, 0o777)
    env = dict(os.environ, SUDO_UID="65534", SUDO_GID="65534", HOME="/as/given")
    done = tree.record("sh", "-c", "id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status", env=env)
    assert done.returncode == 0, done.stderr
    uid, gid, groups, home, caps = done.stdout.splitlines()
    assert (uid, gid, groups.split(), home) == ("65534", "65534", ["65534"], "/as/given")
    assert int(caps.split()[1], 16) == 0
    assert os.stat(tree.file).st_uid == 65534


def test_a_command_that_is_no_python(tree):
    done = tree.record("sleep", "0.5")
    assert done.returncode == 0, done.stderr
    report = live.report(tree.file)
    assert [(p["name"], p["runtime"]) for p in report["processes"]] == [("sleep", None)]
    assert any("no Python (sleep)" in note for note in report["recording"]["notes"]), report["recording"]["notes"]

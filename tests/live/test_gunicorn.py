"""gunicorn under `record -- COMMAND`: workers that the master forks, reloads and kills, all in one file, with waits that the
requests themselves measured."""
import collections
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import contract
import harness
import live

GUNICORN = shutil.which("gunicorn", path="/usr/bin:" + os.environ["PATH"])
APP = """
import json, os, threading, time
def compute(seconds):
    wall, cpu = time.monotonic(), time.thread_time()
    while time.thread_time() - cpu < seconds:
        sum(range(200))
    return time.monotonic() - wall, time.thread_time() - cpu
def app(environ, start_response):
    if environ["PATH_INFO"] == "/stuck":
        sum(range(10 ** 11))   # one call into C: the GIL is not let go, and no signal is handled
    wall, cpu = compute(0.05)
    body = json.dumps({"pid": os.getpid(), "tid": threading.get_native_id(), "wall": wall, "cpu": cpu}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Server:
    """gunicorn with app.py, started by gilscope."""

    def __init__(self, folder, *options, collector="bpf"):
        self.folder, self.recording = str(folder), str(folder / "gunicorn.gilscope")
        self.socket = str(folder / "s")
        self.answers = []
        (folder / "app.py").write_text(APP)
        self.log = open(str(folder / "log"), "w+")
        self.process = subprocess.Popen(
            [harness.GILSCOPE, "record", "-q", "--collector", collector, "-o", self.recording, "--", GUNICORN, "-b", "unix:" + self.socket, "-p", str(folder / "pid"),
             "--chdir", self.folder, *options, "app:app"], stdout=self.log, stderr=self.log, start_new_session=True)
        self.until(lambda: self.ask("/"), "it does not answer")

    def until(self, true, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                got = true()
                if got:
                    return got
            time.sleep(0.1)
        self.log.seek(0)
        raise AssertionError(what + "\n" + self.log.read()[-3000:])

    def master(self):
        with open(os.path.join(self.folder, "pid")) as f:
            return int(f.read())

    def ask(self, path, timeout=30):
        connection = Connection(self.socket, timeout)
        try:
            connection.request("GET", path)
            self.answers.append(json.loads(connection.getresponse().read()))
            return self.answers[-1]
        finally:
            connection.close()

    def load(self, clients, requests):
        """Requests of so many clients at once; returns who answered."""
        before = len(self.answers)

        def client():
            for _ in range(requests):
                self.ask("/")
        threads = [threading.Thread(target=client) for _ in range(clients)]
        [t.start() for t in threads], [t.join() for t in threads]
        assert len(self.answers) == before + clients * requests
        return {a["pid"] for a in self.answers[before:]}

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.until(lambda: False, "it did not end well", 0)
        return live.report(self.recording)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


@pytest.fixture
def serve(tmp_path):
    if not GUNICORN:
        pytest.skip("no gunicorn (Debian package gunicorn)")
    servers = []

    def start(*options, collector="bpf"):
        if collector == "bpf" and live.why_no_recording():
            pytest.skip(live.why_no_recording())
        servers.append(Server(tmp_path, *options, collector=collector))
        return servers[-1]
    yield start
    [s.kill() for s in servers]


def compare(report, answers):
    """Every worker that answered is there, and each of its threads waited as long as its requests say."""
    assert contract.check(report) == []
    processes = {p["pid"]: {t["tid"]: t for t in p["threads"]} for p in report["processes"]}
    waited, asked = collections.Counter(), collections.Counter()
    for a in answers:
        waited[a["pid"], a["tid"]] += a["wall"] - a["cpu"]
        asked[a["pid"], a["tid"]] += a["wall"]
    for (pid, tid), said in waited.items():
        states = processes[pid][tid]["states_ns"]
        seen = (states["wait_gil"] + states["runnable"]) / 1e9
        # gunicorn's own code waits too, the longer the more the machine has to do
        assert -0.02 < seen - said < 0.5 * asked[pid, tid] + 0.3, (pid, tid, said, asked[pid, tid], states)
    for pid in {pid for pid, _ in waited}:
        assert next(p for p in report["processes"] if p["pid"] == pid)["runtime"]


def test_four_workers_of_four_threads(serve):
    server = serve("-w", "4", "--threads", "4")
    pids = server.load(24, 8)
    assert len(pids) >= 2, pids  # the kernel decides who accepts; all were started
    report = server.end()
    compare(report, server.answers)
    assert server.process.pid not in {p["pid"] for p in report["processes"]}
    assert len(report["processes"]) == 5, [p["pid"] for p in report["processes"]]
    for pid in pids:
        p = next(p for p in report["processes"] if p["pid"] == pid)
        assert sum(t["gil_wait_ns"] for t in p["threads"]) > 0
        assert any(f["function"] == "compute" for b in p["blame"] for f in b["holder"]["stack"]), pid
    assert report["recording"]["lost_events"] == 0


def test_reload_starts_workers_anew(serve):
    server = serve("-w", "2", "--threads", "4")
    old = server.load(8, 4)
    os.kill(server.master(), signal.SIGHUP)
    server.until(lambda: server.ask("/")["pid"] not in old and not any(os.path.exists("/proc/%d" % pid) for pid in old), "no new worker")
    assert not old & server.load(8, 4)
    report = server.end()
    compare(report, server.answers)
    assert len(report["processes"]) >= 5  # the master, two workers, two more


@pytest.mark.parametrize("collector", ["bpf", "signal"])
def test_a_worker_that_is_killed_for_its_timeout(serve, collector):
    server = serve("-w", "1", "--threads", "2", "-t", "2", collector=collector)
    first = server.ask("/")
    with pytest.raises((OSError, http.client.HTTPException)):
        server.ask("/stuck", timeout=40)
    second = server.until(lambda: server.ask("/"), "no new worker")
    assert second["pid"] != first["pid"]
    report = server.end()
    stuck = next(p for p in report["processes"] if p["pid"] == first["pid"])
    longest = max(t["gil_held_ns"] or 0 for t in stuck["threads"])
    assert longest > 1.5e9, stuck["threads"]  # it held the GIL until it was killed
    assert any(f["function"] == "app" for b in stuck["blame"] for f in b["holder"]["stack"]), stuck["blame"]
    assert second["pid"] in {p["pid"] for p in report["processes"]}

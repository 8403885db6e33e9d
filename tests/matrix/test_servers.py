"""Programs of Debian's packages: threads in C, greenlets and web servers.  Rows of the same table, proved with Debian's python3 alone."""
import contextlib
import glob
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

import cells
import harness
import live
import matrix
import test_gunicorn


@pytest.fixture
def debian(can_record):
    return live.interpreter(cells.DEBIAN)


def need_module(python, name):
    if subprocess.run([python, "-c", "import " + name], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no python3-%s" % name)


def test_numpy(debian, tmp_path):
    """numpy: calls that keep the GIL, and by whom they are waited for; calls that let it go"""
    need_module(debian, "numpy")
    p = matrix.recorded(debian, ["numpy_calls.py"], tmp_path, attach=True)["numpy_calls.py"]
    said = p.agree(p.told("napper"))
    p.check_blame([p.told("napper")], matrix.NAPPING, [p.told("keeper")], [("_sum",), ("keeper",)])
    stack = p.holder_stack([("_sum",)])
    assert (stack[1]["function"], stack[1]["line"]) == ("keeper", p.lines["KEEPS"]), stack
    blamed = sum(b["wait_ns"] for b in p.blame() if b["holder"]["stack"] and p.at(b["holder"], [("releaser", "RELEASES")]))
    assert blamed < 0.05 * said, (blamed, said)


def test_greenlet(debian, tmp_path):
    """greenlet: stacks of the one that runs, of no other"""
    need_module(debian, "greenlet")
    p = matrix.recorded(debian, ["greenlets.py"], tmp_path, attach=True)["greenlets.py"]
    p.agree(p.told("napper"))
    switcher = p.told("switcher")
    p.agree(switcher, states=("sleep",), held=True)
    p.check_blame([p.told("napper")], matrix.NAPPING, [switcher], [("hold", "HOLD"), ("pong", "SPIN")])
    depths = {"ping": 5, "pong": 20}
    seen = set()
    for b in p.blame():
        functions = [f["function"] for f in b["holder"]["stack"]]
        greenlets = set(depths) & set(functions)
        if switcher["tid"] in b["holder"]["tids"] and greenlets:
            (one,) = greenlets  # never parts of both
            assert functions.count("deeper") == depths[one] + 1 and functions.index(one) < functions.index("deeper"), functions
            seen |= greenlets
    assert seen == {"ping", "pong"}, seen


class Server:
    """A web server with test_gunicorn's application; asked over a port or a socket's path."""

    def __init__(self, folder, command, address):
        self.folder, self.address, self.answers = str(folder), address, []
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=self.folder, start_new_session=True)

    def ask(self):
        connection = test_gunicorn.Connection(self.address, 30) if isinstance(self.address, str) else \
            http.client.HTTPConnection("localhost", self.address, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            self.answers.append(json.loads(connection.getresponse().read()))

    def until_it_answers(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask()
            except (OSError, ValueError, http.client.HTTPException) as why:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.log.seek(0)
                    raise AssertionError("it does not answer: %r\n%s" % (why, self.log.read()[-3000:]))
                time.sleep(0.1)

    def load(self, clients=6, requests=5):
        def client():
            for _ in range(requests):
                self.ask()
        threads = [threading.Thread(target=client) for _ in range(clients)]
        [t.start() for t in threads], [t.join() for t in threads]

    def check(self, path):
        """What was recorded agrees with what the requests said of themselves; their function waits and is waited for."""
        report = live.report(path)
        assert len(self.answers) >= 30
        test_gunicorn.compare(report, self.answers)
        for pid in {a["pid"] for a in self.answers}:
            blame = next(p for p in report["processes"] if p["pid"] == pid)["blame"]
            right = sum(b["wait_ns"] for b in blame if all("compute" in [f["function"] for f in b[side]["stack"]] for side in ("waiter", "holder")))
            assert right > 0.3e9, (pid, right, blame[:2])

    def end(self):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@pytest.fixture
def serve():
    servers = []

    def start(*args):
        servers.append(Server(*args))
        return servers[-1]
    yield start
    [s.end() for s in servers]


def test_uwsgi(debian, tmp_path, serve):
    """uwsgi: its requests, with two processes of three threads that gilscope starts"""
    if not shutil.which("uwsgi") or not os.path.exists("/usr/lib/uwsgi/plugins/python3_plugin.so"):
        pytest.skip("no uwsgi-plugin-python3")
    (tmp_path / "app.py").write_text(test_gunicorn.APP)
    path, address = str(tmp_path / "recording"), str(tmp_path / "s")
    server = serve(tmp_path, [harness.GILSCOPE, "record", "-q", "-o", path, "--", "uwsgi", "--plugin", "python3", "--http-socket", address,
                              "--master", "--processes", "2", "--threads", "3", "--wsgi-file", "app.py", "--callable", "app", "--die-on-term"],
                   address)
    server.until_it_answers()
    server.load()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) in (0, 143)
    server.check(path)


APACHE = """
ServerName localhost
PidFile {folder}/pid
ErrorLog {folder}/errors
Listen 127.0.0.1:{port}
User nobody
Group nogroup
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {wsgi}
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess app processes=1 threads=4
WSGIProcessGroup app
WSGIScriptAlias / {folder}/app.py
<Directory {folder}>
Require all granted
</Directory>
"""


def test_mod_wsgi(debian, serve, open_folder):
    """mod_wsgi in apache2: its requests, in a process of four threads that gilscope attaches to"""
    modules, apache = "/usr/lib/apache2/modules", shutil.which("apache2", path="/usr/sbin:" + os.environ["PATH"])
    wsgi = glob.glob(modules + "/mod_wsgi.so*")
    if not apache or not wsgi:
        pytest.skip("no libapache2-mod-wsgi-py3")
    (open_folder / "app.py").write_text(test_gunicorn.APP + "\napplication = app\n")
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (open_folder / "conf").write_text(APACHE.format(folder=open_folder, port=port, modules=modules, wsgi=wsgi[0]))
    server = serve(open_folder, [apache, "-d", str(open_folder), "-f", str(open_folder / "conf"), "-DFOREGROUND"], port)
    server.until_it_answers()
    pid = server.answers.pop()["pid"]
    path = str(open_folder / "recording")
    recorder = harness.Recorder(pid, path)
    server.load()
    code, _, err = recorder.stop()
    assert code == 0, err
    server.check(path)
